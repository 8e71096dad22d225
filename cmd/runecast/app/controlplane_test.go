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
