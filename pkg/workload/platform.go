package workload

import (
	"fmt"
	"slices"
	"strings"
)

// Well-known node labels (https://kubernetes.io/docs/reference/labels-annotations-taints/) and their deprecated names.
const (
	labelArch    = "kubernetes.io/arch"
	labelOS      = "kubernetes.io/os"
	oldLabelArch = "beta.kubernetes.io/arch"
	oldLabelOS   = "beta.kubernetes.io/os"
)

const linux = "linux"

// architectures lists those that Kubernetes nodes have, by operating system, in Go's words, as node labels have them.
func architectures(os string) []string {
	switch os {
	case linux:
		return []string{"amd64", "arm64", "arm", "386", "ppc64le", "s390x", "riscv64", "loong64", "mips64le"}
	case "windows":
		return []string{"amd64", "arm64"}
	default:
		return nil
	}
}

// CheckPlatform tells whether nodes of a platform, os/arch or os/arch/variant, exist. Its error names the ones that do.
func CheckPlatform(platform string) error {
	os, rest, _ := strings.Cut(platform, "/")
	arch, _, _ := strings.Cut(rest, "/")
	if slices.Contains(architectures(os), arch) {
		return nil
	}
	if known := architectures(os); known != nil {
		return fmt.Errorf("%q is no platform of Kubernetes nodes: the architectures of %s are %s", platform, os, strings.Join(known, ", "))
	}
	return fmt.Errorf("%q is no platform of Kubernetes nodes: write os/arch, such as linux/amd64", platform)
}

// AnyArch stands for the architecture in a Workload's Platforms where only the operating system is required.
const AnyArch = "*"

// placement lists where a pod may run, by its node selector and required node affinity: os/arch, os/* where any architecture
// will do, and nothing where any node will do. The scheduler needs the node selector and any one of the affinity's terms to
// match. Values that no node has are left out, so that the list is short whatever the pod says.
func placement(spec *podSpecJSON) []string {
	os := first(spec.NodeSelector[labelOS], spec.NodeSelector[oldLabelOS], spec.OS.Name)
	if arch := first(spec.NodeSelector[labelArch], spec.NodeSelector[oldLabelArch]); arch != "" {
		return []string{first(os, linux) + "/" + arch}
	}
	terms := spec.Affinity.NodeAffinity.Required.Terms
	if len(terms) == 0 && os != "" {
		return []string{os + "/" + AnyArch}
	}
	var platforms []string
	for _, term := range terms {
		oses := term.values(labelOS, oldLabelOS)
		if os != "" || len(oses) == 0 {
			oses = []string{os}
		}
		archs := term.values(labelArch, oldLabelArch)
		if len(archs) == 0 && oses[0] == "" {
			return nil // this term alone lets the pod run on any node
		}
		for _, o := range oses {
			platforms = append(platforms, expand(first(o, linux), archs)...)
		}
	}
	slices.Sort(platforms)
	return slices.Compact(platforms)
}

// expand pairs a system with those of the architectures that its nodes have.
func expand(os string, archs []string) []string {
	known := architectures(os)
	if len(archs) == 0 && known != nil {
		return []string{os + "/" + AnyArch}
	}
	var platforms []string
	for _, arch := range known {
		if slices.Contains(archs, arch) {
			platforms = append(platforms, os+"/"+arch)
		}
	}
	return platforms
}

// values gives what the term's first "In" expression on one of the keys allows.
func (t termJSON) values(keys ...string) []string {
	for _, e := range t.MatchExpressions {
		if e.Operator == "In" && slices.Contains(keys, e.Key) {
			return e.Values
		}
	}
	return nil
}

func first(values ...string) string {
	for _, v := range values {
		if v != "" {
			return v
		}
	}
	return ""
}
