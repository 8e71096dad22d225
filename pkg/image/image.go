package image

import (
	"context"
	"io"
)

// Image is a resolved image of one platform. It is immutable.
type Image struct {
	Reference string  // as asked for
	Digest    string  // of the platform's manifest: sha256:…
	Index     string  // digest of the index that the reference named; empty where it named the manifest itself
	Platform  string  // os/arch[/variant] as the image's configuration says
	Layers    []Layer // lowest first
}

// Layer is one layer as the manifest describes it.
type Layer struct {
	Digest    string // sha256:…
	MediaType string
	Size      int64 // bytes, compressed
}

// Size is the number of bytes of all layers, compressed.
func (i *Image) Size() int64 {
	var total int64
	for _, l := range i.Layers {
		total += l.Size
	}
	return total
}

// Puller resolves references and opens layers. It is safe for concurrent use.
type Puller struct{}

// Resolve finds the manifest that a reference means for a platform (os/arch[/variant]; empty: linux/amd64). The reference's
// tag is asked for at the registry at most once in Options.ResolveTTL. Errors are *Error.
func (p *Puller) Resolve(ctx context.Context, reference, platform string) (*Image, error) {
	panic("being written")
}

// OpenLayer gives a layer's uncompressed tar stream. Reading to the end verifies the layer's digest and size: a mismatch is an
// *Error instead of io.EOF. Errors are *Error.
func (p *Puller) OpenLayer(ctx context.Context, img *Image, layer Layer) (io.ReadCloser, error) {
	panic("being written")
}
