package workload_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/runecast/runecast/pkg/workload"
)

const podSpec = `{"containers":[{"name":"app","image":"nginx:1.19","args":["<"]}],
 "initContainers":[{"name":"init","image":"busybox:1"}],
 "ephemeralContainers":[{"name":"debug","image":"debug:1"}],
 "volumes":[{"name":"model","image":{"reference":"model:1"}},{"name":"tmp","emptyDir":{}}],
 "imagePullSecrets":[{"name":"pull"}],"serviceAccountName":"robot"}`

const allImages = "[{nginx:1.19 container app} {busybox:1 init container init} {debug:1 ephemeral container debug} {model:1 image volume model}]"

func TestParseFindsEveryImageOfEveryKind(t *testing.T) {
	t.Parallel()
	template := `{"metadata":{"name":"x","namespace":"ns","uid":"u"},"spec":{"replicas":3,"template":{"metadata":{"labels":{"a":"b"}},"spec":` + podSpec + `}}}`
	tests := []struct{ group, kind, object string }{
		{"", "Pod", `{"metadata":{"generateName":"x","namespace":"ns","uid":"u"},"spec":` + podSpec + `}`},
		{"", "ReplicationController", template},
		{"apps", "Deployment", template},
		{"apps", "DaemonSet", template},
		{"apps", "ReplicaSet", template},
		{"apps", "StatefulSet", template},
		{"batch", "Job", template},
		{"batch", "CronJob", `{"metadata":{"name":"x","namespace":"ns","uid":"u"},"spec":{"schedule":"* * * * *","jobTemplate":{"spec":{"template":{"spec":` + podSpec + `}}}}}`},
	}
	for _, test := range tests {
		t.Run(test.kind, func(t *testing.T) {
			t.Parallel()
			w, err := workload.Parse(test.group, test.kind, []byte(test.object))
			if err != nil {
				t.Fatal(err)
			}
			if got := fmt.Sprint(w.Images); got != allImages {
				t.Errorf("images:\n got %s\nwant %s", got, allImages)
			}
			if w.Name != "x" || w.Namespace != "ns" || w.UID != "u" || w.ServiceAccount != "robot" || fmt.Sprint(w.PullSecrets) != "[pull]" {
				t.Errorf("facts: %+v", w)
			}
		})
	}
}

func TestParseErrors(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, group, kind, object, want string }{
		{"no template", "", "Service", `{}`, `kind Service of group "": the kind carries no pod template`},
		{"a kind of that name in another group", "example.com", "Deployment", `{}`, `kind Deployment of group "example.com": the kind carries no pod template`},
		{"no object", "", "Pod", `[]`, "decode Pod: json: cannot unmarshal"},
		{"cut", "", "Pod", `{"spec":{`, "decode Pod: jsontext: unexpected EOF"},
		{"containers of another type", "", "Pod", `{"spec":{"containers":{"name":"a"}}}`, `decode Pod: json: cannot unmarshal JSON object into Go []workload.containerJSON within "/spec/containers"`},
		{"doubled name", "", "Pod", `{"spec":{"containers":[]},"spec":{}}`, `duplicate object member name "spec"`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			_, err := workload.Parse(test.group, test.kind, []byte(test.object))
			if err == nil {
				t.Fatal("no error")
			}
			// The decoder says "cannot" or "unable to", by chance, so that nobody relies on its words.
			if text := strings.ReplaceAll(err.Error(), "unable to", "cannot"); !strings.Contains(text, test.want) {
				t.Errorf("error %s, want one with %q", text, test.want)
			}
		})
	}
}

func TestParseIsExactAboutNames(t *testing.T) {
	t.Parallel()
	w, err := workload.Parse("", "Pod", []byte(`{"spec":{"Containers":[{"image":"other"}],"containers":[{"image":"real"}]}}`))
	if err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(w.NewImages(nil)); got != "[real]" {
		t.Errorf("images %s: names differ by case in JSON, and Kubernetes takes the exact one", got)
	}
}

func TestEmptyImage(t *testing.T) {
	t.Parallel()
	pod, err := workload.Parse("", "Pod", []byte(`{"spec":{"containers":[{"name":"a","image":""}]}}`))
	if err != nil || len(pod.Images) != 1 {
		t.Errorf("an empty image in a pod is there to be refused: %v, %v", pod, err)
	}
	job, err := workload.Parse("batch", "Job", []byte(`{"spec":{"template":{"spec":{"containers":[{"name":"a"}]}}}}`))
	if err != nil || len(job.Images) != 0 {
		t.Errorf("an empty image in a template is set later, on the pod: %v, %v", job, err)
	}
}

