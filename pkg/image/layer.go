package image

import (
	"bufio"
	"context"
	"errors"
	"io"

	"github.com/klauspost/compress/zstd"
)

// ratioFloor is how many bytes may come out of any layer, whatever its ratio: empty files of a database compress well.
const ratioFloor = 64 << 20

// maxZstdWindow is the most memory that a zstd layer may ask its reader to keep. RFC 8878 recommends that decoders support
// 8 MiB; the largest that the format's usual levels write is that too.
const maxZstdWindow = 32 << 20

// OpenLayer gives a layer's uncompressed tar stream. Reading to the end verifies the layer's digest and size: a mismatch is an
// *Error instead of io.EOF. Errors are *Error. The stream also has BytesRead() int64, the compressed bytes read so far. It
// lives no longer than ctx.
func (p *Puller) OpenLayer(ctx context.Context, img *Image, layer Layer) (io.ReadCloser, error) {
	t, err := p.layerTarget(img, layer)
	if err != nil {
		return nil, err
	}
	stored, err := p.openBlob(ctx, t, layer)
	if err != nil {
		return nil, err
	}
	l := &layerReader{stored: stored, target: t, maxBytes: p.opts.MaxUncompressedBytes, maxRatio: p.opts.MaxRatio}
	l.buffered = bufio.NewReaderSize(stored, 128<<10)
	if l.plain, err = newDecoder(l.buffered); err != nil {
		err = l.undecodable(err)
		_ = stored.Close()
		return nil, err
	}
	return l, nil
}

// layerTarget is where a layer of an image is asked for.
func (p *Puller) layerTarget(img *Image, layer Layer) (target, error) {
	t, _, err := p.parse(img.Reference)
	if err != nil {
		return target{}, err
	}
	if img.login != nil { // an image that Resolve did not make has none
		t.caller = img.login
	}
	if layer.Size > p.opts.MaxLayerBytes {
		return target{}, t.tooLarge("MaxLayerBytes", "layer %s has %d bytes, more than the limit of %d", layer.Digest, layer.Size, p.opts.MaxLayerBytes)
	}
	return t, nil
}

// layerReader reads a layer's tar through its limits.
type layerReader struct {
	stored   *blobReader
	buffered *bufio.Reader
	plain    decoder
	target   target
	maxBytes int64
	maxRatio int64
	produced int64
	err      error
}

// Read implements io.Reader.
func (l *layerReader) Read(p []byte) (int, error) {
	if l.err != nil {
		return 0, l.err
	}
	n, err := l.plain.Read(p)
	l.produced += int64(n)
	switch {
	case l.produced > l.maxBytes:
		l.err = l.target.tooLarge("MaxUncompressedBytes", "layer %s unpacks to more than %d bytes, the limit", l.stored.digest, l.maxBytes)
	case l.produced > ratioFloor && l.produced/l.maxRatio > l.stored.read:
		l.err = l.target.tooLarge("MaxRatio", "layer %s unpacks to more than %d times its size, the limit", l.stored.digest, l.maxRatio)
	case errors.Is(err, io.EOF):
		l.err = l.drain()
	case err != nil:
		l.err = l.undecodable(err)
	}
	if l.err != nil && !errors.Is(l.err, io.EOF) {
		return 0, l.err
	}
	return n, l.err
}

// drain reads what follows the compressed stream, which the digest covers too; io.EOF means that all is well.
func (l *layerReader) drain() error {
	_, err := io.Copy(io.Discard, l.buffered)
	if err == nil {
		return io.EOF
	}
	return l.asFault(err)
}

// undecodable finds the true cause of a decompression fault: the stream's own, wrong bytes, or right bytes that are no
// compressed stream.
func (l *layerReader) undecodable(err error) error {
	if l.stored.err == nil {
		_, _ = io.Copy(io.Discard, l.buffered)
	}
	if l.stored.err != nil && !errors.Is(l.stored.err, io.EOF) {
		return l.asFault(l.stored.err)
	}
	if errors.Is(err, zstd.ErrWindowSizeExceeded) || errors.Is(err, zstd.ErrDecoderSizeExceeded) {
		return l.target.tooLarge("", "layer %s needs more than %d bytes of memory to unpack, the limit", l.stored.digest, maxZstdWindow)
	}
	return l.target.fault(KindCorrupt, "layer %s cannot be decompressed: %w", l.stored.digest, err)
}

func (l *layerReader) asFault(err error) error {
	if e, ok := asError(err); ok {
		return e
	}
	return l.stored.describe(err)
}

// BytesRead is the number of compressed bytes read so far.
func (l *layerReader) BytesRead() int64 { return l.stored.read }

// Close ends the connection; it verifies nothing.
func (l *layerReader) Close() error {
	l.plain.Close()
	return l.stored.Close()
}
