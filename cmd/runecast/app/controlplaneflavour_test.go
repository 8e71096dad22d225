package app_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// nodeWith makes a node's file system.
func nodeWith(t *testing.T, files map[string]string) string {
	t.Helper()
	root := t.TempDir()
	for name, text := range files {
		at := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(at, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

func TestPlanOfFlavours(t *testing.T) {
	t.Parallel()
	k3s := nodeWith(t, map[string]string{"var/lib/rancher/k3s/server/token": "", "etc/rancher/k3s/config.yaml": "token: secret\nkube-apiserver-arg: v=2\n"})
	for name, test := range map[string]struct {
		args []string
		code int
		want string
	}{
		"found":   {nil, 0, "systemctl restart k3s."},
		"said":    {[]string{"--flavour", "k3s"}, 0, "+  - admission-control-config-file=/etc/kubernetes/config/runecast-admission-configuration.yaml"},
		"JSON":    {[]string{"-o", "json"}, 0, `"service": "k3s"`},
		"another": {[]string{"--flavour", "rke2"}, 2, "this is no server of rke2"},
		"kubeadm": {[]string{"--flavour", "kubeadm"}, 2, "this is no control-plane node of kubeadm"},
		"unknown": {[]string{"--flavour", "talos"}, 2, "runecast controlplane snippet --help"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			code, out, errOut := runProgram(t.Context(), "", append([]string{"controlplane", "plan", "--root", k3s}, test.args...)...)
			if code != test.code || !strings.Contains(out+errOut, test.want) || strings.Contains(out+errOut, "secret") {
				t.Errorf("code %d\n%s%s", code, out, errOut)
			}
			if name == "JSON" && !json.Valid([]byte(out)) {
				t.Error("it is no JSON")
			}
		})
	}
	if code, _, errOut := runProgram(t.Context(), "", "controlplane", "plan", "--root", t.TempDir()); code != 2 || !strings.Contains(errOut, "kubeadm, K3s or RKE2") {
		t.Errorf("code %d: %s", code, errOut)
	}
}

func TestSnippet(t *testing.T) {
	t.Parallel()
	for want, args := range map[string][]string{
		"admissionControl:":                  {"--flavour", "talos"},
		`- name: "runecast.example.com"`:     {"--flavour", "capi", "--address", "runecast.example.com:443"},
		"policy/shop":                        {"--flavour", "kops", "--policy", "shop"},
		"--set admission.auth=key":           {"--flavour", "gke"},
		"kubeadm, kind, capi, kops, talos":   {"--flavour", "minikube"},
		`flavour ""`:                         nil,
		"see runecast controlplane plan":     {"--flavour", "rke2"},
		"write host:port, as in runecast-ng": {"--flavour", "kops", "--address", "runecast"},
	} {
		code, out, errOut := runProgram(t.Context(), "", append([]string{"controlplane", "snippet"}, args...)...)
		if (code == 0) != (out != "") || (code == 0) != (errOut == "") || !strings.Contains(out+errOut, want) {
			t.Errorf("%v: code %d\n%s%s", args, code, out, errOut)
		}
	}
}

// TestConfigureK3s writes a server's files and takes them back; the restart is the operator's.
func TestConfigureK3s(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	config := filepath.Join(root, "etc", "rancher", "k3s", "config.yaml")
	for _, dir := range []string{filepath.Dir(config), filepath.Join(root, "var", "lib", "rancher", "k3s", "server")} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	const before = "token: secret # the cluster's\n"
	write(t, config, []byte(before))
	run := func(stdin string, code int, args []string, texts ...string) {
		t.Helper()
		got, out, errOut := runProgram(t.Context(), stdin, append([]string{"controlplane"}, append(args, "--root", root)...)...)
		want(t, got, out+errOut, code, texts...)
		if strings.Contains(out+errOut, "secret #") {
			t.Errorf("the cluster's token is shown:\n%s%s", out, errOut)
		}
	}
	run("a-token", 2, []string{"configure", "--token-file", "-"}, "etc/rancher/k3s/k3s.yaml to reach the API server with")
	run("a-token", 0, []string{"configure", "--token-file", "-", "--no-wait"}, "systemctl restart k3s", "Writing /etc/rancher/k3s/config.yaml.")
	run("", 0, []string{"configure", "--no-wait"}, "Nothing is to be done")
	run("", 0, []string{"verify", "--no-wait"}, "good", "not tried")
	run("", 2, []string{"rotate-token", "--no-wait", "--secret", "a/b"}, "a rotation needs access")
	run("", 0, []string{"restore", "--no-wait"}, "The files are as they were before runecast.", "systemctl restart k3s")
	if text, err := os.ReadFile(config); err != nil || string(text) != before {
		t.Errorf("the settings are %s (%v)", text, err)
	}
}
