package webhook_test

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/runecast/runecast/cmd/runecast/app"
	"github.com/runecast/runecast/pkg/webhook"
)

// kubectl runs kubectl with a manifest on standard input.
func (l *lab) kubectl(t *testing.T, stdin string, args ...string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), l.Kubectl, append([]string{"--kubeconfig", l.Kubeconfig, "--cache-dir", filepath.Join(t.TempDir(), "cache")}, args...)...)
	cmd.Stdin = strings.NewReader(stdin)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("kubectl %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

// testRefused does not take over what kubectl made, unless it is told to.
func (l *lab) testRefused(t *testing.T) {
	t.Parallel()
	const name = "by-kubectl"
	spec := l.spec(name)
	text, _ := l.webhook(t, app.ExitOK, "generate", spec...)
	l.kubectl(t, text, "apply", "-f", "-")
	before := l.get(t, name)
	changed := append(slices.Clone(spec), "--failure-policy", "Ignore")
	_, errOut := l.webhook(t, app.ExitError, "apply", changed...)
	wantTexts(t, errOut, "refused: by-kubectl is there already and managed by kubectl-client-side-apply", "--force-conflicts", "--name")
	if got := l.get(t, name); got.ResourceVersion != before.ResourceVersion {
		t.Error("a refused apply wrote")
	}
	out, errOut := l.webhook(t, app.ExitDenied, "diff", changed...)
	wantTexts(t, out, "- failurePolicy: Fail + failurePolicy: Ignore")
	wantTexts(t, errOut, "apply would refuse: by-kubectl is there already")
	out, _ = l.webhook(t, app.ExitOK, "apply", append(changed, "--force-conflicts")...)
	wantTexts(t, out, "result changed", "taken over: by-kubectl is there already")
	out, _ = l.webhook(t, app.ExitOK, "apply", changed...) // now it is ours
	wantTexts(t, out, "result unchanged")
}

// testHelm names the release that a configuration belongs to.
func (l *lab) testHelm(t *testing.T) {
	t.Parallel()
	const name = "runecast-admission"
	spec := l.spec(name)
	text, _ := l.webhook(t, app.ExitOK, "generate", spec...)
	text = strings.Replace(text, "  labels:\n", "    meta.helm.sh/release-name: gate\n    meta.helm.sh/release-namespace: runecast\n  labels:\n", 1)
	l.kubectl(t, text, "apply", "--server-side", "--field-manager", "helm", "-f", "-")
	_, errOut := l.webhook(t, app.ExitError, "apply", append(spec, "--timeout-seconds", "5")...)
	wantTexts(t, errOut, "belongs to the Helm release gate of namespace runecast", "helm upgrade", "another --name")
	if got := l.get(t, name); *got.Webhooks[0].TimeoutSeconds != 10 {
		t.Error("it was changed")
	}
}

// testConflict names the field that somebody changed after us.
func (l *lab) testConflict(t *testing.T) {
	t.Parallel()
	const name = "conflict"
	spec := l.spec(name)
	l.webhook(t, app.ExitOK, "apply", spec...)
	l.kubectl(t, "", "patch", "validatingwebhookconfiguration", name, "--type=json", "-p", `[{"op":"replace","path":"/webhooks/0/timeoutSeconds","value":3}]`)
	_, errOut := l.webhook(t, app.ExitError, "apply", spec...)
	wantTexts(t, errOut, "fields belong to another field manager", "timeoutSeconds", "kubectl-patch", "--force-conflicts")
	out, errOut := l.webhook(t, app.ExitDenied, "diff", spec...)
	wantTexts(t, out, "- timeoutSeconds: 3 + timeoutSeconds: 10")
	wantTexts(t, errOut, "apply would refuse: apply ValidatingWebhookConfiguration conflict: fields belong to another field manager")
	// Whoever gives the value that is there changes nothing and is refused nothing.
	l.webhook(t, app.ExitOK, "apply", append(slices.Clone(spec), "--timeout-seconds", "3")...)
	l.webhook(t, app.ExitOK, "apply", append(slices.Clone(spec), "--force-conflicts")...)
	if got := l.get(t, name); *got.Webhooks[0].TimeoutSeconds != 10 {
		t.Errorf("a timeout of %d", *got.Webhooks[0].TimeoutSeconds)
	}
}

// patchBundle adds a CA to the caBundle as certgen does when it adopts a configuration.
func (l *lab) patchBundle(t *testing.T, name string, more []byte) {
	t.Helper()
	live := l.get(t, name)
	bundle := slices.Concat(live.Webhooks[0].ClientConfig.CABundle, more)
	patch, err := webhook.Patch(live, []webhook.Edit{{Webhook: live.Webhooks[0].Name, CABundle: bundle}})
	must(t, err)
	_, err = l.Client.AdmissionregistrationV1().ValidatingWebhookConfigurations().Patch(t.Context(), name, types.JSONPatchType, patch, metav1.PatchOptions{FieldManager: "runecast-certgen"})
	must(t, err)
}

// testBundle leaves a caBundle alone that certgen keeps.
func (l *lab) testBundle(t *testing.T) {
	t.Parallel()
	const name = "adopted"
	spec := l.spec(name)
	l.webhook(t, app.ExitOK, "apply", spec...)
	more, err := os.ReadFile(filepath.Join("..", "..", "pkg", "webhook", "testdata", "ca.crt"))
	must(t, err)
	l.patchBundle(t, name, more)
	both := l.get(t, name).Webhooks[0].ClientConfig.CABundle

	changed := append(slices.Clone(spec), "--timeout-seconds", "9")
	out, _ := l.webhook(t, app.ExitOK, "apply", changed...)
	wantTexts(t, out, "the caBundle of webhook adopted.runecast.com is kept by runecast-certgen and left alone")
	if strings.Contains(out, "it lacks") {
		t.Errorf("a bundle that has the CA is said to lack it:\n%s", out)
	}
	got := l.get(t, name)
	if *got.Webhooks[0].TimeoutSeconds != 9 || !bytes.Equal(got.Webhooks[0].ClientConfig.CABundle, both) {
		t.Errorf("a timeout of %d, bundle changed %t", *got.Webhooks[0].TimeoutSeconds, !bytes.Equal(got.Webhooks[0].ClientConfig.CABundle, both))
	}
	l.webhook(t, app.ExitOK, "diff", changed...)
	l.webhook(t, app.ExitOK, "apply", changed...)
	if again := l.get(t, name); again.ResourceVersion != got.ResourceVersion {
		t.Error("a second apply wrote")
	}

	other := filepath.Join(t.TempDir(), "other.crt")
	writeFile(t, other, newCA(t, "another CA").pem())
	out, _ = l.webhook(t, app.ExitOK, "apply", append(slices.Clone(changed), "--ca-file", other)...)
	wantTexts(t, out, `it lacks "another CA"`)
	l.webhook(t, app.ExitOK, "apply", append(slices.Clone(changed), "--force-conflicts")...)
	if got := l.get(t, name); bytes.Equal(got.Webhooks[0].ClientConfig.CABundle, both) {
		t.Error("the bundle was not taken over")
	}
}

// testRemoved takes a webhook out again: also where certgen has its caBundle, not where kubectl has made it too, which is told.
func (l *lab) testRemoved(t *testing.T) {
	t.Parallel()
	more, err := os.ReadFile(filepath.Join("..", "..", "pkg", "webhook", "testdata", "ca.crt"))
	must(t, err)
	for _, name := range []string{"removed", "stays"} {
		common := []string{"--name", name, "--service", "runecast/runecast-nginx:9080", "--ca-file", l.caFile, "--namespace-label", name + "={policy}"}
		two, one := append(slices.Clone(common), "--policy", "1,3"), append(slices.Clone(common), "--policy", "3")
		if name == "stays" {
			text, _ := l.webhook(t, app.ExitOK, "generate", two...)
			l.kubectl(t, text, "create", "-f", "-")
			l.webhook(t, app.ExitOK, "apply", append(slices.Clone(two), "--force-conflicts")...)
		} else {
			l.webhook(t, app.ExitOK, "apply", two...)
			l.patchBundle(t, name, more)
		}
		_, errOut := l.webhook(t, app.ExitDenied, "diff", one...)
		out, _ := l.webhook(t, app.ExitOK, "apply", append(slices.Clone(one), "--force-conflicts")...)
		left := l.get(t, name).Webhooks
		if name == "removed" && (len(left) != 1 || left[0].Name != "policy-3.runecast.com" || strings.Contains(out, "stays")) {
			t.Errorf("left are %v:\n%s", left, out)
		}
		if name == "stays" {
			const note = "webhook policy-1.runecast.com stays in stays, as kubectl-create has it"
			wantTexts(t, out, note)
			wantTexts(t, errOut, note)
			if len(left) != 2 {
				t.Errorf("left are %v", left)
			}
		}
	}
}

// testAccess finds the API server as kubectl does, and says what is missing.
func (l *lab) testAccess(t *testing.T) {
	t.Parallel()
	kubeconfig, err := os.ReadFile(l.Kubeconfig)
	must(t, err)
	dir := t.TempDir()
	two := strings.Replace(string(kubeconfig), "contexts:\n", "contexts:\n- {name: nobody, context: {cluster: test, user: nobody}}\n- {name: wrong, context: {cluster: test, user: wrong}}\n", 1)
	two = strings.Replace(two, "users:\n", "users:\n- {name: nobody, user: {token: "+adminOf(two)+", as: nobody}}\n- {name: wrong, user: {token: wrong}}\n", 1)
	file := filepath.Join(dir, "config")
	writeFile(t, file, []byte(two))
	status := func(args ...string) (int, string) {
		code, out, errOut := run(t.Context(), append([]string{"webhook", "status"}, args...)...)
		return code, out + errOut
	}
	for arguments, want := range map[string]struct {
		code int
		text string
	}{
		"--kubeconfig " + file:                                {app.ExitOK, "kube-system"},
		"--kubeconfig " + file + " --context test":            {app.ExitOK, "kube-system"},
		"--kubeconfig " + file + " --context nobody":          {app.ExitError, `User "nobody" cannot list resource "validatingwebhookconfigurations"`},
		"--kubeconfig " + file + " --context wrong":           {app.ExitError, "the API server does not accept the kubeconfig's credentials"},
		"--kubeconfig " + file + " --context other":           {app.ExitError, `context "other" does not exist`},
		"--kubeconfig " + filepath.Join(dir, "missing"):       {app.ExitError, "find the API server"},
		"--kubeconfig " + l.caFile:                            {app.ExitError, "find the API server"},
		"--kubeconfig " + file + " --context test -o nothing": {app.ExitError, `output format "nothing" is not known`},
	} {
		if code, text := status(strings.Fields(arguments)...); code != want.code || !strings.Contains(text, want.text) {
			t.Errorf("%s: exit code %d, want %d with %q:\n%s", arguments, code, want.code, want.text, text)
		}
	}
	l.viaEnvironment(t, file)
}

// viaEnvironment runs the program as a process of its own with $KUBECONFIG, then with a home directory alone.
func (l *lab) viaEnvironment(t *testing.T, kubeconfig string) {
	t.Helper()
	home := t.TempDir()
	text, err := os.ReadFile(kubeconfig)
	must(t, err)
	writeFile(t, filepath.Join(home, ".kube", "config"), text)
	program := filepath.Join(home, "runecast")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", program, "github.com/runecast/runecast/cmd/runecast").CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	for _, environment := range [][]string{{"HOME=/nowhere", "KUBECONFIG=" + kubeconfig}, {"HOME=" + home}, {"HOME=/nowhere", "RUNECAST_KUBECONFIG=" + kubeconfig}} {
		out, err := l.program(t.Context(), program, environment)
		if err != nil || !strings.Contains(out, "kube-system") {
			t.Errorf("with %v: %v\n%s", environment, err, out)
		}
	}
	if out, err := l.program(t.Context(), program, []string{"HOME=/nowhere"}); err == nil || !strings.Contains(out, "there is no kubeconfig: set KUBECONFIG or give --kubeconfig") {
		t.Errorf("with none: %v\n%s", err, out)
	}
}

func (l *lab) program(ctx context.Context, program string, environment []string) (string, error) {
	cmd := exec.CommandContext(ctx, program, "webhook", "status", "-o", "json")
	cmd.Env = environment
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func adminOf(kubeconfig string) string {
	_, rest, _ := strings.Cut(kubeconfig, "token: ")
	token, _, _ := strings.Cut(rest, "}")
	return token
}
