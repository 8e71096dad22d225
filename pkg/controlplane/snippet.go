package controlplane

import (
	"embed"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"
	"text/template"
	"unicode"
)

// The forms that the snippets follow:
//   - kubeadm: ClusterConfiguration, https://kubernetes.io/docs/reference/config-api/kubeadm-config.v1beta4/ and …v1beta3/
//   - kind: https://kind.sigs.k8s.io/docs/user/configuration/, pkg/apis/config/v1alpha4 and pkg/cluster/internal/kubeadm/config.go of
//     kubernetes-sigs/kind (v1beta4 from Kubernetes 1.36 on)
//   - Cluster API: api/bootstrap/kubeadm/v1beta1 and v1beta2 of kubernetes-sigs/cluster-api
//   - kops: pkg/apis/kops (KubeAPIServerConfig, FileAssetSpec) and nodeup/pkg/model/kube_apiserver.go (what the pod mounts) of kubernetes/kops
//   - Talos: pkg/machinery/config/types/v1alpha1 (MachineFile, VolumeMountConfig, AdmissionPluginConfigList, which merges by name),
//     constants.KubernetesAPIServerRunUser, and writeUserFiles (below /var alone) of siderolabs/talos
//   - managed: https://docs.aws.amazon.com/eks/latest/best-practices/control-plane.html,
//     https://cloud.google.com/kubernetes-engine/docs/concepts/cluster-architecture, https://learn.microsoft.com/azure/aks/core-aks-concepts
//
//go:embed snippets
var snippets embed.FS

// SnippetToken stands for the API token in a snippet.
const SnippetToken = "REPLACE-WITH-API-TOKEN"

// kopsDir is the folder of a kops node that its API server's pod has.
const kopsDir = "/srv/kubernetes/kube-apiserver"

// SnippetFlavours are the flavours that there is a snippet for.
func SnippetFlavours() []string {
	return []string{"kubeadm", "kind", "capi", "kops", "talos", "managed", "eks", "gke", "aks"}
}

// Snippet gives what to put where for the API server of a flavour to authenticate to the webhook at an address, host:port: YAML with
// comments, or, for managed control planes, which cannot be given a token, the way without one. The token is a placeholder.
func Snippet(flavour, address, policy string) (string, error) {
	if !slices.Contains(SnippetFlavours(), flavour) {
		return "", fmt.Errorf("flavour %q: write %s; for k3s and rke2 see runecast controlplane plan", flavour, strings.Join(SnippetFlavours(), ", "))
	}
	user, err := userName(address)
	if err != nil {
		return "", err
	}
	if strings.ContainsFunc(address, func(r rune) bool { return !unicode.IsGraphic(r) }) {
		return "", fmt.Errorf("address %q: write host:port, as in runecast-nginx.runecast.svc:9080", address)
	}
	if policy == "" || strings.ContainsFunc(policy, func(r rune) bool {
		return r > unicode.MaxASCII || !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune("-_.", r)
	}) {
		return "", fmt.Errorf("policy %q: write the id of a policy, as in 2", policy)
	}
	data := struct{ User, Address, Policy, Token, Dir, Host, Kubeconfig, Admission, Provider, Note string }{
		User: user, Address: address, Policy: policy, Token: SnippetToken, Dir: ConfigDir, Host: "/var/lib/runecast",
	}
	if flavour == "kops" {
		data.Dir = kopsDir
	}
	data.Kubeconfig = path.Join(data.Dir, path.Base(KubeconfigFile))
	data.Admission = path.Join(data.Dir, path.Base(AdmissionFile))
	name := flavour
	if provider, note, is := managed(flavour); is {
		name, data.Provider, data.Note = "managed", provider, note
	}
	return render(name+".tmpl", data)
}

// managed gives the name of a managed control plane, and what its network asks of whoever has a webhook there.
func managed(flavour string) (provider, note string, is bool) {
	switch flavour {
	case "eks":
		return "Amazon EKS", "The security group of the nodes has to let the cluster's security group reach port 9080 of the pods of runecast-nginx\n" +
			"(https://docs.aws.amazon.com/eks/latest/userguide/sec-group-reqs.html).\n", true
	case "gke":
		return "Google GKE", "In a private cluster a firewall rule has to let the control plane reach port 9080 of the nodes, as only 443 and 10250 are\n" +
			"open to it (https://cloud.google.com/kubernetes-engine/docs/how-to/private-clusters#add_firewall_rules).\n", true
	case "aks":
		return "Azure AKS", "Azure keeps webhooks away from kube-system by itself\n" +
			"(https://learn.microsoft.com/azure/aks/faq#can-admission-controller-webhooks-impact-kube-system-and-internal-aks-namespaces-).\n", true
	case "managed":
		return "Whoever manages this control plane", "Let its network reach port 9080 of the pods of runecast-nginx.\n", true
	}
	return "", "", false
}

func render(name string, data any) (string, error) {
	all := template.New(name)
	text := func(part string, data any) (string, error) {
		var b strings.Builder
		err := all.ExecuteTemplate(&b, part, data)
		return b.String(), err
	}
	prefixed := func(prefix, part string, data any) (string, error) {
		whole, err := text(part, data)
		var b strings.Builder
		for line := range strings.Lines(whole) {
			b.WriteString(prefix + line)
		}
		return b.String(), err
	}
	all.Funcs(template.FuncMap{
		"base": path.Base, "quote": strconv.Quote,
		"indent": func(n int, part string, data any) (string, error) {
			return prefixed(strings.Repeat(" ", n), part, data)
		},
		"comment": func(part string, data any) (string, error) { return prefixed("#   ", part, data) },
	})
	if _, err := all.ParseFS(snippets, "snippets/*.tmpl"); err != nil {
		return "", fmt.Errorf("read the snippets: %w", err)
	}
	return text(name, data)
}
