package artifact

import (
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// ParseManifest reads a manifest as a pull does, and gives its layer and the checksum that it names.
func ParseManifest(content []byte, most int64) (layer v1.Descriptor, checksum string, err error) {
	s := &session{}
	s.maxBytes = most
	m, err := s.parse(&remote.Descriptor{Descriptor: v1.Descriptor{MediaType: types.OCIManifestSchema1}, Manifest: content})
	if err != nil {
		return v1.Descriptor{}, "", err
	}
	return m.Layers[0], m.Annotations[checksumAnnotation], nil
}
