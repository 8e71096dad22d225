//go:build e2e

package kind_test

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/kind/pkg/apis/config/v1alpha4"
)

const (
	operatorWebhook = "deny-fixed-critical-and-medium.runecast.com" // what the operator calls his
	operatorConfig  = "runecast-validating-webhook"
	operated        = "operated" // the namespace that the operator guards
)

// TestBearerToken is the way of contract sections 3 and 4: the operator sets the control plane up with a token, by the program on the node, and
// writes a webhook configuration from values that he finds with kubectl. A second run changes nothing, the token is rotated under load, what
// cannot work rolls back by itself, and everything is undone.
func TestBearerToken(t *testing.T) {
	t.Parallel()
	token, before := uuid(), ""
	l := newLab(t, "gate-bearer", func(*v1alpha4.Cluster) {})
	parts := []struct {
		name string
		run  func(*testing.T)
	}{
		{"install", func(t *testing.T) { l.testInstallWithToken(t, token); l.copyProgram(t) }},
		{"configuration by hand", l.testConfigurationByHand},
		{"plan and refusals", func(t *testing.T) { before = l.testRefusals(t, token) }},
		{"configure", func(t *testing.T) { l.testConfigure(t, token) }},
		{"verify", l.testVerify},
		{"rotation", l.testRotationByHand},
		{"chart's own in bearer mode", l.testChartBearer},
		{"existing Secret", l.testExistingSecret},
		{"rotation of the token", func(t *testing.T) { l.testTokenRotation(t, token) }},
		{"restore", func(t *testing.T) { l.testRestore(t, before) }},
		{"rolls back", l.testRollsBack},
		{"uninstall", l.testUninstallByHand},
	}
	for _, part := range parts {
		if !t.Run(part.name, func(t *testing.T) { l.t = t; part.run(t) }) {
			t.Fatalf("%q failed; what comes after it builds upon it", part.name)
		}
	}
}

func uuid() string {
	b := make([]byte, 16)
	_, _ = rand.Read(b)
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// testInstallWithToken installs with the API server's token in a Secret of the operator's.
func (l *lab) testInstallWithToken(t *testing.T, token string) {
	l.namespace(t, releaseNamespace, map[string]string{})
	_, err := l.client.CoreV1().Secrets(releaseNamespace).Create(t.Context(), &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Name: "api-tokens"}, StringData: map[string]string{"kube-apiserver": token},
	}, metav1.CreateOptions{})
	must(t, err)
	_, err = l.install(t.Context(), releaseNamespace, l.tokenValues())
	must(t, err)
	l.namespace(t, shop, nil)
	l.awaitGate()
}

func (l *lab) tokenValues(more ...values) values {
	return l.values(append([]values{{"tokens": values{"existingSecret": "api-tokens", "accessType": "Global Admin"}}}, more...)...)
}

// operatorCommands are those of contract section 4, as they stand.
const operatorCommands = `
RUNECAST_NAMESPACE='runecast'
kubectl -n $RUNECAST_NAMESPACE get service -l app.kubernetes.io/name=nginx -o jsonpath='{.items[].metadata.name}'
echo
kubectl -n $RUNECAST_NAMESPACE get service -l app.kubernetes.io/name=nginx -ojsonpath={.items[].spec.ports[].port}
echo
kubectl -n $RUNECAST_NAMESPACE get pod -l app.kubernetes.io/name=nginx -o jsonpath='{.items[].spec.volumes[?(@.name=="nginx-secret")].secret.secretName}' | xargs kubectl get secret -o jsonpath='{.data.tls\.crt}'
`

// testConfigurationByHand finds the values as an operator does and writes his configuration with them.
func (l *lab) testConfigurationByHand(t *testing.T) {
	l.kubectl("config", "set-context", "--current", "--namespace="+releaseNamespace)
	cmd := exec.CommandContext(t.Context(), "bash", "-euo", "pipefail", "-c", operatorCommands)
	cmd.Env = append(os.Environ(), "KUBECONFIG="+l.kubeconfig)
	out, err := cmd.CombinedOutput()
	found := strings.Split(strings.TrimSpace(string(out)), "\n")
	if err != nil || len(found) != 3 {
		t.Fatalf("the operator's commands: %v\n%s", err, out)
	}
	service, port, bundle := found[0], found[1], found[2]
	if pem, err := base64.StdEncoding.DecodeString(bundle); err != nil || strings.Count(string(pem), "BEGIN CERTIFICATE") != 2 || service != "runecast-nginx" || port != "9080" {
		t.Fatalf("the operator finds service %q, port %q, bundle %s (%v)", service, port, pem, err)
	}
	l.namespace(t, operated, map[string]string{"operated": "yes"})
	l.apply(t, "create", operatorYAML(service, port, bundle))
}

