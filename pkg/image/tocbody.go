package image

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// memberReader unpacks the compressed members of a layer that begin where chunks do, in their order.
type memberReader struct {
	from *pieceReader
	zstd bool

	buffered *bufio.Reader
	gzip     *gzip.Reader
	frames   *zstd.Decoder
	plain    io.Reader // of the current member
	at       int64     // where it begins
	pos      int64     // uncompressed bytes of it that were read
}

// open goes to where a chunk begins.
func (m *memberReader) open(c *tocChunk) error {
	if m.plain == nil || m.at != c.offset || m.pos > c.inner {
		if err := m.member(c); err != nil {
			return fmt.Errorf("at %d: %w", c.offset, err)
		}
	}
	if skip := c.inner - m.pos; skip > 0 {
		if _, err := io.CopyN(io.Discard, m, skip); err != nil {
			return fmt.Errorf("at %d: %w", c.offset, err)
		}
	}
	return nil
}

func (m *memberReader) member(c *tocChunk) (err error) {
	m.plain = nil
	if failure := m.from.seek(c.offset); failure != nil {
		return failure
	}
	limited := io.LimitReader(m.from, c.end-c.offset)
	if m.buffered == nil {
		m.buffered = bufio.NewReaderSize(limited, 128<<10)
	} else {
		m.buffered.Reset(limited)
	}
	switch {
	case m.zstd && m.frames == nil:
		m.frames, err = zstd.NewReader(m.buffered, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(maxZstdWindow))
	case m.zstd:
		err = m.frames.Reset(m.buffered)
	case m.gzip == nil:
		m.gzip, err = gzip.NewReader(m.buffered)
	default:
		err = m.gzip.Reset(m.buffered)
	}
	switch {
	case err != nil:
		return err
	case m.zstd:
		m.plain = m.frames
	default:
		m.gzip.Multistream(false)
		m.plain = m.gzip
	}
	m.at, m.pos = c.offset, 0
	return nil
}

// Read implements io.Reader.
func (m *memberReader) Read(p []byte) (int, error) {
	n, err := m.plain.Read(p)
	m.pos += int64(n)
	return n, err //nolint:wrapcheck // a reader hands on what it got
}

func (m *memberReader) close() {
	if m.frames != nil {
		m.frames.Close()
	}
}

// tocBody reads a file and verifies its chunks, each at its end.
type tocBody struct {
	reader *TOCReader
	file   *tocFile
	unpack *memberReader
	next   int   // chunk
	left   int64 // bytes of the one before next that are not read yet
	sum    hash.Hash
	err    error
}

// Read implements io.Reader.
func (b *tocBody) Read(p []byte) (int, error) {
	if b.err == nil && b.left == 0 {
		b.err = b.open()
	}
	if b.err != nil {
		return 0, b.err
	}
	n, err := b.unpack.Read(p[:min(int64(len(p)), b.left)])
	b.sum.Write(p[:n])
	if b.left -= int64(n); b.left == 0 {
		b.err = b.verify()
	} else if err != nil {
		b.err = b.fault(err)
	}
	if b.err != nil {
		return 0, b.err // wrong bytes are handed to nobody, as far as that is known
	}
	return n, nil
}

// open begins the next chunk; io.EOF: there is none.
func (b *tocBody) open() error {
	if b.next == len(b.file.chunks) {
		return io.EOF
	}
	c := &b.file.chunks[b.next]
	if err := b.unpack.open(c); err != nil {
		return b.fault(err)
	}
	b.next++
	b.left, b.sum = c.size, sha256.New()
	return nil
}

func (b *tocBody) verify() error {
	c := &b.file.chunks[b.next-1]
	if got := "sha256:" + hex.EncodeToString(b.sum.Sum(nil)); got != c.digest {
		return b.reader.target.fault(KindCorrupt, "a chunk at %d of layer %s does not match its digest in the table of contents: it is %s", c.offset, b.reader.layer.Digest, got)
	}
	return nil
}

// fault words an error of unpacking; those of the registry are as they are.
func (b *tocBody) fault(err error) error {
	if e, ok := asError(err); ok {
		return e
	}
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return b.reader.target.fault(KindCorrupt, "layer %s does not unpack as its table of contents says: %w", b.reader.layer.Digest, err)
}

// finish verifies a chunk that was begun: nothing may be concluded from a part of it.
func (b *tocBody) finish() error {
	for b.err == nil && b.left > 0 {
		_, _ = io.CopyN(io.Discard, b, b.left) // the error is in b.err
	}
	if errors.Is(b.err, io.EOF) {
		return nil
	}
	return b.err
}
