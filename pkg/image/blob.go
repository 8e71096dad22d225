package image

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"net/http"
	"slices"
	"strings"
)

// progressBytes is how much a connection must have brought for the faults before it not to count any more.
const progressBytes = 1 << 20

// blobReader reads the stored bytes of a layer. A connection that is cut or stalls is replaced by one that goes on at the
// same place. The end is io.EOF only if size and digest are right.
type blobReader struct {
	open      func(offset int64, avoid []*endpointHost) (io.ReadCloser, *endpointHost, error)
	others    func(avoid []*endpointHost) bool // whether there are hosts beside these, and those that gave it wrong
	gaveWrong func(*endpointHost)
	fault     func(kind Kind, format string, args ...any) *Error
	describe  func(error) *Error
	body      io.ReadCloser
	from      []*endpointHost // who gave its parts, in their order
	cutBy     []*endpointHost // who did not give all of it
	digest    string
	size      int64
	read      int64
	hash      hash.Hash
	attempts  int   // how many connections may fail one after the other
	failures  int   // how many did
	since     int64 // where the last one began
	err       error // the end, once it is there
}

func (p *Puller) openBlob(ctx context.Context, t target, layer Layer) (*blobReader, error) {
	what := "layer " + layer.Digest
	b := &blobReader{
		fault:    t.fault,
		describe: func(err error) *Error { return describe(ctx, t, what, err) },
		digest:   layer.Digest, size: layer.Size, hash: sha256.New(), attempts: p.opts.Attempts,
	}
	b.open = func(offset int64, avoid []*endpointHost) (io.ReadCloser, *endpointHost, error) {
		return p.openAt(ctx, t, layer, offset, avoid)
	}
	b.others = func(avoid []*endpointHost) bool { return p.others(t, &request{digest: layer.Digest, avoid: avoid}) }
	b.gaveWrong = func(h *endpointHost) { p.gaveWrong(h, layer.Digest) }
	if err := b.ask(); err != nil {
		return nil, foreign(err, layer)
	}
	return b, nil
}

// blobRequest asks for a layer's bytes from an offset on, to another where that is not the layer's end.
func blobRequest(layer Layer, from, to int64) *request {
	req := &request{what: "layer " + layer.Digest, method: http.MethodGet, path: "blobs/" + layer.Digest, digest: layer.Digest, header: http.Header{
		"Accept-Encoding": {"identity"}, // the digest is that of the bytes as stored
	}}
	if from > 0 || to < layer.Size {
		req.header.Set("Range", fmt.Sprintf("bytes=%d-%d", from, to-1))
	}
	return req
}

// openAt asks for a layer's bytes from an offset on, and tells which host gives them.
func (p *Puller) openAt(ctx context.Context, t target, layer Layer, offset int64, avoid []*endpointHost) (body io.ReadCloser, from *endpointHost, err error) {
	req := blobRequest(layer, offset, layer.Size)
	req.avoid = avoid
	err = p.eachHost(ctx, t, req, func(t target, attempts int) error {
		from = t.asked
		return p.retry(ctx, t, attempts, req.what, func() (err error) {
			resp, err := p.ask(ctx, t, req)
			if err == nil {
				body, err = t.partOf(ctx, resp, layer, offset)
			}
			return err
		})
	})
	return body, from, err
}

// isPart looks at whether an answer has a part of a layer and nothing else, the end not included.
func (t target) isPart(resp *http.Response, layer Layer, from, to int64) error {
	if resp.StatusCode != http.StatusPartialContent {
		e := t.fault(KindUnreachable, "registry %s gives no parts of layer %s", t.host(), layer.Digest)
		e.lasting = true
		return e
	}
	if !strings.HasPrefix(resp.Header.Get("Content-Range"), fmt.Sprintf("bytes %d-%d/", from, to-1)) || resp.ContentLength >= 0 && resp.ContentLength != to-from {
		return t.fault(KindUnreachable, "registry %s sends another part of layer %s than was asked for", t.host(), layer.Digest)
	}
	return nil
}

