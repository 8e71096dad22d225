package controlplane_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/runecast/runecast/pkg/controlplane"
)

const (
	address = "runecast-nginx.runecast.svc:9080"
	token   = "2645cda9-ac05-4b6d-8e94-f27c84e93377"
)

// kubeadm is a manifest as kubeadm lays it out, shortened.
const kubeadm = `apiVersion: v1
kind: Pod
metadata:
  annotations:
    kubeadm.kubernetes.io/kube-apiserver.advertise-address.endpoint: 10.0.0.5:6443
  labels:
    component: kube-apiserver
    tier: control-plane
  name: kube-apiserver
  namespace: kube-system
spec:
  containers:
  - command:
    - kube-apiserver
    - --advertise-address=10.0.0.5
    - --allow-privileged=true
    image: registry.k8s.io/kube-apiserver:v1.34.4
    name: kube-apiserver
    volumeMounts:
    - mountPath: /etc/ssl/certs
      name: ca-certs
      readOnly: true
    - mountPath: /etc/kubernetes/pki
      name: k8s-certs
      readOnly: true
  hostNetwork: true
  volumes:
  - hostPath:
      path: /etc/ssl/certs
      type: DirectoryOrCreate
    name: ca-certs
  - hostPath:
      path: /etc/kubernetes/pki
      type: DirectoryOrCreate
    name: k8s-certs
status: {}
`

const (
	flagLine   = "    - --admission-control-config-file=/etc/kubernetes/config/runecast-admission-configuration.yaml"
	mountLines = "    - mountPath: /etc/kubernetes/config\n      name: etc-kubernetes-config\n      readOnly: true"
	volLines   = "  - hostPath:\n      path: /etc/kubernetes/config\n      type: DirectoryOrCreate\n    name: etc-kubernetes-config"
)

// done is the manifest of kubeadm set up, by putting the lines in by hand.
func done() string {
	return strings.NewReplacer("    - kube-apiserver\n", "    - kube-apiserver\n"+flagLine+"\n", "    volumeMounts:\n", "    volumeMounts:\n"+mountLines+"\n", "  volumes:\n", "  volumes:\n"+volLines+"\n").Replace(kubeadm)
}

func noon() time.Time { return time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC) }

// node writes files of a node into a new root.
func node(t *testing.T, files map[string]string) string {
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

// changed gives the lines that a diff takes away and puts in.
func changed(diff string) (removed, added string) {
	for line := range strings.Lines(diff) {
		switch {
		case strings.HasPrefix(line, "---"), strings.HasPrefix(line, "+++"):
		case line[0] == '-':
			removed += line[1:]
		case line[0] == '+':
			added += line[1:]
		}
	}
	return removed, added
}

// sorted sorts lines: a diff may show an item that begins as the next one does from its second line on.
func sorted(text string) string {
	lines := strings.SplitAfter(text, "\n")
	slices.Sort(lines)
	return strings.Join(lines, "")
}

func TestOnlyTheIntendedLinesChange(t *testing.T) {
	t.Parallel()
	all := flagLine + "\n" + mountLines + "\n" + volLines + "\n"
	for name, test := range map[string]struct{ text, removed, added string }{
		"kubeadm":  {kubeadm, "", all},
		"comments": {"# kept\n" + strings.NewReplacer("    - kube-apiserver\n", "    - kube-apiserver # the program\n    # about the address: ü\n", "    volumeMounts:\n", "    volumeMounts: # mounts\n    # certificates\n", "tier: control-plane", `tier:   'control-plane'   # "odd"`).Replace(kubeadm), "", all},
		"CRLF":     {strings.ReplaceAll(kubeadm, "\n", "\r\n"), "", strings.ReplaceAll(all, "\n", "\r\n")},
		"no end":   {strings.TrimSuffix(kubeadm, "\nstatus: {}\n"), "", all},
		"indented lists": {
			strings.NewReplacer("  volumes:\n  - hostPath:\n      path: /etc/ssl/certs\n      type: DirectoryOrCreate\n    name: ca-certs\n  - hostPath:\n      path: /etc/kubernetes/pki\n      type: DirectoryOrCreate\n    name: k8s-certs\n",
				"  volumes:\n      - {name: ca-certs, hostPath: {path: /etc/ssl/certs}}\n").Replace(kubeadm), "",
			flagLine + "\n" + mountLines + "\n      - hostPath:\n          path: /etc/kubernetes/config\n          type: DirectoryOrCreate\n        name: etc-kubernetes-config\n",
		},
		"brackets": {
			strings.Replace(kubeadm, "    - kube-apiserver\n    - --advertise-address=10.0.0.5\n    - --allow-privileged=true\n", "      [kube-apiserver, \"--ü=1\", --b=2] # flags\n", 1),
			"      [kube-apiserver, \"--ü=1\", --b=2] # flags\n",
			"      [kube-apiserver, \"--admission-control-config-file=/etc/kubernetes/config/runecast-admission-configuration.yaml\", \"--ü=1\", --b=2] # flags\n" + mountLines + "\n" + volLines + "\n",
		},
		"done":         {done(), "", "    runecast.com/restartedAt: \"2026-11-27T12:00:00Z\"\n"}, // the files are new to the API server
		"flag missing": {strings.Replace(done(), flagLine+"\n", "", 1), "", flagLine + "\n"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			root := node(t, map[string]string{controlplane.ManifestFile: test.text})
			plan, err := controlplane.Make(controlplane.Options{Root: root, Address: address, Token: token, Now: noon})
			if err != nil {
				t.Fatal(err)
			}
			manifest := plan.Files[2]
			removed, added := changed(manifest.Diff)
			if removed != test.removed || sorted(added) != sorted(test.added) || (manifest.Action == controlplane.ActionNone) != (test.added == "") || plan.Restarts == (test.added == "") || plan.Done {
				t.Errorf("action %s, restarts %v, diff\n%s", manifest.Action, plan.Restarts, manifest.Diff)
			}
			if got, err := os.ReadFile(filepath.Join(root, controlplane.ManifestFile)); err != nil || string(got) != test.text {
				t.Errorf("a plan changed the manifest: %v", err)
			}
			if _, err := os.Stat(filepath.Join(root, controlplane.ConfigDir)); !os.IsNotExist(err) {
				t.Errorf("a plan made the folder: %v", err)
			}
		})
	}
}

