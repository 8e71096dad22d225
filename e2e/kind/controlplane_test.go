//go:build e2e

package kind_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

const (
	controlPlaneDir = "/etc/kubernetes/config"           // of the files that the program writes on control planes
	frontHost       = "runecast-nginx.runecast.svc:9080" // name of the user in the webhooks' kubeconfig
	manifestFile    = "/etc/kubernetes/manifests/kube-apiserver.yaml"
	admissionFile   = controlPlaneDir + "/runecast-admission-configuration.yaml"
	tokensSecret    = "runecast/api-tokens"
)

// copyProgram brings the program of this tree onto the node.
func (l *lab) copyProgram(t *testing.T) {
	t.Helper()
	id := strings.TrimSpace(l.run("docker", "create", imagePrefix+"runecast:"+l.tag))
	defer l.run("docker", "rm", id)
	at := filepath.Join(l.dir, "runecast")
	l.run("docker", "cp", id+":/runecast", at)
	l.run("docker", "cp", at, l.node+":/usr/local/bin/runecast")
}

// onNode runs a command on the node.
func (l *lab) onNode(ctx context.Context, stdin string, args ...string) (out, errs string, code int) {
	cmd := exec.CommandContext(ctx, "docker", append([]string{"exec", "-i", l.node}, args...)...)
	cmd.Stdin = strings.NewReader(stdin)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		code = -1
		if exit, ok := errors.AsType[*exec.ExitError](err); ok {
			code = exit.ExitCode()
		}
	}
	return stdout.String(), stderr.String(), code
}

// controlplane runs a command of the program on the node and wants an exit code and texts.
func (l *lab) controlplane(t *testing.T, stdin string, code int, args []string, texts ...string) string {
	t.Helper()
	began := time.Now()
	out, errs, got := l.onNode(t.Context(), stdin, append([]string{"runecast", "controlplane"}, args...)...)
	all := out + errs
	if strings.Contains(errs, "Waiting") {
		t.Logf("%s, in %s:\n%s", strings.Join(args, " "), time.Since(began).Round(100*time.Millisecond), errs)
	}
	if got != code {
		t.Fatalf("%s: exit code %d, want %d\n%s", strings.Join(args, " "), got, code, all)
	}
	for _, text := range texts {
		if !strings.Contains(all, text) {
			t.Fatalf("%s: %q is not in\n%s", strings.Join(args, " "), text, all)
		}
	}
	if secret := strings.TrimSpace(stdin); secret != "" && strings.Contains(all, secret) {
		t.Fatalf("%s: the token is shown\n%s", strings.Join(args, " "), all)
	}
	return out
}

// sums are the digests, permissions and owners of all files of the node's Kubernetes folder but its certificates.
func (l *lab) sums(t *testing.T) string {
	t.Helper()
	out, errs, code := l.onNode(t.Context(), "", "sh", "-c", `cd /etc/kubernetes && find . -path ./pki -prune -o -exec stat -c '%A %u %g %n' {} + | sort -k 4; find . -path ./pki -prune -o -type f -exec sha256sum {} + | sort -k 2`)
	if code != 0 {
		t.Fatalf("read the node's files: %s", errs)
	}
	return out
}

// testRefusals shows what is to be done and gives what cannot be done: nothing changes.
func (l *lab) testRefusals(t *testing.T, token string) string {
	before := l.sums(t)
	l.eventually("a review without a token, which is refused", time.Minute, func(ctx context.Context) error {
		err := l.dryRun(ctx, operated, l.registry.fixed)
		if err == nil || !strings.Contains(err.Error(), "failed calling webhook") {
			return fmt.Errorf("before the set-up: %w", err)
		}
		return nil
	})
	l.controlplane(t, token, 0, []string{"plan", "--token-file", "-"}, "+    - --admission-control-config-file="+admissionFile, "Nothing was changed")
	l.controlplane(t, token, 0, []string{"configure", "--token-file", "-", "--dry-run"}, "+    - --admission-control-config-file="+admissionFile, "Nothing was changed")
	l.controlplane(t, uuid(), 2, []string{"configure", "--token-file", "-"}, "it refuses the token (401)", "nothing was changed")
	l.controlplane(t, token, 2, []string{"configure", "--token-file", "-", "--address", "nowhere.runecast.svc:9080"}, `services "nowhere" not found`, "nothing was changed")
	l.controlplane(t, token, 2, []string{"configure", "--token-file", "-", "--endpoint", "127.0.0.1:1"}, "it cannot be reached from this node", "nothing was changed")
	l.controlplane(t, "", 1, []string{"verify"}, "bad", "the flag, the volume or its mount is not set", "runs without the flag")
	l.controlplane(t, "", 0, []string{"restore"}, "runecast has changed no file of this node")
	if after := l.sums(t); after != before {
		t.Errorf("files changed:\n%s\nwere\n%s", after, before)
	}
	return before
}

