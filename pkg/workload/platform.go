package workload

import "slices"

// Well-known node labels (https://kubernetes.io/docs/reference/labels-annotations-taints/) and their deprecated names.
const (
	labelArch    = "kubernetes.io/arch"
	labelOS      = "kubernetes.io/os"
	oldLabelArch = "beta.kubernetes.io/arch"
	oldLabelOS   = "beta.kubernetes.io/os"
)

// platforms lists the os/arch pairs that a pod's node selector and required node affinity allow, sorted. It is empty where
// they leave the architecture open. The scheduler needs the node selector and any one of the affinity's terms to match.
func platforms(spec *podSpecJSON) []string {
	os := first(spec.NodeSelector[labelOS], spec.NodeSelector[oldLabelOS])
	if arch := first(spec.NodeSelector[labelArch], spec.NodeSelector[oldLabelArch]); arch != "" {
		return []string{first(os, "linux") + "/" + arch}
	}
	var found []string
	for _, term := range spec.Affinity.NodeAffinity.Required.Terms {
		archs, oses := term.values(labelArch, oldLabelArch), term.values(labelOS, oldLabelOS)
		if len(archs) == 0 {
			return nil // this term alone lets the pod run anywhere
		}
		if os != "" {
			oses = []string{os}
		}
		if len(oses) == 0 {
			oses = []string{"linux"}
		}
		for _, o := range oses {
			for _, a := range archs {
				found = append(found, o+"/"+a)
			}
		}
	}
	slices.Sort(found)
	return slices.Compact(found)
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
