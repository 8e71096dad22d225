//go:build e2e

package kind_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	admissionregistration "k8s.io/api/admissionregistration/v1"
	batchv1 "k8s.io/api/batch/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

const (
	caSecret      = "runecast-ca"
	servingSecret = "runecast-nginx-tls"
	keySecret     = "runecast-review-key"
	chartConfig   = "runecast-admission"

	handNamespace = "by-hand"
	handWebhook   = "by-hand.runecast.com"
)

// testRotation renews the leaf and rotates the CA and the review key while pods are created.
func (l *lab) testRotation(t *testing.T) {
	l.configureByHand(t)
	o := l.startLoad(t, shop)

	before := l.serving(t)
	must(t, l.upgrade(t.Context(), l.values(values{"tls": values{"dnsNames": []any{"runecast.domain.local"}}})))
	renewed := l.serving(t)
	if renewed.leaf == before.leaf || renewed.key != before.key || renewed.ca != before.ca {
		t.Errorf("a renewal has to change the leaf alone: leaf changed %t, key %t, CA %t", renewed.leaf != before.leaf, renewed.key != before.key, renewed.ca != before.ca)
	}
	l.awaitPresented(t, renewed.leaf)

	l.ask(t, caSecret)
	l.reconcile(t, "rotate-ca")
	rotated := l.serving(t)
	if rotated.ca == renewed.ca || rotated.leaf == renewed.leaf {
		t.Error("the CA was not rotated")
	}
	l.ask(t, keySecret)
	l.ask(t, servingSecret)
	l.reconcile(t, "rotate-key")
	if l.serving(t).key == rotated.key {
		t.Error("the private key was not replaced")
	}
	l.awaitPresented(t, l.serving(t).leaf)
	o.end(t, "renewal and rotations")
	l.handKey(t)
	l.eventually("a judgement by a bundle made before the rotation", time.Minute, func(ctx context.Context) error {
		return denied(l.dryRun(ctx, handNamespace, l.registry.vulnerable), handWebhook)
	})
	bundle := l.bundle(t, chartConfig)
	if n := strings.Count(bundle, "BEGIN CERTIFICATE"); n != 1 {
		t.Errorf("after the rotation the bundle has %d certificates, want the new CA alone", n)
	}
}

// handKey brings the configuration made by hand the review key of today: the one of before the rotation goes when its time is over, which
// a slow run meets. Its bundle stays as it was.
func (l *lab) handKey(t *testing.T) {
	t.Helper()
	configurations := l.client.AdmissionregistrationV1().ValidatingWebhookConfigurations()
	mine, err := configurations.Get(t.Context(), "made-by-hand", metav1.GetOptions{})
	must(t, err)
	path := l.reviewPath(t)
	mine.Webhooks[0].ClientConfig.Service.Path = &path
	_, err = configurations.Update(t.Context(), mine, metav1.UpdateOptions{})
	must(t, err)
}

// configureByHand makes a configuration of today's tls.crt that certgen is not told of: only what the certificates themselves hold keeps it working.
func (l *lab) configureByHand(t *testing.T) {
	t.Helper()
	l.namespace(t, handNamespace, map[string]string{"by-hand": "yes"})
	chart, err := l.client.AdmissionregistrationV1().ValidatingWebhookConfigurations().Get(t.Context(), chartConfig, metav1.GetOptions{})
	must(t, err)
	secret, err := l.client.CoreV1().Secrets(releaseNamespace).Get(t.Context(), servingSecret, metav1.GetOptions{})
	must(t, err)
	mine := &admissionregistration.ValidatingWebhookConfiguration{ObjectMeta: metav1.ObjectMeta{Name: "made-by-hand"}, Webhooks: chart.Webhooks}
	w := &mine.Webhooks[0]
	w.Name, w.ClientConfig.CABundle = handWebhook, secret.Data["tls.crt"]
	w.NamespaceSelector = &metav1.LabelSelector{MatchLabels: map[string]string{"by-hand": "yes"}}
	_, err = l.client.AdmissionregistrationV1().ValidatingWebhookConfigurations().Create(t.Context(), mine, metav1.CreateOptions{})
	must(t, err)
	t.Cleanup(func() {
		if err := l.client.AdmissionregistrationV1().ValidatingWebhookConfigurations().Delete(context.WithoutCancel(t.Context()), "made-by-hand", metav1.DeleteOptions{}); err != nil {
			t.Error(err)
		}
	})
	l.eventually("a judgement by a configuration made by hand", time.Minute, func(ctx context.Context) error {
		return denied(l.dryRun(ctx, handNamespace, l.registry.vulnerable), handWebhook)
	})
}

