package workload

import (
	"errors"
	"fmt"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// ErrNoPodTemplate says that objects of a kind carry no pod template, so there is nothing to review in them.
var ErrNoPodTemplate = errors.New("the kind carries no pod template")

// ContainerKind is the place of a pod that names an image.
type ContainerKind string

// The places of a pod that name an image.
const (
	Container          ContainerKind = "container"
	InitContainer      ContainerKind = "init container"
	EphemeralContainer ContainerKind = "ephemeral container"
	ImageVolume        ContainerKind = "image volume"
)

// Image is one place of a workload that names an image.
type Image struct {
	Reference string        // as the object has it: nginx:1.19
	Kind      ContainerKind //
	Name      string        // of the container or volume
}

// Workload is what a review needs of an object.
type Workload struct {
	Name           string   // metadata.name, else metadata.generateName
	Namespace      string   //
	UID            string   // empty on creation
	Images         []Image  // containers, init containers, ephemeral containers, image volumes, in this order
	PullSecrets    []string // names of imagePullSecrets
	ServiceAccount string   // empty: the namespace's default
	Platforms      []string // os/arch, or os/* for any architecture, that its node selector and node affinity allow; empty: any
}

// shape says where an object of a kind keeps its pod specification.
type shape uint8

const (
	shapeNone     shape = iota
	shapePod            // spec
	shapeTemplate       // spec.template.spec
	shapeCronJob        // spec.jobTemplate.spec.template.spec
)

// shapeOf knows the kinds of Kubernetes that run containers, in any version of their API group.
func shapeOf(group, kind string) shape {
	switch group + "/" + kind {
	case "/Pod":
		return shapePod
	case "/ReplicationController", "apps/Deployment", "apps/DaemonSet", "apps/ReplicaSet", "apps/StatefulSet", "batch/Job":
		return shapeTemplate
	case "batch/CronJob":
		return shapeCronJob
	default:
		return shapeNone
	}
}

// Reviewable tells whether objects of a kind name images. The group of pods and replication controllers is empty.
func Reviewable(group, kind string) bool { return shapeOf(group, kind) != shapeNone }

// Parse reads an object of a kind from its JSON form. It fails with ErrNoPodTemplate where Reviewable is false, and with the decoder's error,
// which names the place, for JSON that is no such object. JSON null, which the API server sends where there is no former object, gives an empty workload.
func Parse(group, kind string, object []byte) (*Workload, error) {
	form := shapeOf(group, kind)
	if form == shapeNone {
		return nil, fmt.Errorf("kind %s of group %q: %w", kind, group, ErrNoPodTemplate)
	}
	var o objectJSON
	// Kubernetes itself replaces invalid UTF-8; doubled names stay an error, as two readers could take different ones.
	if err := json.Unmarshal(object, &o, jsontext.AllowInvalidUTF8(true)); err != nil {
		return nil, fmt.Errorf("decode %s: %w", kind, err)
	}
	w := &Workload{Name: o.Metadata.Name, Namespace: o.Metadata.Namespace, UID: o.Metadata.UID}
	if w.Name == "" {
		w.Name = o.Metadata.GenerateName
	}
	spec := &o.Spec.podSpecJSON
	switch form {
	case shapeTemplate:
		spec = &o.Spec.Template.Spec
	case shapeCronJob:
		spec = &o.Spec.JobTemplate.Spec.Template.Spec
	case shapePod, shapeNone:
	}
	w.fill(spec, form == shapePod)
	return w, nil
}

// fill takes over what a pod specification says. An image may be left empty in a template, to be set on the pods made from
// it; in a pod an empty image is an error to be shown, so it stays in the list.
func (w *Workload) fill(spec *podSpecJSON, isPod bool) {
	w.Images = make([]Image, 0, len(spec.Containers)+len(spec.InitContainers)+len(spec.EphemeralContainers))
	for _, group := range []struct {
		kind ContainerKind
		list []containerJSON
	}{{Container, spec.Containers}, {InitContainer, spec.InitContainers}, {EphemeralContainer, spec.EphemeralContainers}} {
		for _, c := range group.list {
			w.add(Image{Reference: c.Image, Kind: group.kind, Name: c.Name}, isPod)
		}
	}
	for _, v := range spec.Volumes {
		if v.Image != nil {
			w.add(Image{Reference: v.Image.Reference, Kind: ImageVolume, Name: v.Name}, isPod)
		}
	}
	for _, s := range spec.ImagePullSecrets {
		w.PullSecrets = append(w.PullSecrets, s.Name)
	}
	w.ServiceAccount = spec.ServiceAccountName
	w.Platforms = placement(spec)
}

func (w *Workload) add(image Image, isPod bool) {
	if image.Reference != "" || isPod {
		w.Images = append(w.Images, image)
	}
}

// NewImages lists the references that w has and old has not, each once, in w's order. A nil old has none, so that
// everything in a created object is new.
func (w *Workload) NewImages(old *Workload) []string {
	known := map[string]bool{}
	if old != nil {
		for _, image := range old.Images {
			known[image.Reference] = true
		}
	}
	var references []string
	for _, image := range w.Images {
		if !known[image.Reference] {
			known[image.Reference] = true
			references = append(references, image.Reference)
		}
	}
	return references
}
