package controlplane_test

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
	core "k8s.io/api/core/v1"
	oldcapi "sigs.k8s.io/cluster-api/api/controlplane/kubeadm/v1beta1" //nolint:staticcheck // clusters made before Cluster API 1.11 have it
	capi "sigs.k8s.io/cluster-api/api/controlplane/kubeadm/v1beta2"
	kind "sigs.k8s.io/kind/pkg/apis/config/v1alpha4"
	k8syaml "sigs.k8s.io/yaml"

	"github.com/runecast/runecast/pkg/controlplane"
)

// The written schemas of what the snippets are merged into, each with the fields that they may have; the sources are named at
// Snippet. A field that is not here is an error. kind and Cluster API are read with types of their own.
type (
	header struct {
		APIVersion string `yaml:"apiVersion"`
		Kind       string
	}
	volume struct {
		Name      string
		HostPath  string `yaml:"hostPath"`
		MountPath string `yaml:"mountPath"`
		ReadOnly  bool   `yaml:"readOnly"`
		PathType  string `yaml:"pathType"`
	}
	apiServer[Args any] struct {
		ExtraArgs    Args     `yaml:"extraArgs"`
		ExtraVolumes []volume `yaml:"extraVolumes"`
	}
	arg                   struct{ Name, Value string }
	kubeadmCluster[A any] struct {
		header    `yaml:",inline"`
		APIServer apiServer[A] `yaml:"apiServer"`
	}
	kopsCluster struct {
		header `yaml:",inline"`
		Spec   struct {
			KubeAPIServer struct {
				AdmissionControlConfigFile string `yaml:"admissionControlConfigFile"`
			} `yaml:"kubeAPIServer"` //nolint:tagliatelle // as kops has it
			FileAssets []struct {
				Name, Path, Mode, Content string
				Roles                     []string
			} `yaml:"fileAssets"`
		}
	}
	webhookConfiguration struct {
		header         `yaml:",inline"`
		KubeConfigFile string `yaml:"kubeConfigFile"`
	}
	plugin struct {
		Name          string
		Configuration webhookConfiguration
	}
	talosMachine struct {
		Machine struct {
			Files []struct {
				Op, Path, Content string
				Permissions       int
			}
		}
		Cluster struct {
			APIServer struct {
				AdmissionControl []plugin `yaml:"admissionControl"`
				ExtraVolumes     []struct {
					HostPath  string `yaml:"hostPath"`
					MountPath string `yaml:"mountPath"`
					ReadOnly  bool   `yaml:"readonly"`
				} `yaml:"extraVolumes"`
			} `yaml:"apiServer"`
		}
	}
	admissionConfiguration struct {
		header  `yaml:",inline"`
		Plugins []plugin
	}
	config struct {
		header `yaml:",inline"`
		Users  []struct {
			Name string
			User struct{ Token string }
		}
	}
)

// strictly reads the documents of a text, each into its value.
func strictly(t *testing.T, text string, values ...any) {
	t.Helper()
	decoder := yaml.NewDecoder(strings.NewReader(text))
	decoder.KnownFields(true)
	for _, value := range values {
		if err := decoder.Decode(value); err != nil {
			t.Fatalf("%T: %v\n%s", value, err, text)
		}
	}
	if err := decoder.Decode(new(any)); !errors.Is(err, io.EOF) {
		t.Errorf("there is more: %v", err)
	}
}

