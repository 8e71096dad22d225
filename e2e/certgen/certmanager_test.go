//go:build certgen

package certgen_test

import (
	"bytes"
	"crypto/ecdsa"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/runecast/runecast/certgen/pki"
	"github.com/runecast/runecast/certgen/state"
	"github.com/runecast/runecast/e2e/controlplane"
	"github.com/runecast/runecast/pkg/webhook"
)

const certManagerTool = "../../.cache/tools/certmanager"

// TestCertManager runs cert-manager's controllers and its cainjector against an API server of their own, applies what the chart renders
// with tls.source cert-manager, and lets certgen work beside them.
func TestCertManager(t *testing.T) {
	t.Parallel()
	if _, err := os.Stat(certManagerTool); err != nil {
		if os.Getenv("RUNECAST_REQUIRE_APISERVER") != "" {
			t.Fatalf("%v: run make test-certgen, which builds it", err)
		}
		t.Skipf("%v: make test-certgen builds it", err)
	}
	tool, err := filepath.Abs(certManagerTool)
	must(t, err)
	l, ps, dir := startLab(t)
	l.kubectl(t, "", "apply", "--server-side", "-f", filepath.Join(moduleDir(t, "github.com/cert-manager/cert-manager"), "deploy", "crds"))
	l.kubectl(t, "", "wait", "--for=condition=Established", "--timeout=60s", "crd", "--all")
	for _, half := range []string{"controller", "cainjector"} {
		_, err := ps.Add(dir, half, tool, half, l.Kubeconfig)
		must(t, err)
	}
	l.corporateIssuer(t)
	t.Run("own CA", func(t *testing.T) {
		l.testCertManager(t, values{"source": "cert-manager", "dnsNames": []any{"runecast.domain.local"}, "ipAddresses": []any{"192.0.2.10"}})
	})
	t.Run("issuerRef", func(t *testing.T) {
		l.testCertManager(t, values{"source": "cert-manager", "certManager": values{"issuerRef": values{"name": "corp", "kind": "ClusterIssuer", "group": "cert-manager.io"}}})
	})
}

// corporateIssuer makes an issuer as an operator has one already.
func (l *lab) corporateIssuer(t *testing.T) {
	t.Helper()
	ca, err := pki.NewAuthority(1, time.Now(), 10*365*24*time.Hour)
	must(t, err)
	key, err := pki.EncodeKey(ca.Key)
	must(t, err)
	_, err = l.Client.CoreV1().Namespaces().Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "cert-manager"}}, metav1.CreateOptions{})
	must(t, err)
	_, err = l.Client.CoreV1().Secrets("cert-manager").Create(t.Context(), &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Name: "corp"}, Type: corev1.SecretTypeTLS,
		Data: map[string][]byte{"tls.crt": webhook.EncodeBundle(ca.Certificate), "tls.key": key},
	}, metav1.CreateOptions{})
	must(t, err)
	l.kubectl(t, `{"apiVersion":"cert-manager.io/v1","kind":"ClusterIssuer","metadata":{"name":"corp"},"spec":{"ca":{"secretName":"corp"}}}`, "apply", "-f", "-")
}