func TestNewImages(t *testing.T) {
	t.Parallel()
	pod := func(images ...string) *workload.Workload {
		var list []string
		for _, image := range images {
			list = append(list, fmt.Sprintf(`{"image":%q}`, image))
		}
		w, err := workload.Parse("", "Pod", []byte(`{"spec":{"containers":[`+strings.Join(list, ",")+`]}}`))
		if err != nil {
			t.Fatal(err)
		}
		return w
	}
	none, err := workload.Parse("", "Pod", []byte("null"))
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name     string
		old, now *workload.Workload
		want     string
	}{
		{"created", nil, pod("a", "b", "a"), "[a b]"},
		{"created, with the null the API server sends", none, pod("a"), "[a]"},
		{"unchanged", pod("a", "b"), pod("b", "a"), "[]"},
		{"one added", pod("a"), pod("a", "b"), "[b]"},
		{"one replaced", pod("a:1"), pod("a:2"), "[a:2]"},
		{"one removed", pod("a", "b"), pod("a"), "[]"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			if got := fmt.Sprint(test.now.NewImages(test.old)); got != test.want {
				t.Errorf("got %s, want %s", got, test.want)
			}
		})
	}
}

func TestCheckPlatform(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ platform, want string }{
		{"linux/amd64", ""},
		{"linux/arm/v7", ""},
		{"windows/amd64", ""},
		{"linux/arm46", `"linux/arm46" is no platform of Kubernetes nodes: the architectures of linux are amd64, arm64, arm, 386, ppc64le, s390x, riscv64, loong64, mips64le`},
		{" linux/amd64", `" linux/amd64" is no platform of Kubernetes nodes: write os/arch, such as linux/amd64`},
		{"amd64", `"amd64" is no platform of Kubernetes nodes: write os/arch, such as linux/amd64`},
	} {
		got := ""
		if err := workload.CheckPlatform(test.platform); err != nil {
			got = err.Error()
		}
		if got != test.want {
			t.Errorf("%q: got %s, want %s", test.platform, got, test.want)
		}
	}
}

func TestPlatforms(t *testing.T) {
	t.Parallel()
	affinity := func(terms string) string {
		return `"affinity":{"nodeAffinity":{"requiredDuringSchedulingIgnoredDuringExecution":{"nodeSelectorTerms":[` + terms + `]}}}`
	}
	arch := func(values string) string {
		return `{"matchExpressions":[{"key":"kubernetes.io/arch","operator":"In","values":[` + values + `]}]}`
	}
	tests := []struct{ name, spec, want string }{
		{"open", `"nodeSelector":{"disk":"ssd"}`, "[]"},
		{"no affinity", `"affinity":null`, "[]"},
		{"selector", `"nodeSelector":{"kubernetes.io/arch":"arm64"}`, "[linux/arm64]"},
		{"deprecated label", `"nodeSelector":{"beta.kubernetes.io/arch":"arm64"}`, "[linux/arm64]"},
		{"windows", `"nodeSelector":{"kubernetes.io/os":"windows","kubernetes.io/arch":"amd64"}`, "[windows/amd64]"},
		{"affinity", affinity(arch(`"arm64","amd64"`)), "[linux/amd64 linux/arm64]"},
		{"terms are alternatives", affinity(arch(`"arm64"`) + "," + arch(`"s390x"`)), "[linux/arm64 linux/s390x]"},
		{"one open term opens all", affinity(arch(`"arm64"`) + `,{"matchExpressions":[{"key":"zone","operator":"Exists"}]}`), "[]"},
		{"not in", affinity(`{"matchExpressions":[{"key":"kubernetes.io/arch","operator":"NotIn","values":["arm64"]}]}`), "[]"},
		{"system alone", `"nodeSelector":{"kubernetes.io/os":"windows"}`, "[windows/*]"},
		{"system of the pod", `"os":{"name":"windows"}`, "[windows/*]"},
		{"system in the affinity", affinity(`{"matchExpressions":[{"key":"kubernetes.io/os","operator":"In","values":["windows","plan9"]}]}`), "[windows/*]"},
		{"architectures that no node has", affinity(arch(`"amd64","x0","x1"`)), "[linux/amd64]"},
		{"selector's system, affinity's architecture", `"nodeSelector":{"kubernetes.io/os":"windows"},` + affinity(arch(`"amd64"`)), "[windows/amd64]"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			w, err := workload.Parse("", "Pod", []byte(`{"spec":{`+test.spec+`}}`))
			if err != nil {
				t.Fatal(err)
			}
			if got := fmt.Sprint(w.Platforms); got != test.want {
				t.Errorf("got %s, want %s", got, test.want)
			}
		})
	}
}
