package workload

// The parts of Kubernetes objects that Parse decodes, in the names of k8s.io/api/core/v1. One type serves all kinds: each
// uses one of its branches.

type objectJSON struct {
	Metadata struct {
		Name         string `json:"name"`
		GenerateName string `json:"generateName"`
		Namespace    string `json:"namespace"`
		UID          string `json:"uid"`
	} `json:"metadata"`
	Spec struct {
		podSpecJSON `json:",inline"`

		Template    templateJSON `json:"template"`
		JobTemplate struct {
			Spec struct {
				Template templateJSON `json:"template"`
			} `json:"spec"`
		} `json:"jobTemplate"`
	} `json:"spec"`
}

type templateJSON struct {
	Spec podSpecJSON `json:"spec"`
}

type podSpecJSON struct {
	Containers          []containerJSON   `json:"containers"`
	InitContainers      []containerJSON   `json:"initContainers"`
	EphemeralContainers []containerJSON   `json:"ephemeralContainers"`
	Volumes             []volumeJSON      `json:"volumes"`
	ImagePullSecrets    []nameJSON        `json:"imagePullSecrets"`
	ServiceAccountName  string            `json:"serviceAccountName"`
	NodeSelector        map[string]string `json:"nodeSelector"`
	OS                  nameJSON          `json:"os"`
	Affinity            struct {
		NodeAffinity struct {
			Required struct {
				Terms []termJSON `json:"nodeSelectorTerms"`
			} `json:"requiredDuringSchedulingIgnoredDuringExecution"`
		} `json:"nodeAffinity"`
	} `json:"affinity"`
}

type containerJSON struct {
	Name  string `json:"name"`
	Image string `json:"image"`
}

type volumeJSON struct {
	Name  string `json:"name"`
	Image *struct {
		Reference string `json:"reference"`
	} `json:"image"`
}

type nameJSON struct {
	Name string `json:"name"`
}

type termJSON struct {
	MatchExpressions []struct {
		Key      string   `json:"key"`
		Operator string   `json:"operator"`
		Values   []string `json:"values"`
	} `json:"matchExpressions"`
}