func (l *lab) testConfigure(t *testing.T, token string) {
	began := time.Now()
	l.controlplane(t, token, 0, []string{"configure", "--token-file", "-"}, "The webhook "+frontHost+" takes the token.", "The API server is back.", "This node is set up.")
	t.Logf("configured in %s", time.Since(began).Round(100*time.Millisecond))
	l.awaitOperated(t)
	was := l.sums(t)
	for _, stdin := range []string{token, ""} {
		args := []string{"configure"}
		if stdin != "" {
			args = append(args, "--token-file", "-")
		}
		l.controlplane(t, stdin, 0, args, "Nothing is to be done")
	}
	if is := l.sums(t); is != was {
		t.Errorf("a second run changed files:\n%s\nwere\n%s", is, was)
	}
	if !strings.Contains(was, "-rw------- 0 0 ./config/runecast-validating-webhook-kubeconfig.yaml\n") {
		t.Errorf("the kubeconfig is not root's alone:\n%s", was)
	}
}

// testVerify wants every check good, the review's among them.
func (l *lab) testVerify(t *testing.T) {
	out := l.controlplane(t, "", 0, []string{"verify", "-o", "json"})
	var checks []struct {
		Name    string `json:"name"`
		Outcome string `json:"outcome"`
		Detail  string `json:"detail"`
	}
	must(t, json.Unmarshal([]byte(out), &checks))
	names := map[string]string{}
	for _, c := range checks {
		names[c.Name] = c.Outcome
		if c.Outcome != "good" {
			t.Errorf("%s is %s: %s", c.Name, c.Outcome, c.Detail)
		}
	}
	if names["review"] == "" || names["token"] == "" || names["API server"] == "" {
		t.Errorf("the checks are %v", names)
	}
	l.controlplane(t, "", 0, []string{"verify", "--namespace", operated}, "answered a review of this API server in namespace "+operated)
	l.controlplane(t, "", 1, []string{"verify", "--namespace", "default"}, "is selected by none of the webhooks")
}

// testTokenRotation rotates while pods are created: whatever fails, fails because the API server itself is away.
func (l *lab) testTokenRotation(t *testing.T, token string) {
	l.controlplane(t, "", 0, []string{"rotate-token", "--secret", tokensSecret, "--dry-run"}, l.node, "nothing")
	o := l.startLoad(t, operated)
	began := time.Now()
	l.controlplane(t, "", 0, []string{"rotate-token", "--secret", tokensSecret}, "revoked", "kube-apiserver")
	t.Logf("rotated in %s", time.Since(began).Round(100*time.Millisecond))
	// The server forgets the old token when the kubelet has brought it the Secret.
	l.eventually("the old token is refused", 2*time.Minute, func(ctx context.Context) error {
		out, errs, code := l.onNode(ctx, token, "runecast", "controlplane", "verify", "--token-file", "-", "-o", "json")
		if code != 1 || !strings.Contains(out, "it refuses the token (401)") {
			return fmt.Errorf("exit code %d: %s%s", code, out, errs)
		}
		return nil
	})
	o.endBeyondRestarts(t, "rotation of the API server's token")
	secret, err := l.client.CoreV1().Secrets(releaseNamespace).Get(t.Context(), "api-tokens", metav1.GetOptions{})
	must(t, err)
	keys := slices.Collect(maps.Keys(secret.Data))
	if len(keys) != 1 || !strings.HasPrefix(keys[0], "kube-apiserver-") || len(secret.Annotations) != 0 {
		t.Errorf("the Secret has the keys %v and the annotations %v", keys, secret.Annotations)
	}
	l.awaitOperated(t)
	l.testVerify(t)
}

