//go:build certgen

package certgen_test

import (
	"bytes"
	"os"
	"os/exec"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/runecast/runecast/certgen/app"
	"github.com/runecast/runecast/certgen/state"
)

// testDocs does what docs/certificates.md says, command by command, after the losses that it tells of.
func (l *lab) testDocs(t *testing.T) {
	text, err := os.ReadFile("../../docs/certificates.md")
	must(t, err)
	p := l.newPlace(t)
	r := p.render(t, values{})
	p.managed = r.configuration
	r.certgen(t, "issue", "--front-service=")
	objects := r.objects("ValidatingWebhookConfiguration", "CronJob")
	p.kubectl(t, objects, "apply", "-f", "-")
	t.Cleanup(func() { p.kubectl(t, objects, "delete", "--ignore-not-found", "-f", "-") })
	r.certgen(t, "patch", "--front-service=")
	p.syncAll(t)
	lost := []string{caSecret, servingSecret}
	commands := 0
	for line := range strings.Lines(string(text)) {
		command, found := strings.CutPrefix(strings.TrimRight(line, "\n"), "    ")
		if !found {
			continue
		}
		commands++
		command = strings.NewReplacer("-n runecast ", "-n "+p.namespace+" ", "runecast-admission", p.managed).Replace(command)
		switch {
		case strings.HasPrefix(command, "certgen issue"):
			must(t, p.Client.CoreV1().Secrets(p.namespace).Delete(t.Context(), lost[0], metav1.DeleteOptions{}))
			lost = lost[1:]
		case strings.HasPrefix(command, "certgen patch"):
			p.kubectl(t, objects, "delete", "-f", "-")
			p.kubectl(t, objects, "apply", "-f", "-")
		}
		if args, ok := strings.CutPrefix(command, "certgen "); ok {
			var out, log bytes.Buffer
			args := append(strings.Fields(args), "--kubeconfig", p.Kubeconfig, "--namespace", p.namespace)
			code := app.Main(t.Context(), args, &out, &log)
			if code != app.ExitOK && (args[0] != "status" || code != app.ExitDue) {
				t.Errorf("%s: exit code %d\n%s%s", command, code, &out, &log)
			}
			continue
		}
		shell := exec.CommandContext(t.Context(), "bash", "-c", strings.Replace(command, "kubectl ", l.Kubectl+" --kubeconfig "+l.Kubeconfig+" ", 1))
		if out, err := shell.CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", command, err, out)
		}
	}
	if commands < 12 || len(lost) > 0 {
		t.Errorf("%d commands were found, and Secrets %q not lost", commands, lost)
	}
	if s := state.ReadServing(p.secret(t, servingSecret)); s.Leaf == nil || s.Key == nil {
		t.Error("the serving Secret is not back")
	}
}
