package webhook_test

import (
	"slices"
	"strings"
	"testing"

	admissionregistration "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/runecast/runecast/cmd/runecast/app"
)

// testStatus lists configurations of ours, of the chart and of others over namespaces. Other tests' configurations are there too.
func (l *lab) testStatus(t *testing.T) {
	t.Parallel()
	l.namespace(t, "status-both", map[string]string{"status": "a", "more": "yes"})
	l.namespace(t, "status-one", map[string]string{"status": "a"})
	l.namespace(t, "status-none", map[string]string{"status": "b"})
	common := []string{"--name", "status-ours", "--service", "runecast/runecast-nginx:9080", "--ca-file", l.caFile}
	l.webhook(t, app.ExitOK, "apply", append(slices.Clone(common), "--policy", "2", "--policy", "4", "--failure-policy", "Ignore",
		"--namespace-label", "status=a", "--namespace-label", "status=a,more=yes", "--webhook-name", "a.status.runecast.com,b.status.runecast.com")...)
	create := func(name, webhookName string, annotations map[string]string, client admissionregistration.WebhookClientConfig) {
		t.Helper()
		_, err := l.Client.AdmissionregistrationV1().ValidatingWebhookConfigurations().Create(t.Context(), &admissionregistration.ValidatingWebhookConfiguration{
			ObjectMeta: metav1.ObjectMeta{Name: name, Annotations: annotations},
			Webhooks: []admissionregistration.ValidatingWebhook{{
				Name: webhookName, ClientConfig: client, AdmissionReviewVersions: []string{"v1"}, SideEffects: new(admissionregistration.SideEffectClassNone),
				Rules: []admissionregistration.RuleWithOperations{{
					Operations: []admissionregistration.OperationType{admissionregistration.Create},
					Rule:       admissionregistration.Rule{APIGroups: []string{"example.com"}, APIVersions: []string{"v1"}, Resources: []string{"things"}},
				}},
				NamespaceSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"status": "a"}},
			}},
		}, metav1.CreateOptions{})
		must(t, err)
	}
	// The chart's, before certgen has put the path in; and one that has nothing to do with us.
	create("status-chart", "chart.status.runecast.com", map[string]string{"runecast.com/policies": `{"chart.status.runecast.com":"1"}`},
		admissionregistration.WebhookClientConfig{Service: &admissionregistration.ServiceReference{Namespace: "runecast", Name: "runecast-nginx", Port: new(int32(9080))}})
	create("status-foreign", "foreign.example.com", nil, admissionregistration.WebhookClientConfig{URL: new("https://foreign.example.com/validate")})

	out, _ := l.webhook(t, app.ExitOK, "status")
	wantTexts(t, out, "CONFIGURATION WEBHOOK POLICY FAILURE GUARDS",
		"status-ours a.status.runecast.com 2 Ignore 2", "status-ours b.status.runecast.com 4 Ignore 1", "status-chart chart.status.runecast.com 1 Fail 2",
		"Configurations that call others: ", "NAMESPACE POLICY FAILURE GUARDED BY, OR WHY NOT",
		"status-one 1 Fail chart.status.runecast.com", "status-one 2 Ignore a.status.runecast.com", "status-both 4 Ignore b.status.runecast.com",
		`label status is "b", not a`, "kube-system - - excluded by name")
	if strings.Contains(out, "foreign") {
		t.Errorf("somebody else's webhook is listed:\n%s", out)
	}

	var status struct {
		Webhooks []struct {
			Configuration, Webhook, Policy, Target, FailurePolicy string
			Managers                                              []string
			Guarded                                               int
		}
		Namespaces []struct {
			Name      string
			GuardedBy []struct{ Configuration, Webhook, Policy, FailurePolicy string }
			Why       []string
		}
		Others []string
	}
	out, _ = l.webhook(t, app.ExitOK, "status", "-o", "json")
	decode(t, out, &status)
	if !slices.Contains(status.Others, "status-foreign") || slices.Contains(status.Others, "status-ours") {
		t.Errorf("others: %v", status.Others)
	}
	for _, w := range status.Webhooks {
		if w.Configuration == "status-ours" && (!slices.Equal(w.Managers, []string{"runecast-webhook"}) || w.Target != "service runecast/runecast-nginx:9080") {
			t.Errorf("the webhook is %+v", w)
		}
	}
	for _, n := range status.Namespaces {
		if guards := map[string]int{"status-both": 3, "status-one": 2, "status-none": 0, "kube-system": 0}; n.Name == "status-both" || n.Name == "status-one" || n.Name == "status-none" {
			if len(n.GuardedBy) != guards[n.Name] {
				t.Errorf("%s is guarded by %v", n.Name, n.GuardedBy)
			}
		}
	}
}

