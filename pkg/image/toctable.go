package image

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"strconv"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// The end of an eStargz layer: an empty gzip member of fixed form with the place of the member before it, which holds a tar of
// the table of contents alone (https://github.com/containerd/stargz-snapshotter/blob/main/docs/estargz.md#footer).
const (
	stargzFooter = 51
	stargzMagic  = "STARGZ"
	stargzIndex  = "stargz.index.json"
	stargzTail   = 64 << 10 // what is asked for first: mostly the table is in it
)

// readTOC reads and verifies a layer's table of contents.
func (r *TOCReader) readTOC(ctx context.Context) ([]tocFile, error) {
	if r.layer.TOC.Format == ZstdTOC {
		return r.readZstdTOC(ctx)
	}
	begin := max(0, r.layer.Size-stargzTail)
	tail, err := r.fetch(ctx, begin, r.layer.Size)
	if err != nil {
		return nil, err
	}
	end := r.layer.Size - stargzFooter
	at, err := parseFooter(tail[max(0, len(tail)-stargzFooter):])
	switch {
	case err != nil:
		return nil, err
	case at <= 0 || at >= end:
		return nil, fmt.Errorf("its footer names a table of contents at %d of %d bytes", at, end)
	case end-at > maxTOCStored:
		return nil, fmt.Errorf("its table of contents has %d bytes, more than %d", end-at, maxTOCStored)
	}
	tail = tail[max(0, at-begin) : end-begin]
	if at >= begin {
		return r.stargzTable(bytes.NewReader(tail), at)
	}
	head, err := r.fetch(ctx, at, begin)
	if err != nil {
		return nil, err
	}
	return r.stargzTable(io.MultiReader(bytes.NewReader(head), bytes.NewReader(tail)), at)
}

// parseFooter gives the place of an eStargz layer's table.
func parseFooter(footer []byte) (int64, error) {
	const extra = 26 // after it: S, G, its length in two bytes, 16 hexadecimal digits, STARGZ
	if len(footer) != stargzFooter || !bytes.HasPrefix(footer, []byte{0x1f, 0x8b, 8, 4}) ||
		binary.LittleEndian.Uint16(footer[10:]) != extra || string(footer[12:14]) != "SG" ||
		binary.LittleEndian.Uint16(footer[14:]) != extra-4 || string(footer[32:38]) != stargzMagic {
		return 0, errors.New("it has no footer of eStargz")
	}
	at, err := strconv.ParseUint(string(footer[16:32]), 16, 63)
	if err != nil {
		return 0, fmt.Errorf("its footer names no place: %w", err)
	}
	return int64(at), nil
}

// stargzTable reads the table from its gzip member. What its digest covers is the JSON. data is where the layer's files end.
func (r *TOCReader) stargzTable(stored io.Reader, data int64) ([]tocFile, error) {
	plain, err := gzip.NewReader(stored)
	if err != nil {
		return nil, fmt.Errorf("table of contents: %w", err)
	}
	archive := tar.NewReader(io.LimitReader(plain, maxTOCBytes+1<<20))
	header, err := archive.Next()
	switch {
	case err != nil:
		return nil, fmt.Errorf("table of contents: %w", err)
	case header.Name != stargzIndex || header.Typeflag != tar.TypeReg:
		return nil, fmt.Errorf("where its table of contents should be is %.100q", header.Name)
	case header.Size > maxTOCBytes:
		return nil, fmt.Errorf("its table of contents has %d bytes, more than %d", header.Size, maxTOCBytes)
	}
	sum := sha256.New()
	files, err := decodeTOC(io.TeeReader(archive, sum), data)
	if err != nil {
		return nil, err
	}
	return files, r.checkTOC(sum)
}

// readZstdTOC reads the table of a zstd:chunked layer. What its digest covers is the table as stored.
func (r *TOCReader) readZstdTOC(ctx context.Context) ([]tocFile, error) {
	toc := r.layer.TOC
	stored, err := r.fetch(ctx, toc.offset, toc.offset+toc.size)
	if err != nil {
		return nil, err
	}
	sum := sha256.New()
	sum.Write(stored)
	if wrong := r.checkTOC(sum); wrong != nil {
		return nil, wrong
	}
	plain, err := zstd.NewReader(bytes.NewReader(stored), zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(maxZstdWindow))
	if err != nil {
		return nil, fmt.Errorf("table of contents: %w", err)
	}
	defer plain.Close()
	const frameHeader = 8 // of the skippable frame that the table is in
	limited := &io.LimitedReader{R: plain, N: toc.unpacked + 1}
	files, err := decodeTOC(limited, toc.offset-frameHeader)
	if err == nil && limited.N != 1 {
		err = fmt.Errorf("its table of contents has not the %d bytes that its annotation names", toc.unpacked)
	}
	return files, err
}

func (r *TOCReader) checkTOC(sum hash.Hash) error {
	if got := "sha256:" + hex.EncodeToString(sum.Sum(nil)); got != r.layer.TOC.Digest {
		return r.target.fault(KindCorrupt, "the table of contents of layer %s does not match its digest: it is %s", r.layer.Digest, got)
	}
	return nil
}
