package imagetest

import (
	"archive/tar"
	"bytes"
	"fmt"
	"io"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// Compression is how a layer's tar is stored.
type Compression string

// The compressions that the OCI image specification knows.
const (
	Gzip         Compression = "gzip"
	Zstd         Compression = "zstd"
	Uncompressed Compression = "none"
)

// Layer is a gzip-compressed layer. The same files give the same digest.
func Layer(files ...File) v1.Layer { return LayerWith(Gzip, files...) }

// LayerWith is a layer of the given compression.
func LayerWith(c Compression, files ...File) v1.Layer {
	plain := Tar(files...)
	return RawLayer(Compress(c, plain), plain, mediaType(c))
}

// RawLayer is a layer of any bytes under any media type: what a broken builder or a hostile registry would serve. plain gives
// the diff id that the configuration states.
func RawLayer(stored, plain []byte, mediaType types.MediaType) v1.Layer {
	return &blob{digest: hash(stored), diffID: hash(plain), stored: stored, plain: plain, mediaType: mediaType}
}

// TruncatedLayer is a layer whose gzip stream ends in the middle though its digest is right.
func TruncatedLayer(files ...File) v1.Layer {
	plain := Tar(files...)
	stored := Compress(Gzip, plain)
	return RawLayer(stored[:len(stored)/2], plain, types.OCILayer)
}

// CorruptLayer is a layer that decompresses to something that is no tar, though its digest is right.
func CorruptLayer() v1.Layer {
	plain := bytes.Repeat([]byte("this is no tar archive. "), 400)
	return RawLayer(Compress(Gzip, plain), plain, types.OCILayer)
}

// BombLayer is a small layer that decompresses to one file of the given number of zero bytes.
func BombLayer(size int64) v1.Layer {
	var stored bytes.Buffer
	zw := gzip.NewWriter(&stored)
	tw := tar.NewWriter(zw)
	must(tw.WriteHeader(&tar.Header{Name: "zeros", Mode: 0o644, Size: size, Typeflag: tar.TypeReg}))
	_, err := io.CopyN(tw, zeros{}, size)
	must(err)
	must(tw.Close())
	must(zw.Close())
	return RawLayer(stored.Bytes(), nil, types.OCILayer)
}

// Tar writes files as an uncompressed layer.
func Tar(files ...File) []byte {
	var out bytes.Buffer
	tw := tar.NewWriter(&out)
	for _, f := range files {
		if err := tw.WriteHeader(f.header()); err != nil {
			panic(fmt.Sprintf("imagetest: file %q: %v", f.Path, err))
		}
		if len(f.Body) > 0 {
			_, err := tw.Write(f.Body)
			must(err)
		}
	}
	must(tw.Close())
	return out.Bytes()
}

// Compress compresses bytes as a layer of that compression stores them.
func Compress(c Compression, plain []byte) []byte {
	var out bytes.Buffer
	switch c {
	case Gzip:
		zw := gzip.NewWriter(&out)
		_, err := zw.Write(plain)
		must(err)
		must(zw.Close())
	case Zstd:
		zw, err := zstd.NewWriter(&out, zstd.WithEncoderConcurrency(1))
		must(err)
		_, err = zw.Write(plain)
		must(err)
		must(zw.Close())
	case Uncompressed:
		return plain
	default:
		panic("imagetest: unknown compression " + string(c))
	}
	return out.Bytes()
}

func mediaType(c Compression) types.MediaType {
	switch c {
	case Zstd:
		return types.OCILayerZStd
	case Uncompressed:
		return types.OCIUncompressedLayer
	case Gzip:
		return types.OCILayer
	default:
		panic("imagetest: unknown compression " + string(c))
	}
}

// blob is a layer held in memory.
type blob struct {
	digest, diffID v1.Hash
	stored, plain  []byte
	mediaType      types.MediaType
}

func (b *blob) Digest() (v1.Hash, error)            { return b.digest, nil }
func (b *blob) DiffID() (v1.Hash, error)            { return b.diffID, nil }
func (b *blob) Size() (int64, error)                { return int64(len(b.stored)), nil }
func (b *blob) MediaType() (types.MediaType, error) { return b.mediaType, nil }
func (b *blob) Compressed() (io.ReadCloser, error) {
	return io.NopCloser(bytes.NewReader(b.stored)), nil
}

func (b *blob) Uncompressed() (io.ReadCloser, error) {
	return io.NopCloser(bytes.NewReader(b.plain)), nil
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

func hash(b []byte) v1.Hash {
	h, _, err := v1.SHA256(bytes.NewReader(b))
	must(err)
	return h
}

// must panics on errors that cannot happen with a writer in memory, or that mean a call with nonsense.
func must(err error) {
	if err != nil {
		panic("imagetest: " + err.Error())
	}
}
