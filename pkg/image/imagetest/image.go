package imagetest

import (
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// Image is an OCI image of linux/amd64 with these layers, lowest first.
func Image(layers ...v1.Layer) v1.Image { return ImageFor("linux/amd64", layers...) }

// ImageFor is an OCI image for a platform, written os/arch[/variant].
func ImageFor(platform string, layers ...v1.Layer) v1.Image {
	p, err := v1.ParsePlatform(platform)
	must(err)
	img := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	config, err := img.ConfigFile()
	must(err)
	config = config.DeepCopy()
	config.OS, config.Architecture, config.Variant = p.OS, p.Architecture, p.Variant
	img, err = mutate.ConfigFile(img, config)
	must(err)
	img, err = mutate.AppendLayers(img, layers...)
	must(err)
	return img
}

// DockerImage is the same image under the media types that Docker gave before OCI.
func DockerImage(img v1.Image) v1.Image {
	return mutate.ConfigMediaType(mutate.MediaType(img, types.DockerManifestSchema2), types.DockerConfigJSON)
}

// Index is an OCI index of images; their platforms are those of their configurations.
func Index(images ...v1.Image) v1.ImageIndex {
	index := mutate.IndexMediaType(empty.Index, types.OCIImageIndex)
	for _, img := range images {
		config, err := img.ConfigFile()
		must(err)
		index = mutate.AppendManifests(index, mutate.IndexAddendum{
			Add: img, Descriptor: v1.Descriptor{Platform: config.Platform()},
		})
	}
	return index
}

// WithAttestation adds to an index what docker buildx adds for each image: a manifest of the platform unknown/unknown that
// holds statements about the build and nothing that runs.
func WithAttestation(index v1.ImageIndex) v1.ImageIndex {
	statement := static.NewLayer([]byte(`{"_type":"https://in-toto.io/Statement/v0.1"}`), "application/vnd.in-toto+json")
	return mutate.AppendManifests(index, mutate.IndexAddendum{
		Add: ImageFor("unknown/unknown", statement),
		Descriptor: v1.Descriptor{
			Platform:    &v1.Platform{OS: "unknown", Architecture: "unknown"},
			Annotations: map[string]string{"vnd.docker.reference.type": "attestation-manifest"},
		},
	})
}

// HelmChart is an artifact that is no image: a chart as helm push stores it.
func HelmChart() v1.Image {
	chart := static.NewLayer([]byte("a chart"), "application/vnd.cncf.helm.chart.content.v1.tar+gzip")
	img, err := mutate.AppendLayers(mutate.MediaType(empty.Image, types.OCIManifestSchema1), chart)
	must(err)
	return mutate.ConfigMediaType(img, "application/vnd.cncf.helm.config.v1+json")
}
