package webhook_test

import (
	"crypto/tls"
	"encoding/pem"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	admissionregistration "k8s.io/api/admissionregistration/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/runecast/runecast/cmd/runecast/app"
)

const serverName = serviceName + "." + releaseNamespace + ".svc"

// checkResult is what check -o json prints of one webhook.
type checkResult struct {
	Configuration, Webhook, Policy, Target, ServerName, Address string
	Good                                                        bool
	Findings                                                    []struct{ Level, Check, Text string }
	Guarded                                                     []string
	Left                                                        []struct{ Namespace, Why string }
}

// testCheck presents certificates that are good and that are wrong in one way each.
func (l *lab) testCheck(t *testing.T) {
	t.Parallel()
	ca := newCA(t, "CA of the test")
	soonCA := newCAFor(t, "CA at its end", 5*day)
	deadCA := newCAFor(t, "CA past its end", -2*day)
	good := ca.issue(t, 60*day, serviceName, serverName)
	leaf := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: good.Certificate[0]})
	silent, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // loopback, in a test
	must(t, err)
	accept(t, silent, func(c net.Conn) { _, _ = c.Read(make([]byte, 1<<20)); _, _ = c.Read(make([]byte, 1)) })
	closed, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // loopback, in a test
	must(t, err)
	nobody := closed.Addr().String()
	must(t, closed.Close())
	at := func(c tls.Certificate) string { return present(t, c) }
	for name, c := range map[string]struct {
		bundle  []byte
		address string
		code    int
		want    []string
		flags   []string
	}{
		"good":         {ca.pem(), at(good), app.ExitOK, []string{"ok certificate \"server of the test\"", "verifies for " + serverName + ", valid until", "59 days; names " + serviceName + ", " + serverName, `ok caBundle CA "CA of the test"`}, nil},
		"rotation":     {append(newCA(t, "the next CA").pem(), ca.pem()...), at(good), app.ExitOK, []string{`CA "the next CA"`, `CA "CA of the test"`}, nil},
		"wrong-ca":     {newCA(t, "CA of another").pem(), at(good), app.ExitDenied, []string{`problem certificate "server of the test"`, `does not verify by caBundle, as its issuer "CA of the test" is not in it`}, nil},
		"same-name":    {newCA(t, "CA of the test").pem(), at(good), app.ExitDenied, []string{"does not verify by caBundle"}, nil},
		"expired":      {ca.pem(), at(ca.issue(t, -3*day, serverName)), app.ExitDenied, []string{"expired on", "3 days ago"}, nil},
		"missing-san":  {ca.pem(), at(ca.issue(t, 60*day, serviceName, "localhost")), app.ExitDenied, []string{"is not valid for " + serverName + ", the name that the API server calls: its names are " + serviceName + ", localhost"}, nil},
		"no-san":       {ca.pem(), at(ca.issue(t, 60*day)), app.ExitDenied, []string{"its names are none"}, nil},
		"soon":         {ca.pem(), at(ca.issue(t, 20*day, serverName)), app.ExitDenied, []string{"in 19 days: its renewal is due"}, nil},
		"soon-enough":  {ca.pem(), at(ca.issue(t, 20*day, serverName)), app.ExitOK, []string{"19 days"}, []string{"--min-days", "7"}},
		"ca-soon":      {soonCA.pem(), at(soonCA.issue(t, 60*day, serverName)), app.ExitDenied, []string{`certificate "CA at its end"`, "of caBundle expires on", "in 4 days"}, nil},
		"ca-dead":      {slices.Concat(deadCA.pem(), ca.pem()), at(good), app.ExitOK, []string{"risk caBundle certificate \"CA past its end\"", "2 days ago"}, nil},
		"ca-dead-used": {slices.Concat(deadCA.pem(), ca.pem()), at(deadCA.issue(t, 60*day, serverName)), app.ExitDenied, []string{"does not verify by caBundle", "expired"}, nil},
		"leaf":         {leaf, at(good), app.ExitOK, []string{"is no CA: it is believed until the server's certificate is renewed", "caBundle holds the server's own certificate: a renewal breaks the webhook"}, nil},
		"unreachable":  {ca.pem(), nobody, app.ExitDenied, []string{"problem connection the server cannot be reached at " + nobody + " from here, so its certificate was not looked at", "connection refused"}, nil},
		"silent":       {ca.pem(), silent.Addr().String(), app.ExitDenied, []string{"no answer within 300ms"}, []string{"--timeout", "300ms"}},
		"not-asked":    {ca.pem(), nobody, app.ExitOK, []string{"ok namespaces"}, []string{"--no-connect"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			configuration := "check-" + name
			bundle := filepath.Join(t.TempDir(), "ca.crt")
			writeFile(t, bundle, c.bundle)
			l.webhook(t, app.ExitOK, "apply", append(l.spec(configuration), "--ca-file", bundle)...)
			args := append([]string{configuration, "--address", c.address}, c.flags...)
			out, _ := l.webhook(t, c.code, "check", args...)
			wantTexts(t, out, append(c.want, configuration+".runecast.com", "policy 2, calls service runecast/runecast-nginx:9080", "failurePolicy Fail: while the server cannot be reached")...)
			jsonOut, _ := l.webhook(t, c.code, "check", append(args, "-o", "json")...)
			var results []checkResult
			decode(t, jsonOut, &results)
			if len(results) != 1 || results[0].Good != (c.code == app.ExitOK) || results[0].ServerName != serverName || len(results[0].Left) < 2 {
				t.Errorf("as JSON: %s", jsonOut)
			}
		})
	}
}

