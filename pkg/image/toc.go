package image

import (
	"strconv"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// TOC says where a layer has a table of its contents and what that must match, by the annotations of the image's manifest. Two formats are known, which share the form of the table:
//   - eStargz, of gzip (https://github.com/containerd/stargz-snapshotter/blob/main/docs/estargz.md);
//   - zstd:chunked (https://github.com/containers/storage/blob/main/docs/containers-storage-zstd-chunked.md).
type TOC struct {
	Format TOCFormat
	Digest string // sha256:… of the table: as JSON for eStargz, as stored for zstd:chunked

	offset, size, unpacked int64 // of the table in the layer, for zstd:chunked; eStargz's footer tells its place
}

// TOCFormat is a format of layers with tables of contents.
type TOCFormat string

// The formats.
const (
	tocNone TOCFormat = "" // annotations that make no sense
	EStargz TOCFormat = "estargz"
	ZstdTOC TOCFormat = "zstd-chunked"
)

// The annotations of layers with tables of contents.
const (
	stargzDigest = "containerd.io/snapshot/stargz/toc.digest"
	zstdPrefix   = "io.github.containers.zstd-chunked." // of containers/storage
	zstdPrefix2  = "io.containers.zstd-chunked."        // of its early versions and of estargz/zstdchunked
	zstdChecksum = "manifest-checksum"
	zstdPosition = "manifest-position"
)

// Bounds of a table of contents. A layer that is over one is read in full, so they are no limits of what can be scanned.
const (
	maxTOCStored  = 32 << 20
	maxTOCBytes   = 64 << 20 // as JSON
	maxTOCEntries = 200_000  // chunks included
	maxTOCChunk   = 1 << 30  // uncompressed bytes of one chunk
)

// tocOf reads a layer's annotations. A layer with tables of both formats has none for us: nothing says that they agree, and
// runtimes refuse it too (https://github.com/containers/storage/pull/1778). So has one whose annotations make no sense.
func tocOf(d *v1.Descriptor) *TOC {
	var found []TOC
	if digest := d.Annotations[stargzDigest]; digest != "" {
		t := TOC{Digest: digest}
		if isSHA256(digest) {
			t.Format = EStargz
		}
		found = append(found, t)
	}
	for _, prefix := range []string{zstdPrefix, zstdPrefix2} {
		if digest := d.Annotations[prefix+zstdChecksum]; digest != "" {
			t := parsePosition(d.Annotations[prefix+zstdPosition], d.Size)
			if t.Digest = digest; !isSHA256(digest) {
				t.Format = tocNone
			}
			found = append(found, t)
		}
	}
	if len(found) != 1 || found[0].Format == tocNone {
		return nil
	}
	return &found[0]
}

func isSHA256(text string) bool {
	h, err := v1.NewHash(text)
	return err == nil && h.Algorithm == "sha256"
}

// parsePosition reads offset:bytes:uncompressed bytes:type, of which type 1 alone is known.
func parsePosition(text string, layer int64) TOC {
	parts := strings.Split(text, ":")
	if len(parts) != 4 || parts[3] != "1" {
		return TOC{}
	}
	var n [3]int64
	for i := range n {
		var err error
		if n[i], err = strconv.ParseInt(parts[i], 10, 64); err != nil || n[i] <= 0 {
			return TOC{}
		}
	}
	t := TOC{Format: ZstdTOC, offset: n[0], size: n[1], unpacked: n[2]}
	if t.size > maxTOCStored || t.unpacked > maxTOCBytes || t.offset >= layer || t.size > layer-t.offset {
		return TOC{}
	}
	return t
}
