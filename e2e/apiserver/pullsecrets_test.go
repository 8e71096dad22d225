package apiserver_test

import (
	"cmp"
	"context"
	"encoding/base64"
	"fmt"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// testPullSecrets has images in a registry that asks who is there: they are judged with the credentials that a kubelet would pull them
// with, and denied with advice where there are none.
func (l *lab) testPullSecrets(t *testing.T) {
	t.Parallel()
	namespace := l.namespace(t, map[string]string{testLabel: "pull-secrets"})
	l.pullSecret(t, namespace, "right", l.images.private, registryPassword)
	l.pullSecret(t, namespace, "wrong", l.images.private, "guessed-password")
	l.pullSecret(t, namespace, "elsewhere", "registry.example", registryPassword)
	for name, secrets := range map[string][]corev1.LocalObjectReference{"with-secret": {{Name: "right"}}, "without": nil} {
		_, err := l.Client.CoreV1().ServiceAccounts(namespace).Create(t.Context(), &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: name}, ImagePullSecrets: secrets}, metav1.CreateOptions{})
		must(t, err)
	}
	webhook := testWebhookName("pull-secrets")
	for name, c := range map[string]struct {
		account string
		secrets []string
		judged  bool
		remedy  string // where it is another than usual
	}{
		"the pod's own":                         {"without", []string{"right"}, true, ""},
		"the service account's":                 {"with-secret", nil, true, ""},
		"the right one of two":                  {"without", []string{"wrong", "right"}, true, ""},
		"none":                                  {"without", nil, false, ""},
		"wrong":                                 {"without", []string{"wrong"}, false, ""},
		"for another registry":                  {"without", []string{"elsewhere"}, false, ""},
		"one that is not there":                 {"without", []string{"gone"}, false, "secret gone in namespace " + namespace + " does not exist: create it, or correct its name"},
		"the pod's own before the account's":    {"with-secret", []string{"wrong"}, false, ""},
		"another registry's before the account": {"with-secret", []string{"elsewhere"}, false, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			fixed := l.createWith(t.Context(), namespace, l.images.privateFixed, c.account, c.secrets)
			if !c.judged {
				details := wantDenial(t, fixed, webhook)
				for _, want := range []string{"No violation was found: the image could not be judged, and the policy denies that.", cmp.Or(c.remedy, "imagePullSecrets of the workload or its service account"), l.images.private} {
					if !strings.Contains(details, want) {
						t.Errorf("the denial does not say %q:\n%s", want, details)
					}
				}
				for _, secret := range []string{registryPassword, "guessed-password"} {
					if strings.Contains(details, secret) {
						t.Errorf("the denial shows a password:\n%s", details)
					}
				}
				return
			}
			must(t, fixed)
			if details := wantDenial(t, l.createWith(t.Context(), namespace, l.images.privateVulnerable, c.account, c.secrets), webhook); !strings.Contains(details, "CVE-2021-3711") {
				t.Errorf("the denial does not name the vulnerability:\n%s", details)
			}
		})
	}
}

// pullSecret makes a secret of the kind that kubectl create secret docker-registry makes.
func (l *lab) pullSecret(t *testing.T, namespace, name, host, password string) {
	t.Helper()
	auth := base64.StdEncoding.EncodeToString([]byte(registryUser + ":" + password))
	_, err := l.Client.CoreV1().Secrets(namespace).Create(t.Context(), &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Name: name}, Type: corev1.SecretTypeDockerConfigJson,
		Data: map[string][]byte{corev1.DockerConfigJsonKey: fmt.Appendf(nil, `{"auths":{%q:{"auth":%q}}}`, host, auth)},
	}, metav1.CreateOptions{})
	must(t, err)
}

// createWith asks for a pod of a service account, with pull secrets, as a dry run.
func (l *lab) createWith(ctx context.Context, namespace string, img testImage, account string, secrets []string) error {
	p := pod("web", container(img))
	p.Spec.ServiceAccountName = account
	for _, name := range secrets {
		p.Spec.ImagePullSecrets = append(p.Spec.ImagePullSecrets, corev1.LocalObjectReference{Name: name})
	}
	_, err := l.Client.CoreV1().Pods(namespace).Create(ctx, p, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
	return err
}
