package controlplane

import (
	"fmt"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

const pss = `apiVersion: apiserver.config.k8s.io/v1
kind: AdmissionConfiguration
plugins:
- name: PodSecurity
  configuration:
    apiVersion: pod-security.admission.config.k8s.io/v1beta1
    kind: PodSecurityConfiguration
    defaults:
      enforce: "restricted"
      enforce-version: "latest"
    exemptions:
      namespaces: [kube-system, cis-operator-system]`

const (
	k3sData  = "/var/lib/rancher/k3s/server/token"
	rke2Data = "/var/lib/rancher/rke2/server/token"
	dropIn   = ".d/10-more.yaml"
)

// servers are nodes of K3s and RKE2 as people set them up. What their plans make of them is in testdata/rancher, a file for each.
func servers() map[string]map[string]string {
	k3s := func(text string) map[string]string { return map[string]string{k3sData: "", K3sConfigFile: text} }
	rke2 := func(text string) map[string]string {
		return map[string]string{rke2Data: "", RKE2ConfigFile: text, RKE2Security: pss}
	}
	with := func(files map[string]string, name, text string) map[string]string {
		files[name] = text
		return files
	}
	return map[string]map[string]string{
		"k3s without a file":     {k3sData: ""},
		"k3s empty file":         k3s(""),
		"k3s comments only":      k3s("# nothing is set\n"),
		"k3s no newline":         k3s("write-kubeconfig-mode: \"0640\" # for the group"),
		"k3s list":               k3s("# the platform team's\ntoken: secret\nkube-apiserver-arg: # flags\n  # audit\n  - 'audit-log-path=/var/log/audit.log'   # kept\n  - \"enable-admission-plugins=NodeRestriction,EventRateLimit\"\ntls-san: [a, b]\n"),
		"k3s list not indented":  k3s("kube-apiserver-arg:\n- v=2\ntoken: secret\n"),
		"k3s list in brackets":   k3s("kube-apiserver-arg: [v=2, \"audit-log-path=/a,b\"] # flags\n"),
		"k3s empty brackets":     k3s("kube-apiserver-arg: []\n"),
		"k3s text":               k3s("kube-apiserver-arg: v=2 # verbose\ntoken: secret\n"),
		"k3s quoted text":        k3s("kube-apiserver-arg:   \"enable-admission-plugins=A,B\""),
		"k3s key without value":  k3s("kube-apiserver-arg: # none yet\ntoken: secret\n"),
		"k3s CRLF":               k3s("token: secret\r\nkube-apiserver-arg:\r\n- v=2\r\n"),
		"k3s JSON":               k3s("{\"token\": \"secret\", \"tls-san\": [\"a\"]}\n"),
		"k3s set up":             with(k3s("kube-apiserver-arg:\n- --admission-control-config-file="+AdmissionFile+"\n"), AdmissionFile, done(freshStart)),
		"k3s other file":         with(k3s("kube-apiserver-arg:\n- v=2\n- 'admission-control-config-file=/var/lib/rancher/k3s/server/psa.yaml' # hardened\n"), "/var/lib/rancher/k3s/server/psa.yaml", pss+"\n"),
		"k3s drop-in adds":       with(k3s("kube-apiserver-arg:\n- v=2\n"), K3sConfigFile+dropIn, "kube-apiserver-arg+:\n- v=3\n"),
		"k3s drop-in overrides":  with(k3s("kube-apiserver-arg:\n- v=2\n"), K3sConfigFile+dropIn, "kube-apiserver-arg:\n- v=3\n"),
		"k3s drop-in has it":     with(with(k3s("token: secret\n"), K3sConfigFile+dropIn, "kube-apiserver-arg+: admission-control-config-file=/etc/psa.yaml\n"), "/etc/psa.yaml", pss),
		"k3s drop-in only":       {K3sConfigFile + dropIn: "kube-apiserver-arg: [v=3]\n", k3sData: ""},
		"k3s other drop-ins":     with(with(k3s("token: secret\n"), K3sConfigFile+".d/20.yml", "kube-apiserver-arg+:\n- v=4\n"), K3sConfigFile+".d/30.txt", "kube-apiserver-arg: []\n"),
		"k3s flag twice":         k3s("kube-apiserver-arg:\n- admission-control-config-file=/a\n- admission-control-config-file=/b\n"),
		"k3s flag appended":      k3s("kube-apiserver-arg:\n- admission-control-config-file+=/a\n"),
		"k3s relative file":      k3s("kube-apiserver-arg:\n- admission-control-config-file=psa.yaml\n"),
		"k3s file is not there":  k3s("kube-apiserver-arg:\n- admission-control-config-file=/etc/none.yaml\n"),
		"k3s block text":         k3s("kube-apiserver-arg: |-\n  v=2\n"),
		"k3s alias":              k3s("x: &x [v=2]\nkube-apiserver-arg: *x\n"),
		"k3s anchor":             k3s("kube-apiserver-arg: &x\n- v=2\nkube-controller-manager-arg: *x\n"),
		"k3s mapping":            k3s("kube-apiserver-arg: {v: 2}\n"),
		"k3s key twice":          k3s("kube-apiserver-arg: v=2\nkube-apiserver-arg: v=3\n"),
		"k3s documents":          k3s("token: a\n---\ntoken: b\n"),
		"k3s end of document":    k3s("token: a\n...\n"),
		"k3s no server":          {},
		"rke2 without a file":    {rke2Data: "", RKE2Security: pss},
		"rke2 never started":     {rke2Data: "", RKE2ConfigFile: "token: secret\n"},
		"rke2 hardened":          rke2("# CIS\nprofile: cis\nselinux: true\nkube-apiserver-arg:\n  - audit-log-mode=blocking\n"),
		"rke2 own file":          with(rke2("pod-security-admission-config-file: \"/etc/rancher/rke2/rancher-psact.yaml\" # Rancher's\n"), "/etc/rancher/rke2/rancher-psact.yaml", strings.Replace(pss, "restricted", "baseline", 1)),
		"rke2 flag":              with(rke2("kube-apiserver-arg: admission-control-config-file=/etc/rancher/rke2/admission.yaml\n"), "/etc/rancher/rke2/admission.yaml", pss),
		"rke2 mounts":            rke2("kube-apiserver-extra-mount:\n  - /srv:/srv:rw\n"),
		"rke2 mounted":           rke2("kube-apiserver-extra-mount: /etc/kubernetes:/etc/kubernetes\n"),
		"rke2 mounted elsewhere": rke2("kube-apiserver-extra-mount: /srv/config:/etc/kubernetes/config\n"),
		"rke2 relative file":     rke2("pod-security-admission-config-file: psa.yaml\n"),
		"rke2 set up":            with(rke2("pod-security-admission-config-file: "+AdmissionFile+"\nkube-apiserver-extra-mount:\n  - "+extraMount+"\n"), AdmissionFile, done(pss)),
		"rke2 file is gone":      rke2("pod-security-admission-config-file: " + AdmissionFile + "\nkube-apiserver-extra-mount:\n  - " + extraMount + "\n"),
		"rke2 JSON":              rke2("{}\n"),
	}
}

// done gives an AdmissionConfiguration with our plugin.
func done(text string) string {
	merged, err := mergeAdmission([]byte(text), "/")
	if err != nil {
		return err.Error()
	}
	return string(merged)
}

func TestGoldenRancher(t *testing.T) {
	t.Parallel()
	all := servers()
	for name, files := range all {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			root := t.TempDir()
			for file, text := range files {
				place(t, root, file, text)
			}
			flavour, _, _ := strings.Cut(name, " ")
			file := filepath.Join("testdata", "rancher", strings.ReplaceAll(name, " ", "-")+".txt")
			options := Options{Root: root, Address: testAddress, Token: testToken, Flavour: Flavour(flavour)}
			config := K3sConfigFile
			if flavour == "rke2" {
				config = RKE2ConfigFile
			}
			d, closed, err := newDisk(root)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = closed() }()
			made, err := makeDraft(d, options)
			if err != nil {
				golden(t, file, "refused: "+strings.ReplaceAll(err.Error(), root, "ROOT")+"\n")
				if again, failed := Make(options); failed == nil || failed.Error() != err.Error() {
					t.Errorf("the plan: %+v %v", again, failed)
				}
				return
			}
			if detected, failed := Detect(root); failed != nil || string(detected) != flavour {
				t.Errorf("it is taken for %q: %v", detected, failed)
			}
			first, err := Make(options)
			if err != nil || strings.Contains(fmt.Sprint(first), "secret") || strings.Contains(fmt.Sprint(first), testToken) {
				t.Errorf("the plan shows a secret, or %v:\n%v", err, first)
			}
			before := serverFlags(t, root, config)
			var b strings.Builder
			for _, target := range append(slices.Clone(made.configs), made.admission, made.kubeconfig) {
				if !target.same() {
					fmt.Fprintf(&b, "== %s %04o\n%s", target.path, target.new.mode, target.new.text)
				}
				place(t, root, target.path, string(target.new.text))
			}
			golden(t, file, strings.ReplaceAll(b.String(), testToken, "TOKEN"))
			checkFlags(t, flavour, before, serverFlags(t, root, config))

			again, err := Make(options)
			if err != nil || !again.Done || again.Restarts || again.Service != map[string]string{"k3s": "k3s", "rke2": "rke2-server"}[flavour] {
				t.Errorf("a second plan: %+v %v", again, err)
			}
		})
	}
	t.Run("no file without a test", func(t *testing.T) {
		t.Parallel()
		names, err := filepath.Glob("testdata/rancher/*")
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			name = strings.TrimSuffix(filepath.Base(name), ".txt")
			if !slices.ContainsFunc(slices.Collect(maps.Keys(all)), func(key string) bool { return strings.ReplaceAll(key, " ", "-") == name }) {
				t.Errorf("%s has no test", name)
			}
		}
	})
}