// testCheckSettings looks at configurations that an operator wrote otherwise than generate would.
func (l *lab) testCheckSettings(t *testing.T) {
	t.Parallel()
	l.namespace(t, "check-shop", map[string]string{"check": "shop"})
	l.namespace(t, "check-lab", map[string]string{"check": "lab"})
	ca, err := os.ReadFile(l.caFile)
	must(t, err)
	ignore := admissionregistration.Ignore
	hand := &admissionregistration.ValidatingWebhookConfiguration{ObjectMeta: metav1.ObjectMeta{Name: "check-by-hand"}, Webhooks: []admissionregistration.ValidatingWebhook{{
		Name: "hand.runecast.com", AdmissionReviewVersions: []string{"v1"}, SideEffects: new(admissionregistration.SideEffectClassNone),
		ClientConfig: admissionregistration.WebhookClientConfig{URL: new("https://" + l.address + "/rca/api/v2/k8s-admission-policy-review/policy/3"), CABundle: ca},
		Rules: []admissionregistration.RuleWithOperations{{
			Operations: []admissionregistration.OperationType{admissionregistration.Create, admissionregistration.Update},
			Rule:       admissionregistration.Rule{APIGroups: []string{"*"}, APIVersions: []string{"v1"}, Resources: []string{"pods", "daemonsets", "deployments", "replicasets", "statefulsets", "replicationcontrollers", "cronjobs", "jobs"}},
		}},
		NamespaceSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"check": "shop"}}, FailurePolicy: &ignore, MatchPolicy: new(admissionregistration.Exact),
		ObjectSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"scan": "yes"}},
	}}}
	_, err = l.Client.AdmissionregistrationV1().ValidatingWebhookConfigurations().Create(t.Context(), hand, metav1.CreateOptions{})
	must(t, err)
	out, _ := l.webhook(t, app.ExitOK, "check", "check-by-hand") // it connects to the URL by itself
	if strings.Contains(out, "review of a pod") {
		t.Errorf("a review without a credential:\n%s", out)
	}
	wantTexts(t, out, "policy 3, calls https://"+l.address, "every API server must have a token for "+l.address, `ok certificate "runecast"`,
		"guards 1: check-shop", `label check is "lab", not shop: check-lab`, "label check is not set:", "failurePolicy Ignore lets workloads in unjudged",
		"its rules leave out pods/ephemeralcontainers (UPDATE)", "matchPolicy Exact", "it has an objectSelector", "the API server's own machine")

	token, wrong := filepath.Join(t.TempDir(), "token"), filepath.Join(t.TempDir(), "wrong")
	writeFile(t, token, []byte(bearerToken))
	writeFile(t, wrong, []byte("a8a4a2cf-7d4f-4a0e-8a3c-2f0f6f1d0b0e"))
	out, _ = l.webhook(t, app.ExitOK, "check", "check-by-hand", "--token-file", token)
	wantTexts(t, out, "ok review the review of a pod without images is answered in")
	out, _ = l.webhook(t, app.ExitDenied, "check", "check-by-hand", "--token-file", wrong)
	wantTexts(t, out, "problem review the server answers 401")
	if strings.Contains(out, "a8a4a2cf") {
		t.Errorf("check shows the token:\n%s", out)
	}
	for name, c := range map[string]struct{ policy, key, want string }{
		"check-policy": {"99", reviewKey, "problem review the server answers 404"},
		"check-key":    {"2", "0123456789abcdef", "problem review the server answers 401"},
		"check-good":   {"2", reviewKey, "ok review the review of a pod without images is answered in"},
	} {
		key := filepath.Join(t.TempDir(), "key")
		writeFile(t, key, []byte(c.key))
		l.webhook(t, app.ExitOK, "apply", "--name", name, "--webhook-name", name+".runecast.com", "--policy", c.policy, "--namespace-label", "test="+name,
			"--service", "runecast/runecast-nginx:9080", "--ca-file", l.caFile, "--review-key-file", key)
		code := app.ExitDenied
		if strings.HasPrefix(c.want, "ok") {
			code = app.ExitOK
		}
		out, _ = l.webhook(t, code, "check", name, "--address", l.address)
		wantTexts(t, out, c.want)
		if strings.Contains(out, c.key) {
			t.Errorf("check shows the key:\n%s", out)
		}
	}
	_, errOut := l.webhook(t, app.ExitError, "check", "there-is-none")
	wantTexts(t, errOut, "there is no ValidatingWebhookConfiguration there-is-none in the cluster")
	_, errOut = l.webhook(t, app.ExitError, "check", "check-by-hand", "--address", "nowhere")
	wantTexts(t, errOut, `--address "nowhere" is no host:port`)
	_, errOut = l.webhook(t, app.ExitError, "check", "check-by-hand", "--address", "other/service="+l.address)
	wantTexts(t, errOut, "none of the webhooks calls a Service other/service")
	_, errOut = l.webhook(t, app.ExitError, "check", "--min-days", "-1")
	wantTexts(t, errOut, "must not be negative")
}