// testCertManager leads one way of cert-manager through an install, an upgrade, a renewal and the loss of the Secret.
func (l *lab) testCertManager(t *testing.T, tls values) {
	p := l.newPlace(t)
	r := p.render(t, values{"tls": tls})
	p.managed = r.configuration
	objects := r.objects("Issuer", "Certificate", "ValidatingWebhookConfiguration")
	t.Cleanup(func() { l.kubectl(t, objects, "delete", "--ignore-not-found", "-f", "-") })

	r.certgen(t, "issue") // the hook before the install
	if _, err := l.Client.CoreV1().Secrets(p.namespace).Get(t.Context(), servingSecret, metav1.GetOptions{}); err == nil {
		t.Error("certgen made the serving Secret, which is cert-manager's")
	}
	l.kubectl(t, objects, "apply", "-f", "-")
	r.certgen(t, "patch") // the hook after it
	first := p.awaitIssued(t, "")
	p.checkIssued(t, first, tls)
	p.awaitInjected(t, first.Data["ca.crt"])
	p.front.keepInSync(t)
	p.awaitPod(t)

	// cainjector, certgen and Helm apply one after the other: each leaves alone what is another's.
	for range 3 {
		r.certgen(t, "patch")
		l.kubectl(t, objects, "apply", "-f", "-")
		r.certgen(t, "reconcile")
	}
	settled := p.settled(t)
	p.checkClient(t, first.Data["ca.crt"])
	r.certgen(t, "reconcile")
	r.certgen(t, "issue")
	if again := p.settled(t); again != settled {
		t.Errorf("the configuration went from version %s to %s though nothing was to be done", settled, again)
	}
	p.awaitPod(t)

	p.renew(t) // as cmctl renew does
	second := p.awaitIssued(t, serial(t, first))
	if !bytes.Equal(first.Data["tls.key"], second.Data["tls.key"]) {
		t.Error("the renewal changed the private key, which nginx may read with the other certificate")
	}
	p.checkIssued(t, second, tls)
	p.awaitPod(t)

	must(t, l.Client.CoreV1().Secrets(p.namespace).Delete(t.Context(), servingSecret, metav1.DeleteOptions{}))
	third := p.awaitIssued(t, serial(t, second))
	p.checkIssued(t, third, tls)
	p.awaitInjected(t, third.Data["ca.crt"])
	p.checkClient(t, third.Data["ca.crt"])
	p.awaitPod(t)
	r.certgen(t, "reconcile")
}

// awaitIssued waits for a certificate with another serial number than that of before.
func (p *place) awaitIssued(t *testing.T, before string) *corev1.Secret {
	t.Helper()
	var s *corev1.Secret
	eventually(t, 2*time.Minute, func() error {
		var err error
		if s, err = p.Client.CoreV1().Secrets(p.namespace).Get(t.Context(), servingSecret, metav1.GetOptions{}); err != nil {
			return err
		}
		if leaf := state.ReadServing(s).Leaf; leaf == nil || leaf.SerialNumber.String() == before {
			return errors.New("no new certificate yet")
		}
		return nil
	})
	return s
}

func serial(t *testing.T, s *corev1.Secret) string {
	t.Helper()
	return state.ReadServing(s).Leaf.SerialNumber.String()
}

// checkIssued checks the Secret against what pods, API server and certgen rely on.
func (p *place) checkIssued(t *testing.T, s *corev1.Secret, tls values) {
	t.Helper()
	got := state.ReadServing(s)
	names, err := pki.NewNames(p.namespace, "cluster.local", []string{frontService, "runecast-server"}, nil, nil)
	must(t, err)
	want := names.DNS
	if more, ok := tls["dnsNames"].([]any); ok {
		want = append(want, fmt.Sprint(more[0]))
	}
	for _, name := range want {
		if !slices.Contains(got.Leaf.DNSNames, name) {
			t.Errorf("the certificate is not for %s: %q", name, got.Leaf.DNSNames)
		}
	}
	if _, ok := got.Key.(*ecdsa.PrivateKey); !ok || !got.PKCS8 || s.Type != corev1.SecretTypeTLS {
		t.Errorf("key %T in PKCS#8 %t, Secret of type %s", got.Key, got.PKCS8, s.Type)
	}
	if len(got.Bundle) != 1 || got.Leaf.CheckSignatureFrom(got.Bundle[0]) != nil {
		t.Errorf("ca.crt has %d certificates, and must have the CA of the certificate", len(got.Bundle))
	}
	if life := got.Leaf.NotAfter.Sub(got.Leaf.NotBefore); life < 89*24*time.Hour || life > 91*24*time.Hour {
		t.Errorf("the certificate lasts %s", life)
	}
}

