package image

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"sync/atomic"
)

const (
	minTOCLayer   = 256 << 10 // smaller layers are read whole sooner
	maxTOCPieces  = 256       // requests for one reading of a layer
	tocPiece      = 4 << 20   // bytes of one request
	tocAhead      = 4         // requests at a time, and pieces that are in memory
	tocGap        = 64 << 10  // bytes between two wanted parts that are read along with them
	tocWorthParts = 4         // a layer of which more than 3 of so many parts are wanted is read whole
)

// errNotWorth is a layer that is read whole sooner than by its table of contents.
var errNotWorth = errors.New("reading the layer whole costs no more")

// TOCReader reads some files of a layer by its table of contents. It is not safe for concurrent use.
//
// The table is what the image's builder says of the layer: it may leave out files that are in the layer, or name others. Nothing but
// reading the layer whole shows that.
type TOCReader struct {
	puller *Puller
	target target
	layer  Layer
	files  []tocFile
	read   atomic.Int64
}

// OpenTOC reads a layer's table of contents and verifies it against the image's manifest. An error, which also says that reading the
// layer whole costs no more, means that OpenLayer is to be asked instead: a registry that gives no parts of a layer, a table that is
// damaged or over a limit.
func (p *Puller) OpenTOC(ctx context.Context, img *Image, layer Layer) (*TOCReader, error) {
	t, err := p.layerTarget(img, layer)
	if err != nil {
		return nil, err
	}
	if layer.TOC == nil || layer.Size < minTOCLayer {
		return nil, errNotWorth
	}
	r := &TOCReader{puller: p, target: t, layer: layer}
	if r.files, err = r.readTOC(ctx); err != nil {
		return nil, err
	}
	return r, nil
}

// BytesRead is the number of compressed bytes read so far, the table's included.
func (r *TOCReader) BytesRead() int64 { return r.read.Load() }

// Each gives the layer's entries in their order to do, with the contents of those that want chooses and nil for the others; number
// counts from 0. Contents are good until do returns. What was read of them is verified by the digests of the table before Each goes on;
// one that does not match is an *Error of KindCorrupt. It may be called again.
func (r *TOCReader) Each(ctx context.Context, want func(number int, h *tar.Header) bool, do func(number int, h *tar.Header, contents io.Reader) error) error {
	chosen, pieces, err := r.plan(want)
	if err != nil {
		return err
	}
	from := newPieceReader(ctx, pieces, r.fetch)
	defer from.close()
	unpack := &memberReader{from: from, zstd: r.layer.TOC.Format == ZstdTOC}
	defer unpack.close()
	for number := range r.files {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		var body *tocBody
		var contents io.Reader
		if chosen[number] {
			body = &tocBody{reader: r, file: &r.files[number], unpack: unpack}
			contents = body
		}
		if err := do(number, r.files[number].header(), contents); err != nil {
			return err
		}
		if body != nil {
			if err := body.finish(); err != nil {
				return err
			}
		}
	}
	return nil
}

// plan finds out which parts of the layer must be read for the files that are wanted.
func (r *TOCReader) plan(want func(int, *tar.Header) bool) (chosen []bool, pieces []piece, err error) {
	chosen = make([]bool, len(r.files))
	var parts []piece
	var unpacked, stored, inner int64 // inner: of the member at hand, as far as it is unpacked
	for i := range r.files {
		f := &r.files[i]
		if f.kind != tar.TypeReg || !want(i, f.header()) {
			continue
		}
		chosen[i] = true
		for j := range f.chunks {
			c := &f.chunks[j]
			if n := len(parts); n == 0 || parts[n-1].from != c.offset {
				parts, inner = append(parts, piece{from: c.offset, to: c.end}), 0
				stored += c.end - c.offset
			}
			unpacked += c.inner + c.size - inner
			inner = c.inner + c.size
		}
	}
	opts := &r.puller.opts
	if unpacked > opts.MaxUncompressedBytes || unpacked > ratioFloor && unpacked/opts.MaxRatio > stored {
		return nil, nil, r.target.tooLarge("", "what is wanted of layer %s unpacks to %d bytes", r.layer.Digest, unpacked)
	}
	for gap := int64(tocGap); ; gap *= 4 {
		merged, total := coalesce(parts, gap)
		if total > r.layer.Size/tocWorthParts*(tocWorthParts-1) {
			return nil, nil, errNotWorth
		}
		if pieces = split(merged); len(pieces) <= maxTOCPieces || gap > r.layer.Size {
			return chosen, pieces, nil
		}
	}
}

// coalesce joins parts that are no further than gap from each other, and counts their bytes.
func coalesce(parts []piece, gap int64) (merged []piece, total int64) {
	for _, p := range parts {
		if n := len(merged); n > 0 && p.from-merged[n-1].to <= gap {
			total += max(0, p.to-merged[n-1].to)
			merged[n-1].to = max(merged[n-1].to, p.to)
			continue
		}
		merged = append(merged, p)
		total += p.to - p.from
	}
	return merged, total
}

// split cuts parts into pieces of one request each.
func split(parts []piece) []piece {
	var out []piece
	for _, p := range parts {
		for ; p.to-p.from > tocPiece; p.from += tocPiece {
			out = append(out, piece{from: p.from, to: p.from + tocPiece})
		}
		out = append(out, p)
	}
	return out
}

func (f *tocFile) header() *tar.Header {
	return &tar.Header{Typeflag: f.kind, Name: f.name, Linkname: f.link, Mode: f.mode, Size: f.size}
}

// fetch reads a part of the layer, the end not included.
func (r *TOCReader) fetch(ctx context.Context, from, to int64) (content []byte, err error) {
	req := blobRequest(r.layer, from, to)
	err = r.puller.eachHost(ctx, r.target, req, func(t target, attempts int) error {
		return r.puller.retry(ctx, t, attempts, req.what, func() error {
			resp, failure := r.puller.ask(ctx, t, req)
			if failure != nil {
				return failure
			}
			defer func() { _ = resp.Body.Close() }()
			if wrong := t.isPart(resp, r.layer, from, to); wrong != nil {
				return wrong
			}
			content = make([]byte, to-from)
			n, failure := io.ReadFull(resp.Body, content)
			r.read.Add(int64(n))
			if failure != nil {
				return fmt.Errorf("read bytes %d to %d: %w", from, to, failure)
			}
			return nil
		})
	})
	return content, err
}