// testEverywhere guards all namespaces by two policies.
func (l *lab) testEverywhere(t *testing.T) {
	spec := []string{
		"--name", "everywhere", "--policy", "2,5", "--all-namespaces", "--service", releaseNamespace + "/" + serviceName + ":" + servicePort, "--ca-file", l.caFile,
		"--review-key-file", l.keyFile, "--exclude-namespace", "kube-node-lease",
	}
	_, errOut := l.webhook(t, app.ExitOK, "apply", spec...)
	wantTexts(t, errOut, "webhook deny-fixed-critical-and-medium.runecast.com: failurePolicy Fail for all namespaces", "policies 2 and 5 judge the same namespaces")
	eventually(t, func() error {
		if err := l.pod(t, "default", l.vulnerable); err == nil || !strings.Contains(err.Error(), denial) {
			return fmt.Errorf("got %w", err)
		}
		return nil
	})
	must(t, l.pod(t, "kube-system", l.vulnerable))
	must(t, l.pod(t, releaseNamespace, l.vulnerable))
	// The address of the one Service counts before the general one.
	out, _ := l.webhook(t, app.ExitOK, "check", "everywhere", "--address", "127.0.0.1:1", "--address", releaseNamespace+"/"+serviceName+"="+l.address)
	wantTexts(t, out, "excluded by name: kube-node-lease, kube-system, runecast", "a review key is in the path", "failurePolicy Fail for all namespaces", "policy 5, calls")

	// Without names, every configuration of the cluster that calls runecast is looked at, those of the tests before too.
	out, _ = l.webhook(t, app.ExitDenied, "check", "--address", l.address)
	wantTexts(t, out, "everywhere: policy-5.runecast.com", "check-wrong-ca:")

	// An operator who forgets to exclude what the server needs is told.
	live := l.get(t, "everywhere")
	for i := range live.Webhooks {
		live.Webhooks[i].NamespaceSelector = nil
	}
	_, err := l.Client.AdmissionregistrationV1().ValidatingWebhookConfigurations().Update(t.Context(), live, metav1.UpdateOptions{})
	must(t, err)
	out, _ = l.webhook(t, app.ExitDenied, "check", "everywhere", "--address", l.address)
	wantTexts(t, out, "problem namespaces pods of kube-system cannot start while no server answers", "problem namespaces pods of runecast cannot start", "it guards kube-system")
}