func snippet(t *testing.T, flavour string) string {
	t.Helper()
	text, err := controlplane.Snippet(flavour, address, "2")
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// wantFiles checks the two files that every flavour brings: the user of the first is the webhook's, and the second names the first.
func wantFiles(t *testing.T, kubeconfig, admission, at string) {
	t.Helper()
	var users config
	strictly(t, kubeconfig, &users)
	if users.Kind != "Config" || len(users.Users) != 1 || users.Users[0].Name != address || users.Users[0].User.Token != controlplane.SnippetToken {
		t.Errorf("kubeconfig %+v", users)
	}
	var plugins admissionConfiguration
	strictly(t, admission, &plugins)
	if plugins.Kind != "AdmissionConfiguration" || len(plugins.Plugins) != 1 {
		t.Fatalf("admission configuration %+v", plugins)
	}
	wantPlugin(t, plugins.Plugins[0], at)
}

func wantPlugin(t *testing.T, p plugin, at string) {
	t.Helper()
	if p.Name != "ValidatingAdmissionWebhook" || p.Configuration.Kind != "WebhookAdmissionConfiguration" || p.Configuration.APIVersion != "apiserver.config.k8s.io/v1" || p.Configuration.KubeConfigFile != at {
		t.Errorf("plugin %+v", p)
	}
}

// wantServer checks the flag and the volume of a kubeadm configuration.
func wantServer(t *testing.T, flag string, volumes []volume) {
	t.Helper()
	if flag != controlplane.AdmissionFile || !slices.Equal(volumes, []volume{{"etc-kubernetes-config", controlplane.ConfigDir, controlplane.ConfigDir, true, "DirectoryOrCreate"}}) {
		t.Errorf("flag %s, volumes %+v", flag, volumes)
	}
}

func onlyArg(t *testing.T, args []arg) string {
	t.Helper()
	if len(args) != 1 || args[0].Name != "admission-control-config-file" {
		t.Fatalf("arguments %v", args)
	}
	return args[0].Value
}

// commented gives the file that a snippet shows in comments below the line that names it.
func commented(t *testing.T, text, name string) string {
	t.Helper()
	var b strings.Builder
	found := false
	for line := range strings.Lines(text) {
		switch {
		case strings.HasPrefix(line, "# ") && strings.Contains(line, name):
			found = true
		case found && strings.HasPrefix(line, "#   "):
			b.WriteString(line[4:])
		case found && b.Len() > 0:
			return b.String()
		}
	}
	return b.String()
}

func TestSnippetsOfKubeadm(t *testing.T) {
	t.Parallel()
	text := snippet(t, "kubeadm")
	var list kubeadmCluster[[]arg]
	var mapped kubeadmCluster[map[string]string]
	strictly(t, text, &list, &mapped)
	if list.APIVersion != "kubeadm.k8s.io/v1beta4" || mapped.APIVersion != "kubeadm.k8s.io/v1beta3" || list.Kind != "ClusterConfiguration" || mapped.Kind != list.Kind || len(mapped.APIServer.ExtraArgs) != 1 {
		t.Errorf("%+v %+v", list, mapped)
	}
	wantServer(t, onlyArg(t, list.APIServer.ExtraArgs), list.APIServer.ExtraVolumes)
	wantServer(t, mapped.APIServer.ExtraArgs["admission-control-config-file"], mapped.APIServer.ExtraVolumes)
	wantFiles(t, commented(t, text, controlplane.KubeconfigFile+", "), commented(t, text, controlplane.AdmissionFile+":"), controlplane.KubeconfigFile)
}

func TestSnippetsOfKind(t *testing.T) {
	t.Parallel()
	text := snippet(t, "kind")
	var cluster kind.Cluster
	strictly(t, text, &cluster)
	if len(cluster.Nodes) != 1 || len(cluster.Nodes[0].ExtraMounts) != 1 || cluster.Nodes[0].ExtraMounts[0].ContainerPath != controlplane.ConfigDir || len(cluster.KubeadmConfigPatches) != 2 || len(cluster.KubeadmConfigPatchesJSON6902) != 1 {
		t.Fatalf("%+v", cluster)
	}
	var volumes, flags kubeadmCluster[map[string]string]
	strictly(t, cluster.KubeadmConfigPatches[0], &volumes)
	strictly(t, cluster.KubeadmConfigPatches[1], &flags)
	if flags.APIVersion != "kubeadm.k8s.io/v1beta3" || volumes.APIVersion != "" {
		t.Errorf("%+v %+v", volumes, flags)
	}
	wantServer(t, flags.APIServer.ExtraArgs["admission-control-config-file"], volumes.APIServer.ExtraVolumes)
	var patch []struct {
		Op, Path string
		Value    arg
	}
	strictly(t, cluster.KubeadmConfigPatchesJSON6902[0].Patch, &patch)
	if len(patch) != 1 || patch[0].Path != "/apiServer/extraArgs/-" || patch[0].Op != "add" || onlyArg(t, []arg{patch[0].Value}) != controlplane.AdmissionFile {
		t.Errorf("%+v", patch)
	}
	wantFiles(t, commented(t, text, "runecast-config/runecast-validating"), commented(t, text, "runecast-config/runecast-admission"), controlplane.KubeconfigFile)
}

func TestSnippetsOfClusterAPI(t *testing.T) {
	t.Parallel()
	documents := strings.Split(snippet(t, "capi"), "---\n")
	if len(documents) != 3 {
		t.Fatalf("%d documents", len(documents))
	}
	var credentials core.Secret
	var plane capi.KubeadmControlPlane
	var older oldcapi.KubeadmControlPlane
	for i, value := range []any{&credentials, &plane, &older} {
		if err := k8syaml.UnmarshalStrict([]byte(documents[i]), value); err != nil {
			t.Fatalf("%T: %v", value, err)
		}
	}
	if plane.APIVersion != capi.GroupVersion.String() || older.APIVersion != oldcapi.GroupVersion.String() {
		t.Errorf("%s and %s", plane.APIVersion, older.APIVersion)
	}
	server := plane.Spec.KubeadmConfigSpec.ClusterConfiguration.APIServer
	if len(server.ExtraArgs) != 1 || len(server.ExtraVolumes) != 1 || *server.ExtraArgs[0].Value != controlplane.AdmissionFile || server.ExtraArgs[0].Name != "admission-control-config-file" {
		t.Fatalf("%+v", server)
	}
	v := server.ExtraVolumes[0]
	wantServer(t, *server.ExtraArgs[0].Value, []volume{{v.Name, v.HostPath, v.MountPath, *v.ReadOnly, string(v.PathType)}})
	olderServer := older.Spec.KubeadmConfigSpec.ClusterConfiguration.APIServer
	w := olderServer.ExtraVolumes[0]
	wantServer(t, olderServer.ExtraArgs["admission-control-config-file"], []volume{{w.Name, w.HostPath, w.MountPath, w.ReadOnly, string(w.PathType)}})

	files, olderFiles := plane.Spec.KubeadmConfigSpec.Files, older.Spec.KubeadmConfigSpec.Files
	if len(files) != 2 || files[0].Path != controlplane.KubeconfigFile || files[0].Permissions != "0600" || files[0].Content != "" || files[0].ContentFrom.Secret.Name != credentials.Name || files[1].Path != controlplane.AdmissionFile {
		t.Fatalf("%+v", files)
	}
	if len(olderFiles) != 2 || olderFiles[0].Path != files[0].Path || olderFiles[0].ContentFrom.Secret.Key != files[0].ContentFrom.Secret.Key || olderFiles[1].Content != files[1].Content {
		t.Errorf("%+v", olderFiles)
	}
	wantFiles(t, credentials.StringData[files[0].ContentFrom.Secret.Key], files[1].Content, files[0].Path)
}

func TestSnippetsOfKops(t *testing.T) {
	t.Parallel()
	var cluster kopsCluster
	strictly(t, snippet(t, "kops"), &cluster)
	files := cluster.Spec.FileAssets
	if len(files) != 2 || files[1].Path != cluster.Spec.KubeAPIServer.AdmissionControlConfigFile || files[0].Mode != "0600" || !slices.Equal(files[0].Roles, []string{"ControlPlane"}) {
		t.Fatalf("%+v", cluster)
	}
	for _, file := range files {
		if filepath.Dir(file.Path) != "/srv/kubernetes/kube-apiserver" {
			t.Errorf("the API server's pod has no %s", file.Path)
		}
	}
	wantFiles(t, files[0].Content, files[1].Content, files[0].Path)
}

func TestSnippetsOfTalos(t *testing.T) {
	t.Parallel()
	var machine talosMachine
	strictly(t, snippet(t, "talos"), &machine)
	files, server := machine.Machine.Files, machine.Cluster.APIServer
	if len(files) != 1 || len(server.AdmissionControl) != 1 || len(server.ExtraVolumes) != 1 || files[0].Op != "create" || files[0].Permissions != 0o444 || !strings.HasPrefix(files[0].Path, "/var/") {
		t.Fatalf("%+v", machine)
	}
	at := strings.Replace(files[0].Path, server.ExtraVolumes[0].HostPath, server.ExtraVolumes[0].MountPath, 1)
	wantPlugin(t, server.AdmissionControl[0], at)
	wantFiles(t, files[0].Content, "apiVersion: v1\nkind: AdmissionConfiguration\nplugins:\n- name: ValidatingAdmissionWebhook\n  configuration: {apiVersion: apiserver.config.k8s.io/v1, kind: WebhookAdmissionConfiguration, kubeConfigFile: "+at+"}\n", at)
}

// TestSnippetGoldens compares what is printed with files. RUNECAST_UPDATE_GOLDEN=1 writes them anew.
func TestSnippetGoldens(t *testing.T) {
	t.Parallel()
	names, err := filepath.Glob("testdata/snippets/*")
	if err != nil || os.Getenv("RUNECAST_UPDATE_GOLDEN") == "" && len(names) != len(controlplane.SnippetFlavours()) {
		t.Errorf("files %v: %v", names, err)
	}
	for _, flavour := range controlplane.SnippetFlavours() {
		text, name := snippet(t, flavour), filepath.Join("testdata", "snippets", flavour+".txt")
		if os.Getenv("RUNECAST_UPDATE_GOLDEN") != "" {
			if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if want, err := os.ReadFile(name); err != nil || !bytes.Equal(want, []byte(text)) {
			t.Errorf("%s is not what is printed: %v\n%s", name, err, text)
		}
		for line := range strings.Lines(text) {
			if len([]rune(line)) > 151 {
				t.Errorf("%s has a line of %d characters: %s", flavour, len([]rune(line)), line)
			}
		}
	}
	for flavour, want := range map[string]string{"eks": "security group", "gke": "firewall rule", "aks": "kube-system", "managed": "reach port 9080"} {
		if text := snippet(t, flavour); !strings.Contains(text, want) || !strings.Contains(text, "--set admission.auth=key") || strings.Contains(text, controlplane.SnippetToken) {
			t.Errorf("%s:\n%s", flavour, text)
		}
	}
}

func TestBadSnippets(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ flavour, address, policy, want string }{
		{"k3s", address, "2", "runecast controlplane plan"},
		{"", address, "2", `flavour ""`},
		{"kops", "runecast", "2", "write host:port"},
		{"kops", "run\ncast:9080", "2", "write host:port"},
		{"kops", address, "", "write the id of a policy"},
		{"kops", address, "2\nx", "write the id of a policy"},
		{"kops", address, "../2", "write the id of a policy"},
	} {
		if text, err := controlplane.Snippet(test.flavour, test.address, test.policy); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%+v: %q %v", test, text, err)
		}
	}
	text, err := controlplane.Snippet("kops", "[fd00::1]:443", "shop")
	if err != nil || !strings.Contains(text, `- name: "fd00::1"`) || !strings.Contains(text, "policy/shop") {
		t.Errorf("%v\n%s", err, text)
	}
}