// operatorYAML is the configuration that an operator writes by hand, in bearer mode.
func operatorYAML(service, port, bundle string) string {
	return `apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingWebhookConfiguration
metadata:
  name: ` + operatorConfig + `
webhooks:
- name: ` + operatorWebhook + `
  rules:
  - apiGroups: ["*"]
    apiVersions: ["v1"]
    operations: ["CREATE", "UPDATE"]
    resources: ["pods", "daemonsets", "deployments", "replicasets", "statefulsets", "replicationcontrollers", "cronjobs", "jobs"]
    scope: Namespaced
  namespaceSelector:
    matchExpressions:
    - {key: operated, operator: In, values: ["yes"]}
  clientConfig:
    service:
      namespace: runecast
      name: ` + service + `
      path: /rc2/api/v2/k8s-admission-policy-review/policy/2
      port: ` + port + `
    caBundle: ` + bundle + `
  admissionReviewVersions: ["v1", "v1beta1"]
  sideEffects: None
  timeoutSeconds: 10
`
}

// awaitOperated waits until the operator's configuration judges.
func (l *lab) awaitOperated(t *testing.T) {
	t.Helper()
	l.eventually("a judgement in bearer mode", 2*time.Minute, func(ctx context.Context) error {
		if err := l.dryRun(ctx, operated, l.registry.fixed); err != nil {
			return err
		}
		return denied(l.dryRun(ctx, operated, l.registry.vulnerable), operatorWebhook)
	})
}

// testRotationByHand rotates the CA while the operator's configuration, which certgen follows by its name, is asked.
func (l *lab) testRotationByHand(t *testing.T) {
	before := l.bundle(t, operatorConfig)
	o := l.startLoad(t, operated)
	l.ask(t, caSecret)
	l.reconcile(t, "rotate-ca")
	l.awaitPresented(t, l.serving(t).leaf)
	o.end(t, "rotation of the CA under an operator's configuration")
	if l.bundle(t, operatorConfig) == before {
		t.Error("the operator's bundle did not follow the rotation")
	}
}

// testChartBearer switches the chart's own configuration to the API server's token and back, while pods are created.
func (l *lab) testChartBearer(t *testing.T) {
	o := l.startLoad(t, shop)
	must(t, l.upgrade(t.Context(), l.tokenValues(values{"admission": values{"auth": "bearer"}})))
	if path := l.reviewPath(t); path != "/rc2/api/v2/k8s-admission-policy-review/policy/2" {
		t.Errorf("in bearer mode the path is %s", path)
	}
	l.awaitGate()
	must(t, l.upgrade(t.Context(), l.tokenValues()))
	if path := l.reviewPath(t); !strings.Contains(path, "/policy/2/key/") {
		t.Error("in key mode the path has no key")
	}
	l.awaitGate()
	o.end(t, "from key to bearer and back")
}

// reviewPath is the path of the chart's first webhook.
func (l *lab) reviewPath(t *testing.T) string {
	t.Helper()
	c, err := l.client.AdmissionregistrationV1().ValidatingWebhookConfigurations().Get(t.Context(), chartConfig, metav1.GetOptions{})
	must(t, err)
	return *c.Webhooks[0].ClientConfig.Service.Path
}

// testUninstallByHand uninstalls: the operator's configuration is his, stays, and is named in the log of the removal.
func (l *lab) testUninstallByHand(t *testing.T) {
	must(t, l.uninstall(releaseNamespace))
	must(t, l.create(t.Context(), shop, "after", l.registry.vulnerable))
	if err := l.dryRun(t.Context(), operated, l.registry.fixed); err == nil {
		t.Error("the operator's configuration fails closed, so it has to refuse")
	}
	l.kubectl("delete", "validatingwebhookconfiguration", operatorConfig)
	l.eventually("pods after the operator deleted his configuration", time.Minute, func(ctx context.Context) error {
		return l.dryRun(ctx, operated, l.registry.vulnerable)
	})
}