func TestFilesOfThePlan(t *testing.T) {
	t.Parallel()
	root := node(t, map[string]string{controlplane.ManifestFile: kubeadm})
	plan, err := controlplane.Make(controlplane.Options{Root: root, Address: address, Token: token})
	if err != nil {
		t.Fatal(err)
	}
	_, config := changed(plan.Files[0].Diff)
	_, admission := changed(plan.Files[1].Diff)
	if want := "apiVersion: v1\nkind: Config\nusers:\n  - name: runecast-nginx.runecast.svc:9080\n    user:\n      token: (not shown)\n"; config != want {
		t.Errorf("kubeconfig:\n%s", config)
	}
	var got struct {
		Plugins []struct {
			Configuration struct {
				KubeConfigFile string `yaml:"kubeConfigFile"`
			}
		}
	}
	if err = yaml.Unmarshal([]byte(admission), &got); err != nil || len(got.Plugins) != 1 || got.Plugins[0].Configuration.KubeConfigFile != controlplane.KubeconfigFile {
		t.Errorf("admission configuration: %v\n%s", err, admission)
	}

	// A node that is set up so needs nothing; with another token it needs that file and a restart, and no token is shown.
	root = node(t, map[string]string{controlplane.ManifestFile: done(), controlplane.AdmissionFile: admission, controlplane.KubeconfigFile: strings.Replace(config, "(not shown)", token, 1)})
	for _, known := range []string{token, ""} {
		if plan, err = controlplane.Make(controlplane.Options{Root: root, Address: address, Token: known}); err != nil || !plan.Done || plan.Restarts {
			t.Errorf("a node that is set up: %+v %v", plan, err)
		}
	}
	plan, err = controlplane.Make(controlplane.Options{Root: root, Address: address, Token: "another"})
	if err != nil || plan.Done || !plan.Restarts || plan.Files[2].Action != controlplane.ActionUpdate || plan.Files[0].Action != controlplane.ActionUpdate || strings.Contains(plan.Files[0].Diff, token) || strings.Contains(plan.Files[0].Diff, "another\n") {
		t.Errorf("another token: %+v %v", plan, err)
	}
	if plan, err = controlplane.Make(controlplane.Options{Root: root, Address: "runecast.svc:443"}); err != nil || !strings.Contains(plan.Files[0].Diff, "name: runecast.svc\n") {
		t.Errorf("port 443: %+v %v", plan, err)
	}
}

const other = `apiVersion: apiserver.config.k8s.io/v1
kind: AdmissionConfiguration
plugins:
- name: PodSecurity # ours
  path: pod-security.yaml
`