// partOf looks at whether an answer has a layer's bytes from the offset on.
func (t target) partOf(ctx context.Context, resp *http.Response, layer Layer, offset int64) (io.ReadCloser, error) {
	partial := resp.StatusCode == http.StatusPartialContent
	begin := int64(0)
	if partial {
		begin = offset
	}
	if partial && !strings.HasPrefix(resp.Header.Get("Content-Range"), fmt.Sprintf("bytes %d-", offset)) {
		_ = resp.Body.Close()
		return nil, t.fault(KindUnreachable, "registry %s sends another part of layer %s than was asked for", t.host(), layer.Digest)
	}
	if n := resp.ContentLength; n >= 0 && n != layer.Size-begin {
		_ = resp.Body.Close()
		return nil, t.fault(KindCorrupt, "layer %s has %d bytes at registry %s, but %d in the manifest", layer.Digest, n+begin, t.host(), layer.Size)
	}
	if !partial && offset > 0 { // a registry without ranges: read again what we have
		if _, err := io.CopyN(io.Discard, resp.Body, offset); err != nil {
			_ = resp.Body.Close()
			return nil, describe(ctx, t, "layer "+layer.Digest, err)
		}
	}
	return resp.Body, nil
}

// foreign explains a missing layer that registries need not have (OCI image specification, non-distributable layers). The
// addresses that a manifest gives for such a layer are not asked: anyone could write any address there.
func foreign(err error, layer Layer) error {
	e, ok := asError(err)
	if !ok || e.Kind != KindNotFound || !strings.Contains(layer.MediaType, "foreign") && !strings.Contains(layer.MediaType, "nondistributable") {
		return err
	}
	explained := *e
	explained.Err = fmt.Errorf("%w; it is a non-distributable layer, which only a registry that keeps such layers can give", e.Err)
	return &explained
}

// ask opens the stream where it is.
func (b *blobReader) ask() error {
	body, from, err := b.open(b.read, b.cutBy)
	if err != nil {
		return err
	}
	b.body = body
	b.from = append(b.from, from)
	return nil
}

// wrong is content that is not the layer's. Of several hosts the first is blamed, as nobody knows which it was: the next reading
// begins at another.
func (b *blobReader) wrong(format string, args ...any) error {
	e := b.fault(KindCorrupt, format, args...)
	b.gaveWrong(b.from[0])
	e.elsewhere = b.others(nil)
	return e
}

// Read implements io.Reader.
func (b *blobReader) Read(p []byte) (int, error) {
	for b.err == nil {
		n, err := b.body.Read(p)
		if extra := b.read + int64(n) - b.size; extra > 0 {
			b.err = b.wrong("layer %s is longer than the %d bytes in the manifest", b.digest, b.size)
			break
		}
		b.hash.Write(p[:n])
		b.read += int64(n)
		switch {
		case errors.Is(err, io.EOF):
			b.err = b.verdict()
		case err != nil:
			b.err = b.goOn(err)
		}
		if n > 0 {
			return n, nil
		}
	}
	return 0, b.err
}

// verdict is how a body that has ended well is judged.
func (b *blobReader) verdict() error {
	if b.read < b.size {
		return b.wrong("layer %s ends after %d of the %d bytes in the manifest", b.digest, b.read, b.size)
	}
	if got := "sha256:" + hex.EncodeToString(b.hash.Sum(nil)); got != b.digest {
		return b.wrong("layer %s does not match its digest: the registry sent %s", b.digest, got)
	}
	return io.EOF
}

// goOn replaces a connection that failed.
func (b *blobReader) goOn(err error) error {
	_ = b.body.Close()
	if b.read-b.since >= progressBytes {
		b.failures = 0
	}
	b.failures++
	fault := b.describe(err)
	if by := append(slices.Clone(b.cutBy), b.from[len(b.from)-1]); b.others(by) { // the next host goes on where this one stopped
		b.cutBy, b.failures = by, 0
	}
	if b.failures >= b.attempts || !fault.Temporary() {
		cut := *fault
		cut.Err = fmt.Errorf("layer %s broke off after %d of %d bytes: %w", b.digest, b.read, b.size, fault.Err)
		return &cut
	}
	if b.read == b.size { // nothing is missing but the end
		return b.verdict()
	}
	b.since = b.read
	return b.ask()
}

// Close ends the connection.
func (b *blobReader) Close() error { return b.body.Close() }
