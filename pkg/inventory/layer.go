package inventory

import (
	"context"
	"io"
)

// Layer is what one layer contributes to the images that have it. It depends on the layer's bytes alone, can be stored as
// JSON under the layer's digest, and is never changed after ScanLayer has returned it.
type Layer struct{}

// Options are the limits of reading a layer; zero values mean the defaults.
type Options struct {
	MaxFiles int   // entries in the tar stream; default 1,000,000
	MaxBytes int64 // uncompressed bytes of the whole layer; default 32 GiB
	MaxFile  int64 // bytes of one file that is parsed; default 256 MiB
}

// ScanLayer reads an uncompressed layer tar to its end. open gives the stream from its start; it is called again only where
// a link needs a file that the first pass did not keep.
func ScanLayer(ctx context.Context, open func(context.Context) (io.ReadCloser, error), opts Options) (*Layer, error) {
	panic("being written")
}

// Merge stacks layers, lowest first, into an image's inventory. digests name the layers, in the same order.
func Merge(layers []*Layer, digests []string) (Inventory, error) {
	panic("being written")
}
