package app_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/runecast/runecast/cmd/runecast/app"
)

func TestControlplanePlan(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	manifests := filepath.Join(root, "etc", "kubernetes", "manifests")
	if err := os.MkdirAll(manifests, 0o700); err != nil {
		t.Fatal(err)
	}
	const secret = "2645cda9-ac05-4b6d-8e94-f27c84e93377"
	token := write(t, filepath.Join(root, "token"), []byte(secret+"\n"))
	empty := write(t, filepath.Join(root, "empty"), []byte("\n"))
	plan := func(args ...string) (int, string) {
		code, out, errOut := runProgram(t.Context(), "", append([]string{"controlplane", "plan", "--root", root}, args...)...)
		return code, out + errOut
	}
	code, out := plan()
	want(t, code, out, app.ExitError, "this is no control-plane node of kubeadm, K3s or RKE2, or --root is not its file system")
	write(t, filepath.Join(manifests, "kube-apiserver.yaml"), []byte("apiVersion: v1\nkind: Pod\nspec:\n  containers:\n  - command:\n    - kube-apiserver\n    - --v=2\n    name: kube-apiserver\n    volumeMounts: []\n  volumes: []\n"))
	code, out = plan("--token-file", token)
	want(t, code, out, app.ExitOK, "+    - --admission-control-config-file=/etc/kubernetes/config/runecast-admission-configuration.yaml\n",
		"--- /dev/null\n+++ /etc/kubernetes/config/runecast-validating-webhook-kubeconfig.yaml", "runecast-nginx.runecast.svc:9080", "+  volumes: [{", "Carrying it out restarts the API server")
	if strings.Contains(out, secret) {
		t.Errorf("the token is shown: %s", out)
	}
	code, out = plan("--token-file", token, "-o", "json")
	want(t, code, out, app.ExitOK, `"restarts": true`, `"action": "create"`, `"done": false`)
	if strings.Contains(out, secret) {
		t.Errorf("the token is shown: %s", out)
	}
	code, out = plan("--token-file", empty)
	want(t, code, out, app.ExitError, "the token file is empty")
	code, out = plan("--address", "runecast")
	want(t, code, out, app.ExitError, "write host:port")
	code, out = plan("-o", "yaml")
	want(t, code, out, app.ExitError, "is not known")
}

// TestControlplaneOnAMountedNode sets a node up whose file system is mounted and whose API server does not run, and undoes it.
func TestControlplaneOnAMountedNode(t *testing.T) {
	t.Parallel()
	const (
		secret   = "2645cda9-ac05-4b6d-8e94-f27c84e93377"
		manifest = "apiVersion: v1\nkind: Pod\nmetadata:\n  name: kube-apiserver\nspec:\n  containers:\n  - command:\n    - kube-apiserver\n    - --advertise-address=127.0.0.1\n    name: kube-apiserver\n    volumeMounts:\n    - mountPath: /etc/ssl/certs\n      name: certs\n  volumes:\n  - hostPath:\n      path: /etc/ssl/certs\n    name: certs\n"
	)
	root := t.TempDir()
	manifests := filepath.Join(root, "etc", "kubernetes", "manifests")
	if err := os.MkdirAll(manifests, 0o700); err != nil {
		t.Fatal(err)
	}
	at := write(t, filepath.Join(manifests, "kube-apiserver.yaml"), []byte(manifest))
	run := func(stdin string, code int, args []string, texts ...string) {
		t.Helper()
		got, out, errOut := runProgram(t.Context(), stdin, append([]string{"controlplane"}, args...)...)
		want(t, got, out+errOut, code, texts...)
		if strings.Contains(out+errOut, secret) {
			t.Errorf("the token is shown: %s%s", out, errOut)
		}
	}
	is := func(text string) {
		t.Helper()
		if got, err := os.ReadFile(at); err != nil || string(got) != text {
			t.Errorf("the manifest is %s (%v)", got, err)
		}
	}
	run(secret, app.ExitError, []string{"configure", "--root", root, "--token-file", "-"}, "admin.conf to reach the API server with", "--kubeconfig", "--no-wait")
	run("", app.ExitError, []string{"configure", "--root", root, "--no-wait"}, "the API token is not known: give it with --token-file")
	run("a b", app.ExitError, []string{"configure", "--root", root, "--no-wait", "--token-file", "-"}, "has more than a token")
	run(secret, app.ExitOK, []string{"configure", "--root", root, "--token-file", "-", "--dry-run"}, "Nothing was changed.")
	run("", app.ExitOK, []string{"restore", "--root", root, "--no-wait"}, "runecast has changed no file of this node")
	run("", app.ExitDenied, []string{"verify", "--root", root, "--no-wait"}, "bad", "kubeconfig", "it is not there")
	is(manifest)
	run(secret, app.ExitOK, []string{"configure", "--root", root, "--no-wait", "--token-file", "-"}, "Kept copies", "This node is set up.", "+    - --admission-control-config-file=")
	run("", app.ExitOK, []string{"configure", "--root", root, "--no-wait"}, "Nothing is to be done: this node is set up.")
	run("", app.ExitOK, []string{"verify", "--root", root, "--no-wait", "-o", "json"}, `"outcome": "good"`, `"outcome": "not tried"`)
	run("", app.ExitOK, []string{"restore", "--root", root, "--dry-run", "-o", "json"}, `"action": "remove"`, `"restarts": true`)
	run("", app.ExitOK, []string{"restore", "--root", root, "--no-wait"}, "Putting /etc/kubernetes/manifests/kube-apiserver.yaml back.", "The files are as they were before runecast.")
	is(manifest)
	run("", app.ExitError, []string{"rotate-token", "--root", root, "--no-wait", "--secret", "runecast/api-tokens"}, "a rotation needs access to the API server")
}