// ask asks for a rotation as an operator does.
func (l *lab) ask(t *testing.T, secret string) {
	t.Helper()
	l.kubectl("--namespace="+releaseNamespace, "annotate", "secret", secret, "runecast.com/rotate=now")
}

// reconcile runs the CronJob's job until nothing is under way; a run leaves what takes longer than its time to the next.
func (l *lab) reconcile(t *testing.T, name string) {
	t.Helper()
	cron, err := l.client.BatchV1().CronJobs(releaseNamespace).Get(t.Context(), "runecast-certgen", metav1.GetOptions{})
	must(t, err)
	for n := 1; ; n++ {
		job := &batchv1.Job{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("%s-%d", name, n)}, Spec: cron.Spec.JobTemplate.Spec}
		_, err = l.client.BatchV1().Jobs(releaseNamespace).Create(t.Context(), job, metav1.CreateOptions{})
		must(t, err)
		l.eventually(job.Name, 12*time.Minute, func(ctx context.Context) error {
			j, err := l.client.BatchV1().Jobs(releaseNamespace).Get(ctx, job.Name, metav1.GetOptions{})
			if err == nil && j.Status.Succeeded == 0 {
				err = fmt.Errorf("%d pods of it failed", j.Status.Failed)
			}
			return err
		})
		if !l.underWay(t) {
			t.Logf("%s: %s", name, l.kubectl("--namespace="+releaseNamespace, "logs", "job/"+job.Name))
			return
		}
		if n == 10 {
			t.Fatalf("%s is not over after %d runs", name, n)
		}
	}
}

// underWay tells whether a rotation is asked for or has not come to its end.
func (l *lab) underWay(t *testing.T) bool {
	t.Helper()
	for _, name := range []string{caSecret, keySecret} {
		s, err := l.client.CoreV1().Secrets(releaseNamespace).Get(t.Context(), name, metav1.GetOptions{})
		must(t, err)
		if s.Annotations["runecast.com/phase"] != "" || s.Annotations["runecast.com/rotate"] != "" {
			return true
		}
	}
	return false
}

// certificates are what the serving Secret holds.
type certificates struct{ leaf, key, ca string }

func (l *lab) serving(t *testing.T) certificates {
	t.Helper()
	s, err := l.client.CoreV1().Secrets(releaseNamespace).Get(t.Context(), servingSecret, metav1.GetOptions{})
	must(t, err)
	leaf, _, _ := strings.Cut(string(s.Data["tls.crt"]), "-----END CERTIFICATE-----")
	return certificates{leaf: leaf + "-----END CERTIFICATE-----\n", key: string(s.Data["tls.key"]), ca: string(s.Data["ca.crt"])}
}

// bundle is the caBundle of a configuration's first webhook.
func (l *lab) bundle(t *testing.T, configuration string) string {
	t.Helper()
	var c struct {
		Webhooks []struct {
			ClientConfig struct {
				CABundle string `json:"caBundle"`
			} `json:"clientConfig"`
		} `json:"webhooks"`
	}
	must(t, json.Unmarshal([]byte(l.kubectl("get", "validatingwebhookconfiguration", configuration, "-o", "json")), &c))
	text, err := base64.StdEncoding.DecodeString(c.Webhooks[0].ClientConfig.CABundle)
	must(t, err)
	return string(text)
}
