package imagetest

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"maps"

	"github.com/containerd/stargz-snapshotter/estargz"
	"github.com/containerd/stargz-snapshotter/estargz/zstdchunked"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/klauspost/compress/zstd"
)

// Annotations of layers with tables of contents.
const (
	StargzDigest = estargz.TOCJSONDigestAnnotation
	ZstdChecksum = "io.github.containers.zstd-chunked.manifest-checksum"
	ZstdPosition = "io.github.containers.zstd-chunked.manifest-position"
)

// EStargz is a layer of the format eStargz, as its own library writes it. chunk is the most bytes of a chunk; 0: 4 MiB.
func EStargz(chunk int, files ...File) v1.Layer {
	return eStargz(files, types.OCILayer, estargz.WithChunkSize(chunk))
}

// EStargzPacked is an eStargz layer of which small files share a gzip member, up to some bytes of it.
func EStargzPacked(member int, files ...File) v1.Layer {
	return eStargz(files, types.OCILayer, estargz.WithMinChunkSize(member))
}

// ZstdStargz is a zstd:chunked layer as eStargz's library writes it.
func ZstdStargz(chunk int, files ...File) v1.Layer {
	annotations := map[string]string{}
	l := eStargz(files, types.OCILayerZStd, estargz.WithChunkSize(chunk), estargz.WithCompression(&zstdCompression{
		Compressor: &zstdchunked.Compressor{CompressionLevel: zstd.SpeedDefault, Metadata: annotations}, Decompressor: &zstdchunked.Decompressor{},
	}))
	l.annotations = annotations
	return l
}

type zstdCompression struct {
	*zstdchunked.Compressor
	*zstdchunked.Decompressor
}

func eStargz(files []File, mediaType types.MediaType, opts ...estargz.Option) *annotated {
	plain := Tar(files...)
	built, err := estargz.Build(io.NewSectionReader(bytes.NewReader(plain), 0, int64(len(plain))), opts...)
	must(err)
	stored, err := io.ReadAll(built)
	must(err)
	must(built.Close())
	inner := &blob{digest: hash(stored), stored: stored, plain: plain, mediaType: mediaType}
	inner.diffID, err = v1.NewHash(built.DiffID().String())
	must(err)
	return &annotated{inner, map[string]string{StargzDigest: built.TOCDigest().String()}}
}

// ZstdChunked is a zstd:chunked layer in the form that podman and buildah write: a frame for each chunk, of which files have one or
// more of chunk bytes.
func ZstdChunked(chunk int, files ...File) v1.Layer {
	w := &zstdLayer{}
	for _, f := range files {
		w.file(f, chunk)
	}
	w.plain.Write(make([]byte, 1024))
	w.frame(w.plain.Bytes()[w.done:])
	w.skippable([]byte("tar-split"))
	table, err := json.Marshal(map[string]any{"version": 1, "entries": w.entries})
	must(err)
	return w.layer(table)
}

// Annotated is a layer with annotations in the image's manifest: what a broken or hostile builder would write.
func Annotated(l v1.Layer, annotations map[string]string) v1.Layer {
	switch l := l.(type) {
	case *annotated:
		return &annotated{l.blob, annotations}
	case *blob:
		return &annotated{l, annotations}
	default:
		panic(fmt.Sprintf("imagetest: %T cannot be annotated", l))
	}
}

// Annotations gives a copy of a layer's annotations.
func Annotations(l v1.Layer) map[string]string {
	if l, ok := l.(*annotated); ok {
		return maps.Clone(l.annotations)
	}
	return nil
}

