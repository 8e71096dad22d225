//go:build e2e

package kind_test

import (
	"bufio"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// testWebhookCommands looks at the chart's configuration with the program, and makes one beside it, as docs/webhook.md has it.
func (l *lab) testWebhookCommands(t *testing.T) {
	l.copyProgram(t)
	address := l.portForward(t)
	out := l.webhook(t, 0, "check", "runecast-admission", "--address", address)
	for _, text := range []string{
		"policy 2, calls service runecast/runecast-nginx:9080", `CA "runecast`, "verifies for", "runecast-nginx.runecast.svc", "review of a pod without images is answered in", "guards 1: " + shop,
		"excluded by name: kube-system, runecast",
	} {
		if !strings.Contains(strings.Join(strings.Fields(out), " "), text) {
			t.Errorf("check lacks %q:\n%s", text, out)
		}
	}
	t.Logf("webhook check:\n%s", out)

	spec := []string{
		"--policy", "2", "--service", releaseNamespace + "/runecast-nginx:9080", "--ca-from-cluster", "--review-key-from-cluster",
		"--name", "by-command", "--webhook-name", "by-command.runecast.com", "--namespace-label", "by=command",
	}
	if out = l.webhook(t, 2, "apply", append(spec, "--name", "runecast-admission")...); !strings.Contains(out, "belongs to the Helm release "+releaseName+" of namespace "+releaseNamespace) {
		t.Errorf("apply over the chart's:\n%s", out)
	}
	l.webhook(t, 1, "diff", spec...)
	l.webhook(t, 0, "apply", append(spec, "--dry-run")...)
	l.webhook(t, 0, "apply", spec...)
	defer l.kubectl("delete", "validatingwebhookconfiguration", "by-command")
	l.webhook(t, 0, "diff", spec...)
	l.webhook(t, 0, "check", "by-command", "--address", releaseNamespace+"/runecast-nginx="+address)
	l.namespace(t, "commanded", map[string]string{"by": "command"})
	l.eventually("a judgement in commanded", time.Minute, func(ctx context.Context) error {
		return denied(l.dryRun(ctx, "commanded", l.registry.vulnerable), "by-command.runecast.com")
	})
	must(t, l.dryRun(t.Context(), "commanded", l.registry.fixed))
	t.Logf("webhook status:\n%s", l.webhook(t, 0, "status"))
}

// webhook runs a webhook command of the program on this machine and checks its exit code.
func (l *lab) webhook(t *testing.T, code int, command string, args ...string) string {
	t.Helper()
	out, errs, err := l.try(append([]string{filepath.Join(l.dir, "runecast"), "webhook", command}, args...)...)
	got := 0
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		got = exit.ExitCode()
	}
	if got != code {
		t.Fatalf("webhook %s: exit code %d, want %d\n%s%s", command, got, code, out, errs)
	}
	return out + errs
}

// portForward runs the command that webhook check asks for and gives its end here.
func (l *lab) portForward(t *testing.T) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "kubectl", "-n", releaseNamespace, "port-forward", "service/runecast-nginx", ":9080")
	cmd.Env = append(os.Environ(), "KUBECONFIG="+l.kubeconfig)
	stdout, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	lines := bufio.NewScanner(stdout)
	for lines.Scan() {
		if found := regexp.MustCompile(`127\.0\.0\.1:(\d+)`).FindStringSubmatch(lines.Text()); found != nil {
			return "localhost:" + found[1]
		}
	}
	t.Fatalf("kubectl port-forward: %v", lines.Err())
	return ""
}
