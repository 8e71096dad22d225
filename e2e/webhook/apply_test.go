package webhook_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	admissionregistration "k8s.io/api/admissionregistration/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/yaml"

	"github.com/runecast/runecast/cmd/runecast/app"
	"github.com/runecast/runecast/pkg/webhook"
)

// testGolden has the API server take every golden file, and asks that it gives no field a default: what is generated is complete.
func (l *lab) testGolden(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob(filepath.Join("..", "..", "pkg", "webhook", "testdata", "generate", "*.yaml"))
	if err != nil || len(files) < 5 {
		t.Fatalf("%d golden files, %v", len(files), err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		must(t, err)
		var golden admissionregistration.ValidatingWebhookConfiguration
		must(t, yaml.UnmarshalStrict(text, &golden))
		golden.Name += "-golden"
		stored, err := l.Client.AdmissionregistrationV1().ValidatingWebhookConfigurations().Create(t.Context(), &golden, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
		if err != nil {
			t.Errorf("%s: %v", file, err)
			continue
		}
		if diff, err := webhook.Diff(&golden, stored); err != nil || diff != "" {
			t.Errorf("%s: %v\n%s", file, err, diff)
		}
	}
}

// testService leads a configuration with a review key in its path through its life, and has it deny a pod.
func (l *lab) testService(t *testing.T) {
	t.Parallel()
	const name = "by-service"
	spec := l.spec(name, "--review-key-file", l.keyFile)
	l.namespace(t, "guarded", map[string]string{"test": name})
	l.namespace(t, "free", nil)
	_, err := l.Client.CoreV1().Namespaces().Patch(t.Context(), releaseNamespace, types.MergePatchType, []byte(`{"metadata":{"labels":{"test":"`+name+`"}}}`), metav1.PatchOptions{})
	must(t, err)

	out, _ := l.webhook(t, app.ExitDenied, "diff", spec...)
	wantTexts(t, out, "--- "+name+" in the cluster", "+kind: ValidatingWebhookConfiguration", "/policy/2/key/[redacted]", `+ - '"runecast self-issued CA`)
	out, _ = l.webhook(t, app.ExitOK, "apply", append(spec, "--dry-run")...)
	wantTexts(t, out, "created (dry run: nothing was written)", l.Config.Host)
	l.webhook(t, app.ExitDenied, "diff", spec...) // it is not there yet
	out, _ = l.webhook(t, app.ExitOK, "apply", append(spec, "-o", "json")...)
	var result struct {
		Name, Result string
		DryRun       bool
	}
	if decode(t, out, &result); result.Name != name || result.Result != "created" || result.DryRun {
		t.Errorf("apply: %s", out)
	}
	first := l.get(t, name)

	var denied error
	eventually(t, func() error {
		if denied = l.pod(t, "guarded", l.vulnerable); denied == nil {
			return errors.New("a vulnerable pod is admitted")
		}
		return nil
	})
	if line, _, _ := strings.Cut(denied.Error(), "\n"); line != `admission webhook "by-service.runecast.com" denied the request: `+denial {
		t.Errorf("the denial: %v", denied)
	}
	must(t, l.pod(t, "guarded", l.fixed))
	must(t, l.pod(t, "free", l.vulnerable))
	must(t, l.pod(t, releaseNamespace, l.vulnerable)) // its label does not count

	// Again, nothing changes: the same object in every byte, its version included.
	if out, _ = l.webhook(t, app.ExitOK, "diff", spec...); out != "" {
		t.Errorf("diff after apply:\n%s", out)
	}
	out, _ = l.webhook(t, app.ExitOK, "apply", spec...)
	wantTexts(t, out, "result unchanged")
	if again := l.get(t, name); again.ResourceVersion != first.ResourceVersion || again.String() != first.String() {
		t.Errorf("a second apply wrote: %s, then %s", first.ResourceVersion, again.ResourceVersion)
	}

	changed := append(slices.Clone(spec), "--timeout-seconds", "7")
	out, _ = l.webhook(t, app.ExitDenied, "diff", changed...)
	wantTexts(t, out, "- timeoutSeconds: 10 + timeoutSeconds: 7")
	var difference struct {
		Different bool
		Diff      string
	}
	jsonOut, _ := l.webhook(t, app.ExitDenied, "diff", append(changed, "-o", "json")...)
	if decode(t, jsonOut, &difference); !difference.Different || difference.Diff != out {
		t.Errorf("as JSON: %s", jsonOut)
	}
	out, _ = l.webhook(t, app.ExitOK, "apply", changed...)
	wantTexts(t, out, "result changed")
	if got := l.get(t, name); *got.Webhooks[0].TimeoutSeconds != 7 {
		t.Errorf("a timeout of %d", *got.Webhooks[0].TimeoutSeconds)
	}

	other := filepath.Join(t.TempDir(), "key")
	writeFile(t, other, []byte("0123456789abcdef"))
	out, _ = l.webhook(t, app.ExitDenied, "diff", append(l.spec(name, "--timeout-seconds", "7"), "--review-key-file", other)...)
	wantTexts(t, out, "/policy/2/key/[redacted:before]", "/policy/2/key/[redacted:after]")
	if strings.Contains(out, "0123456789abcdef") {
		t.Errorf("diff shows the other key:\n%s", out)
	}
}

// testURL has the API server call a URL, with the token of its own files, and apply several policies and take one away again.
func (l *lab) testURL(t *testing.T) {
	t.Parallel()
	const name = "by-url"
	l.namespace(t, "url-two", map[string]string{"judged-by": "p2"})
	l.namespace(t, "url-five", map[string]string{"judged-by": "p5"})
	spec := []string{"--name", name, "--url", "https://" + l.address, "--ca-file", l.caFile, "--namespace-label", "judged-by=p{policy}"}
	two := append(slices.Clone(spec), "--policy", "2", "--policy", "5", "--webhook-name", "two.runecast.com,five.runecast.com")
	l.webhook(t, app.ExitOK, "apply", two...)
	eventually(t, func() error {
		if err := l.pod(t, "url-two", l.vulnerable); err == nil || !strings.Contains(err.Error(), `"two.runecast.com" denied the request: `+denial) {
			return fmt.Errorf("got %w", err)
		}
		return nil
	})
	must(t, l.pod(t, "url-five", l.vulnerable)) // policy 5 is an audit
	one := append(slices.Clone(spec), "--policy", "5", "--webhook-name", "five.runecast.com")
	out, _ := l.webhook(t, app.ExitDenied, "diff", one...)
	wantTexts(t, out, "- name: two.runecast.com")
	l.webhook(t, app.ExitOK, "apply", one...)
	if got := l.get(t, name); len(got.Webhooks) != 1 || got.Webhooks[0].Name != "five.runecast.com" {
		t.Errorf("the webhooks are %v", got.Webhooks)
	}
}