func withOther(text string) map[string]string {
	used := strings.Replace(kubeadm, "    - --allow", "    - \"--admission-control-config-file=/etc/kubernetes/pki/admission.yaml\"\n    - --allow", 1)
	return map[string]string{controlplane.ManifestFile: used, "/etc/kubernetes/pki/admission.yaml": text}
}

func TestOtherPluginsAreKept(t *testing.T) {
	t.Parallel()
	plan, err := controlplane.Make(controlplane.Options{Root: node(t, withOther(other)), Address: address})
	if err != nil {
		t.Fatal(err)
	}
	_, merged := changed(plan.Files[1].Diff)
	for _, text := range []string{"name: PodSecurity # ours", "path: /etc/kubernetes/pki/pod-security.yaml", "name: ValidatingAdmissionWebhook", "kubeConfigFile: " + controlplane.KubeconfigFile} {
		if !strings.Contains(merged, text) {
			t.Errorf("%q is not in\n%s", text, merged)
		}
	}
	removed, added := changed(plan.Files[2].Diff)
	if removed != "    - \"--admission-control-config-file=/etc/kubernetes/pki/admission.yaml\"\n" || !strings.HasPrefix(added, "    - \"--admission-control-config-file="+controlplane.AdmissionFile+"\"\n") {
		t.Errorf("manifest:\n%s", plan.Files[2].Diff)
	}
}

func TestBadInput(t *testing.T) {
	t.Parallel()
	only := func(text string) map[string]string { return map[string]string{controlplane.ManifestFile: text} }
	replaced := func(old, text string) map[string]string { return only(strings.Replace(kubeadm, old, text, 1)) }
	for want, files := range map[string]map[string]string{
		"this is no control-plane node of kubeadm": {},
		"it is empty":                                    only(""),
		`it is of kind "Deployment", not a Pod`:          replaced("kind: Pod", "kind: Deployment"),
		"it has more than one YAML document":             only(kubeadm + "---\n" + kubeadm),
		"it is no YAML":                                  only("a: [\n"),
		"already defined":                                only(kubeadm + "kind: Pod\n"),
		"no container kube-apiserver":                    replaced("    name: kube-apiserver\n    vol", "    name: other\n    vol"),
		"its command does not begin with":                replaced("    - kube-apiserver\n", "    - /bin/sh\n"),
		"it has no list volumes":                         replaced("  volumes:", "  volumez:"),
		"it gives the flag":                              only(strings.Replace(done(), flagLine, flagLine+"\n"+flagLine, 1)),
		"has no value":                                   replaced("    - --allow-privileged=true", "    - --admission-control-config-file"),
		"which no hostPath volume of the pod has":        replaced("--allow-privileged=true", "--admission-control-config-file=/elsewhere/a.yaml"),
		"where /etc/kubernetes/config of the node":       replaced("mountPath: /etc/ssl/certs", "mountPath: /etc/kubernetes/config"),
		"there is no /etc/kubernetes/pki/admission.yaml": {controlplane.ManifestFile: withOther("")[controlplane.ManifestFile]},
		"not an AdmissionConfiguration":                  withOther("kind: Other\n"),
		"it configures the plugin ValidatingAdmissio":    withOther(other + "- name: ValidatingAdmissionWebhook\n  configuration: {kubeConfigFile: /x}\n"),
	} {
		t.Run(want, func(t *testing.T) {
			t.Parallel()
			if plan, err := controlplane.Make(controlplane.Options{Root: node(t, files), Address: address, Token: token}); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), token) {
				t.Errorf("%+v %v", plan, err)
			}
		})
	}
	for _, address := range []string{"", "runecast", "runecast:0", "runecast:http", "https://runecast:9080", ":9080"} {
		if _, err := controlplane.Make(controlplane.Options{Root: node(t, only(kubeadm)), Address: address}); err == nil || !strings.Contains(err.Error(), "write host:port") {
			t.Errorf("address %q: %v", address, err)
		}
	}
}

func TestLinksStayInTheRoot(t *testing.T) {
	t.Parallel()
	root, outside := node(t, map[string]string{controlplane.ManifestFile: kubeadm}), filepath.Join(t.TempDir(), "other")
	at := filepath.Join(root, controlplane.ManifestFile)
	if err := os.Rename(at, outside); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(outside, at); err != nil {
		t.Fatal(err)
	}
	if plan, err := controlplane.Make(controlplane.Options{Root: root, Address: address}); err == nil || !strings.Contains(err.Error(), "is no file of at most") {
		t.Errorf("%+v %v", plan, err)
	}
}