// WithTable is a layer that ZstdChunked made with another table of contents than that of its files, rightly signed by its annotations.
func WithTable(l v1.Layer, change func(table []byte) []byte) v1.Layer {
	of, ok := l.(*annotated)
	if !ok {
		panic(fmt.Sprintf("imagetest: %T has no table of contents", l))
	}
	var at, size, unpacked int
	_, err := fmt.Sscanf(of.annotations[ZstdPosition], "%d:%d:%d:1", &at, &size, &unpacked)
	must(err)
	decoder, err := zstd.NewReader(nil)
	must(err)
	defer decoder.Close()
	table, err := decoder.DecodeAll(of.stored[at:at+size], nil)
	must(err)
	w := &zstdLayer{}
	w.plain.Write(of.plain)
	w.stored.Write(of.stored[:at-8])
	return w.layer(change(table))
}

// zstdLayer writes a zstd:chunked layer.
type zstdLayer struct {
	plain, stored bytes.Buffer
	done          int // bytes of plain that are in stored
	entries       []map[string]any
}

func (w *zstdLayer) file(f File, chunk int) {
	h := f.header()
	tw := tar.NewWriter(&w.plain)
	must(tw.WriteHeader(h))
	kinds := map[byte]string{tar.TypeReg: "reg", tar.TypeDir: "dir", tar.TypeSymlink: "symlink", tar.TypeLink: "hardlink"}
	entry := map[string]any{"type": kinds[h.Typeflag], "name": h.Name, "mode": h.Mode}
	if h.Linkname != "" {
		entry["linkName"] = h.Linkname
	}
	w.entries = append(w.entries, entry)
	if h.Size == 0 {
		return
	}
	w.frame(w.plain.Bytes()[w.done:])
	entry["size"], entry["digest"] = h.Size, digestOf(f.Body)
	entry["offset"] = w.stored.Len()
	for at := 0; at < len(f.Body); at += chunk {
		part := f.Body[at:min(at+chunk, len(f.Body))]
		if at > 0 {
			entry = map[string]any{"type": "chunk", "name": h.Name, "chunkOffset": at, "offset": w.stored.Len()}
			w.entries = append(w.entries, entry)
		}
		if len(f.Body) > chunk {
			entry["chunkSize"], entry["chunkDigest"] = len(part), digestOf(part)
		}
		_, err := w.plain.Write(part)
		must(err)
		w.frame(part)
	}
	w.entries[len(w.entries)-(len(f.Body)+chunk-1)/chunk]["endOffset"] = w.stored.Len()
	w.plain.Write(make([]byte, -h.Size&511)) // a tar's blocks have 512 bytes
}

// frame writes a frame of what plain has anew.
func (w *zstdLayer) frame(part []byte) {
	w.stored.Write(Compress(Zstd, part))
	w.done = w.plain.Len()
}

// skippable writes a frame that decoders pass over (RFC 8878, section 3.1.2).
func (w *zstdLayer) skippable(content []byte) {
	w.stored.Write(binary.LittleEndian.AppendUint32([]byte{0x50, 0x2a, 0x4d, 0x18}, uint32(len(content)))) //nolint:gosec // a test's
	w.stored.Write(content)
}

func (w *zstdLayer) layer(table []byte) v1.Layer {
	packed := Compress(Zstd, table)
	at := w.stored.Len() + 8
	w.skippable(packed)
	stored, plain := w.stored.Bytes(), w.plain.Bytes()
	return &annotated{
		&blob{digest: hash(stored), diffID: hash(plain), stored: stored, plain: plain, mediaType: types.OCILayerZStd},
		map[string]string{ZstdChecksum: digestOf(packed), ZstdPosition: fmt.Sprintf("%d:%d:%d:1", at, len(packed), len(table))},
	}
}

func digestOf(content []byte) string {
	sum := sha256.Sum256(content)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// annotated is a layer with annotations in the manifest.
type annotated struct {
	*blob
	annotations map[string]string
}

// Descriptor is how package mutate describes the layer in a manifest.
func (a *annotated) Descriptor() (*v1.Descriptor, error) {
	return &v1.Descriptor{MediaType: a.mediaType, Digest: a.digest, Size: int64(len(a.stored)), Annotations: a.annotations}, nil
}