// testFromCluster takes CA and review key from where the chart's pods have them.
func (l *lab) testFromCluster(t *testing.T) {
	t.Parallel()
	const namespace = "from-cluster"
	l.namespace(t, namespace, nil)
	spec := []string{"--policy", "2", "--service", namespace + "/runecast-nginx:9080", "--ca-from-cluster", "--review-key-from-cluster"}
	_, errOut := l.webhook(t, app.ExitError, "generate", spec...)
	wantTexts(t, errOut, "--ca-from-cluster: no pod of namespace from-cluster with the label app.kubernetes.io/name=nginx has a volume nginx-secret")
	pod := func(name, secret string) {
		t.Helper()
		_, err := l.Client.CoreV1().Pods(namespace).Create(t.Context(), &corev1.Pod{
			ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{"app.kubernetes.io/name": "nginx"}},
			Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "nginx", Image: "nginx"}}, Volumes: []corev1.Volume{
				{Name: "nginx-secret", VolumeSource: corev1.VolumeSource{Secret: &corev1.SecretVolumeSource{SecretName: secret}}},
			}},
		}, metav1.CreateOptions{})
		must(t, err)
	}
	secret := func(name string, annotations map[string]string, data map[string][]byte) {
		t.Helper()
		_ = l.Client.CoreV1().Secrets(namespace).Delete(t.Context(), name, metav1.DeleteOptions{})
		_, err := l.Client.CoreV1().Secrets(namespace).Create(t.Context(), &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: name, Annotations: annotations}, Data: data}, metav1.CreateOptions{})
		must(t, err)
	}
	pod("one", "serving")
	pod("two", "serving")
	_, errOut = l.webhook(t, app.ExitError, "generate", spec...)
	wantTexts(t, errOut, "get Secret serving of namespace from-cluster")

	ca, other := newCA(t, "the CA"), newCA(t, "the CA before")
	leaf := ca.issue(t, 60*day, "x")
	chain := append(pemOf(leaf.Certificate[0]), ca.pem()...)
	secret("serving", nil, map[string][]byte{"tls.crt": chain})
	_, errOut = l.webhook(t, app.ExitError, "generate", spec...)
	wantTexts(t, errOut, "--review-key-from-cluster: get Secret runecast-review-key of namespace from-cluster")

	for _, c := range []struct {
		annotations map[string]string
		serving     map[string][]byte
		bundle, key string
	}{
		{nil, map[string][]byte{"tls.crt": chain}, string(ca.pem()), reviewKey},
		{map[string]string{"runecast.com/phase": "expand"}, map[string][]byte{"tls.crt": chain, "ca.crt": append(other.pem(), ca.pem()...)}, string(other.pem()) + string(ca.pem()), "0123abcd"},
		{map[string]string{"runecast.com/phase": "switch"}, map[string][]byte{"ca.crt": ca.pem()}, string(ca.pem()), reviewKey},
	} {
		secret("serving", nil, c.serving)
		secret("runecast-review-key", c.annotations, map[string][]byte{"key": []byte(reviewKey), "previous": []byte("0123abcd")})
		out, _ := l.webhook(t, app.ExitOK, "generate", append(spec, "-o", "json")...)
		var got admissionregistration.ValidatingWebhookConfiguration
		decode(t, out, &got)
		client := got.Webhooks[0].ClientConfig
		if string(client.CABundle) != c.bundle || !strings.HasSuffix(*client.Service.Path, "/policy/2/key/"+c.key) {
			t.Errorf("%v: the bundle is\n%s, the path %s", c.annotations, client.CABundle, *client.Service.Path)
		}
	}
	secret("serving", nil, map[string][]byte{"tls.crt": pemOf(leaf.Certificate[0])})
	_, errOut = l.webhook(t, app.ExitError, "generate", spec...)
	wantTexts(t, errOut, "neither ca.crt nor tls.crt of Secret serving in namespace from-cluster holds a CA certificate")
	secret("runecast-review-key", nil, nil)
	secret("serving", nil, map[string][]byte{"ca.crt": ca.pem()})
	_, errOut = l.webhook(t, app.ExitError, "generate", spec...)
	wantTexts(t, errOut, "the Secret runecast-review-key in namespace from-cluster has no key")
	pod("three", "next")
	_, errOut = l.webhook(t, app.ExitError, "generate", spec...)
	wantTexts(t, errOut, "have different certificates, from the Secrets")
}