// awaitInjected waits until cainjector has put the CA into the chart's configuration.
func (p *place) awaitInjected(t *testing.T, ca []byte) {
	t.Helper()
	eventually(t, time.Minute, func() error {
		if bundle := p.clientConfig(t, p.managed).CABundle; !bytes.Contains(bundle, bytes.TrimSpace(ca)) {
			return fmt.Errorf("a caBundle of %d bytes without the CA", len(bundle))
		}
		return nil
	})
}

// checkClient checks that CA and path are both in the configuration.
func (p *place) checkClient(t *testing.T, ca []byte) {
	t.Helper()
	client := p.clientConfig(t, p.managed)
	if !bytes.Contains(client.CABundle, bytes.TrimSpace(ca)) {
		t.Error("the caBundle is without the CA")
	}
	if want := webhook.ReviewPath("2", string(p.secret(t, keySecret).Data["key"])); client.Service.Path == nil || *client.Service.Path != want {
		t.Error("the path is not that of policy and key")
	}
}

// settled gives the version of the chart's configuration when it has been the same for two seconds.
func (p *place) settled(t *testing.T) string {
	t.Helper()
	version, since := "", time.Now()
	eventually(t, time.Minute, func() error {
		c, err := p.Client.AdmissionregistrationV1().ValidatingWebhookConfigurations().Get(t.Context(), p.managed, metav1.GetOptions{})
		must(t, err)
		if c.ResourceVersion != version {
			version, since = c.ResourceVersion, time.Now()
		}
		if time.Since(since) < 2*time.Second {
			return errors.New("it is still being written")
		}
		return nil
	})
	return version
}

// renew asks for a new certificate by the condition that cert-manager's own command sets.
func (p *place) renew(t *testing.T) {
	t.Helper()
	text := p.kubectl(t, "", "-n", p.namespace, "get", "certificate", "runecast-nginx", "-o", "json")
	var certificate map[string]any
	must(t, json.Unmarshal([]byte(text), &certificate))
	status, ok := certificate["status"].(map[string]any)
	if !ok {
		t.Fatal("the Certificate has no status")
	}
	conditions, _ := status["conditions"].([]any)
	now := time.Now().UTC().Format(time.RFC3339)
	conditions = append(conditions, map[string]any{"type": "Issuing", "status": "True", "reason": "ManuallyTriggered", "message": "by a test", "lastTransitionTime": now})
	patch, err := json.Marshal(map[string]any{"status": map[string]any{"conditions": conditions}})
	must(t, err)
	p.kubectl(t, "", "-n", p.namespace, "patch", "certificate", "runecast-nginx", "--subresource=status", "--type=merge", "-p", string(patch))
}

// moduleDir gives the directory of a module of go.mod.
func moduleDir(t *testing.T, module string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.Dir}}", module).Output()
	if err != nil || len(bytes.TrimSpace(out)) == 0 {
		t.Fatalf("go list -m %s: %v", module, err)
	}
	return strings.TrimSpace(string(out))
}

// startLab starts an API server.
func startLab(t *testing.T) (*lab, *controlplane.Processes, string) {
	t.Helper()
	found := controlplane.Find(t)
	dir := t.TempDir()
	ps := &controlplane.Processes{}
	t.Cleanup(ps.KillAll)
	controlplane.StopOnSignal(t, ps, dir)
	cluster, err := controlplane.Start(ps, dir, found, controlplane.Options{ServiceRange: serviceRange()})
	must(t, err)
	must(t, cluster.Await(t.Context()))
	return &lab{Cluster: cluster}, ps, dir
}

// kubectl runs kubectl with a text as its input, and gives its output.
func (l *lab) kubectl(t *testing.T, input string, args ...string) string {
	t.Helper()
	cmd := exec.Command(l.Kubectl, append([]string{"--kubeconfig", l.Kubeconfig}, args...)...) //nolint:noctx // it also cleans up
	cmd.Stdin = strings.NewReader(input)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("kubectl %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}