// endBeyondRestarts ends a load under which the API server restarted: creations that found none do not count, reviews that got lost
// or were answered wrongly do.
func (o *load) endBeyondRestarts(t *testing.T, what string) {
	t.Helper()
	o.stop()
	o.workers.Wait()
	away := 0
	for text, n := range o.failed {
		got, _, _ := strings.Cut(text, "\nwant: ")
		if !strings.Contains(got, "failed calling webhook") && !strings.Contains(got, "denied the request") && !strings.Contains(got, errAdmitted.Error()) {
			away += n
			delete(o.failed, text)
		}
	}
	t.Logf("%s: %d of %d creations met no API server", what, away, o.asked)
	o.end(t, what)
}

// testRestore kills a restore when the manifest is put back; the next run finishes it, and every byte is as it was.
func (l *lab) testRestore(t *testing.T, before string) {
	l.controlplane(t, "", 0, []string{"restore", "--dry-run"}, "-    - --admission-control-config-file="+admissionFile, "Nothing was changed.")
	ended := make(chan int, 1)
	go func() {
		_, _, code := l.onNode(context.WithoutCancel(t.Context()), "", "runecast", "controlplane", "restore")
		ended <- code
	}()
	l.eventually("the manifest without the flag", time.Minute, func(ctx context.Context) error {
		if _, _, code := l.onNode(ctx, "", "grep", "-q", "admission-control-config-file", manifestFile); code != 1 {
			return errors.New("it is there")
		}
		return nil
	})
	if _, errs, code := l.onNode(t.Context(), "", "pkill", "-9", "-x", "runecast"); code != 0 {
		t.Fatalf("kill: %s", errs)
	}
	if code := <-ended; code == 0 {
		t.Error("it came to its end before it was killed")
	}
	if after := l.sums(t); !strings.Contains(after, "runecast-backup/state.json") {
		t.Errorf("the record is gone too early:\n%s", after)
	}
	l.controlplane(t, "", 0, []string{"restore"}, "The API server is back.", "The files are as they were before runecast.")
	if after := l.sums(t); after != before {
		t.Errorf("after restore the files are\n%s\nbefore they were\n%s", after, before)
	}
	l.eventually("a review without a token, which is refused", time.Minute, func(ctx context.Context) error {
		err := l.dryRun(ctx, operated, l.registry.fixed)
		if err == nil || !strings.Contains(err.Error(), "failed calling webhook") {
			return fmt.Errorf("after restore: %w", err)
		}
		return nil
	})
	l.controlplane(t, "", 0, []string{"restore"}, "runecast has changed no file of this node")
}

// testRollsBack has an admission configuration of another's that the API server cannot start with.
func (l *lab) testRollsBack(t *testing.T) {
	secret, err := l.client.CoreV1().Secrets(releaseNamespace).Get(t.Context(), "api-tokens", metav1.GetOptions{})
	must(t, err)
	token := ""
	for _, value := range secret.Data {
		token = string(value)
	}
	l.writeOnNode(admissionFile, "apiVersion: apiserver.config.k8s.io/v1\nkind: AdmissionConfiguration\nplugins:\n- name: PodSecurity\n  path: /nowhere.yaml\n")
	before := l.sums(t)
	began := time.Now()
	l.controlplane(t, token, 2, []string{"configure", "--token-file", "-", "--timeout", "80s"},
		"Rolling back", "rolled back, the node is as it was: the API server did not come back within 1m20s", "The end of its log", "/nowhere.yaml")
	t.Logf("rolled back in %s", time.Since(began).Round(time.Second))
	if after := l.sums(t); after != before {
		t.Errorf("after the roll-back the files are\n%s\nbefore they were\n%s", after, before)
	}
	if out := l.kubectl("get", "--raw", "/readyz"); out != "ok" {
		t.Errorf("the API server is %s", out)
	}
}