func place(t *testing.T, root, name, text string) {
	t.Helper()
	at := filepath.Join(root, name)
	if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(at, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// serverFlags are the flags that K3s makes of its configuration file and the drop-ins, in order, as readConfigFile of
// pkg/configfilearg/parser.go (k3s-io/k3s) does, written again for this test: it is the judge of the edits.
func serverFlags(t *testing.T, root, config string) []string {
	t.Helper()
	files := []string{filepath.Join(root, config)}
	more, err := os.ReadDir(filepath.Join(root, config+".d"))
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	for _, file := range more {
		if ending := path.Ext(file.Name()); ending == ".yaml" || ending == ".yml" {
			files = append(files, filepath.Join(root, config+".d", file.Name()))
		}
	}
	var order []string
	values := map[string][]string{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
		var document yaml.Node
		if err := yaml.Unmarshal(text, &document); err != nil {
			t.Fatal(err)
		}
		if document.IsZero() {
			continue
		}
		for i := 0; i+1 < len(document.Content[0].Content); i += 2 {
			key, value := document.Content[0].Content[i].Value, document.Content[0].Content[i+1]
			key, adds := strings.CutSuffix(key, "+")
			if !slices.Contains(order, key) {
				order = append(order, key)
			}
			if !adds {
				values[key] = nil
			}
			items := value.Content
			if value.Kind == yaml.ScalarNode {
				items = []*yaml.Node{value}
			}
			for _, item := range items {
				values[key] = append(values[key], item.Value)
			}
		}
	}
	var flags []string
	for _, key := range order {
		for _, value := range values[key] {
			if value != "" {
				flags = append(flags, "--"+key+"="+value)
			}
		}
	}
	return flags
}

// checkFlags checks that the flags are the ones before and those that are wanted, and no more.
func checkFlags(t *testing.T, flavour string, before, after []string) {
	t.Helper()
	file := "--" + argsKey + "=admission-control-config-file="
	prefixes := []string{file, strings.Replace(file, "admission", "--admission", 1)}
	if flavour == "rke2" { // K3s does not know that setting
		prefixes = append(prefixes, "--"+securityKey+"=")
	}
	of := func(flags []string) (rest, used []string) {
		for _, flag := range flags {
			i := slices.IndexFunc(prefixes, func(prefix string) bool { return strings.HasPrefix(flag, prefix) })
			if i >= 0 {
				used = append(used, strings.TrimPrefix(flag, prefixes[i]))
			} else if flag != "--"+mountKey+"="+extraMount {
				rest = append(rest, flag)
			}
		}
		return rest, used
	}
	was, _ := of(before)
	is, used := of(after)
	slices.Sort(was)
	slices.Sort(is)
	if !slices.Equal(was, is) || !slices.Equal(used, []string{AdmissionFile}) {
		t.Errorf("flags\n%s\nbecame\n%s", strings.Join(before, "\n"), strings.Join(after, "\n"))
	}
	mounted := slices.ContainsFunc(after, func(flag string) bool { return strings.HasPrefix(flag, "--"+mountKey+"=/etc/") })
	if !mounted && flavour == "rke2" {
		t.Errorf("it is not mounted:\n%s", strings.Join(after, "\n"))
	}
}

// FuzzSettings plans any settings and a drop-in: they are refused, or come out with exactly the wanted flags more, as the reading of
// serverFlags has it, and a second plan does nothing.
func FuzzSettings(f *testing.F) {
	for name, files := range servers() {
		f.Add(files[K3sConfigFile]+files[RKE2ConfigFile], files[K3sConfigFile+dropIn], strings.HasPrefix(name, "rke2"))
	}
	f.Fuzz(func(t *testing.T, text, more string, rke2 bool) {
		if len(text)+len(more) > 1<<12 {
			return
		}
		root, flavour, config := t.TempDir(), FlavourK3s, K3sConfigFile
		if rke2 {
			flavour, config = FlavourRKE2, RKE2ConfigFile
			place(t, root, RKE2Security, pss)
		}
		place(t, root, config, text)
		place(t, root, config+dropIn, more)
		for _, name := range []string{"/a", "/etc/psa.yaml", "/etc/rancher/rke2/admission.yaml", "/etc/rancher/rke2/rancher-psact.yaml"} {
			place(t, root, name, pss)
		}
		d, closed, err := newDisk(root)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = closed() }()
		options := Options{Address: testAddress, Token: testToken, Flavour: flavour}
		made, err := makeDraft(d, options)
		if err != nil {
			return
		}
		before := serverFlags(t, root, config)
		for _, target := range append(slices.Clone(made.configs), made.admission, made.kubeconfig) {
			place(t, root, target.path, string(target.new.text))
		}
		checkFlags(t, string(flavour), before, serverFlags(t, root, config))
		if again, err := makeDraft(d, options); err != nil || len(again.configs) > 0 {
			t.Errorf("a second plan: %+v %v", again, err)
		}
	})
}

func TestDetect(t *testing.T) {
	t.Parallel()
	for want, files := range map[string][]string{
		"kubeadm":                             {ManifestFile},
		"k3s":                                 {k3sData},
		"rke2":                                {rke2Data, "/var/lib/rancher/rke2/agent/pod-manifests/kube-apiserver.yaml"},
		"say which with --flavour":            {ManifestFile, k3sData},
		"no control-plane node of kubeadm":    {"/etc/hostname"},
		"there is no /etc/kubernetes/manifes": nil,
	} {
		root := t.TempDir()
		for _, file := range files {
			place(t, root, file, "")
		}
		flavour, err := Detect(root)
		if got := string(flavour) + fmt.Sprint(err); !strings.Contains(got, want) {
			t.Errorf("%v: %s", files, got)
		}
	}
}

// k3sRoot is a server of K3s with settings of its own.
func k3sRoot(t *testing.T, files map[string]string) string {
	t.Helper()
	root := t.TempDir()
	if err := os.MkdirAll(filepath.Join(root, "etc"), 0o755); err != nil {
		t.Fatal(err)
	}
	for file, text := range files {
		place(t, root, file, text)
	}
	return root
}

// TestConfigureRancher sets servers up, changes nothing a second time, and undoes it to the byte; killed at every change of the file system
// in between, the next run finishes or undoes.
func TestConfigureRancher(t *testing.T) {
	t.Parallel()
	all := servers()
	for _, name := range []string{"k3s without a file", "k3s list", "k3s drop-in overrides", "k3s other file", "rke2 hardened", "rke2 own file"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			root := k3sRoot(t, all[name])
			was := snapshot(t, root)
			was["/etc/kubernetes"] = "drwxr-xr-x\n" // which stays, empty
			n := testNode(root, nil)
			if plan, err := n.Configure(t.Context(), testOptions()); err != nil || plan.Done || plan.Service == "" {
				t.Fatalf("%+v %v", plan, err)
			}
			is := snapshot(t, root)
			if plan, err := n.Configure(t.Context(), testOptions()); err != nil || !plan.Done {
				t.Errorf("a second run: %+v %v", plan, err)
			}
			o := testOptions()
			o.Token = otherToken
			if _, err := n.Configure(t.Context(), o); err != nil {
				t.Errorf("another token: %v", err)
			}
			if _, err := n.Restore(t.Context(), false); err != nil {
				t.Fatal(err)
			}
			if text := differ(snapshot(t, root), was); text != "" {
				t.Error(text)
			}
			for _, next := range []string{"configure", "restore"} {
				wanted := is
				if next == "restore" {
					wanted = was
				}
				everyChange(t, func(after int) (string, string) {
					root := k3sRoot(t, all[name])
					at := killed(t, "configure", root, "", after)
					if at == "" {
						return "", ""
					}
					return at, strings.TrimSuffix(finish(t, root, nil, next, wanted), "/etc/kubernetes is gone\n")
				})
			}
		})
	}
}

// TestRestoreRancherAfterChanges does not take the files away that settings still name.
func TestRestoreRancherAfterChanges(t *testing.T) {
	t.Parallel()
	root := k3sRoot(t, servers()["k3s list"])
	n := testNode(root, nil)
	if _, err := n.Configure(t.Context(), testOptions()); err != nil {
		t.Fatal(err)
	}
	overwrite(t, root, K3sConfigFile, func(text string) string { return text + "disable: traefik\n" })
	before := snapshot(t, root)
	if _, err := n.Restore(t.Context(), false); err == nil || !strings.Contains(err.Error(), "take the line with "+AdmissionFile+" out of it by hand") {
		t.Errorf("got %v", err)
	}
	if text := differ(snapshot(t, root), before); text != "" {
		t.Error(text)
	}
	overwrite(t, root, K3sConfigFile, func(string) string { return "disable: traefik\n" })
	if _, err := n.Restore(t.Context(), false); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(root, KubeconfigFile)); !os.IsNotExist(err) {
		t.Errorf("the kubeconfig: %v", err)
	}
}
