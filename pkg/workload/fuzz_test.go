package workload_test

import (
	"slices"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	kjson "sigs.k8s.io/json"

	"github.com/runecast/runecast/pkg/workload"
)

// imagesOf lists what Kubernetes' own types see in a pod specification.
func imagesOf(spec *corev1.PodSpec, isPod bool) []string {
	var list []string
	for i := range spec.Containers {
		list = append(list, spec.Containers[i].Image)
	}
	for i := range spec.InitContainers {
		list = append(list, spec.InitContainers[i].Image)
	}
	for i := range spec.EphemeralContainers {
		list = append(list, spec.EphemeralContainers[i].Image)
	}
	for i := range spec.Volumes {
		if spec.Volumes[i].Image != nil {
			list = append(list, spec.Volumes[i].Image.Reference)
		}
	}
	if !isPod {
		list = slices.DeleteFunc(list, func(s string) bool { return s == "" })
	}
	return list
}

// FuzzParse holds Parse against the decoder that Kubernetes itself uses: an object that both read must name the same images to
// both, or there would be a way around the gate.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		`{"metadata":{"name":"x"},"spec":` + podSpec + `}`,
		`{"spec":{"template":{"spec":` + podSpec + `}}}`,
		`{"spec":{"Containers":[{"image":"a"}],"containers":[{"Image":"b","image":"c"}]}}`,
		`{"spec":{"containers":[{"image":"a"}],"containers":[{"image":"b"}]}}`,
		`{"spec":{"containers":null,"volumes":[{"image":null},{"image":{}}]}}`,
		"{\"spec\":{\"containers\":[{\"image\":\"a\xff\"}]}}", `{"spec":{"containers":[{"image":"\ud800"}]}}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, object []byte) {
		var pod corev1.Pod
		if w, err := workload.Parse("", "Pod", object); err == nil && kjson.UnmarshalCaseSensitivePreserveInts(object, &pod) == nil {
			same(t, w, imagesOf(&pod.Spec, true), object)
		}
		var deployment appsv1.Deployment
		if w, err := workload.Parse("apps", "Deployment", object); err == nil && kjson.UnmarshalCaseSensitivePreserveInts(object, &deployment) == nil {
			same(t, w, imagesOf(&deployment.Spec.Template.Spec, false), object)
		}
	})
}

func same(t *testing.T, w *workload.Workload, want []string, object []byte) {
	t.Helper()
	var got []string
	for _, image := range w.Images {
		got = append(got, image.Reference)
	}
	if !slices.Equal(got, want) {
		t.Errorf("images of %q\n got %q\nwant %q", object, got, want)
	}
}
