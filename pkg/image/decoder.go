package image

import (
	"bufio"
	"bytes"
	"errors"
	"io"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// decoder is a stream that is decompressed as it is read.
type decoder interface {
	io.Reader
	Close()
}

// newDecoder decompresses by what the stream begins with, as container runtimes do, and not by its media type: a scanner that
// believed a wrong media type would see another file system than the one that runs.
func newDecoder(stored *bufio.Reader) (decoder, error) {
	magic, err := stored.Peek(4)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	switch {
	case bytes.HasPrefix(magic, []byte{0x1f, 0x8b}): // RFC 1952
		return newGzip(stored)
	case bytes.Equal(magic, []byte{0x28, 0xb5, 0x2f, 0xfd}), // RFC 8878, and skippable frames, which eStargz-like tools write first
		len(magic) == 4 && magic[0]&0xf0 == 0x50 && bytes.Equal(magic[1:], []byte{0x2a, 0x4d, 0x18}):
		zr, err := zstd.NewReader(stored, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(maxZstdWindow))
		if err != nil {
			return nil, err
		}
		return zr, nil
	default:
		return plainDecoder{stored}, nil
	}
}

type plainDecoder struct{ io.Reader }

func (plainDecoder) Close() {}

// gzipDecoder reads members one after the other. What follows the last one and is no member is ignored, as gzip does.
type gzipDecoder struct {
	stored *bufio.Reader
	member *gzip.Reader
}

func newGzip(stored *bufio.Reader) (*gzipDecoder, error) {
	member, err := gzip.NewReader(stored)
	if err != nil {
		return nil, err
	}
	member.Multistream(false)
	return &gzipDecoder{stored: stored, member: member}, nil
}

// Read implements io.Reader.
func (g *gzipDecoder) Read(p []byte) (int, error) {
	for {
		n, err := g.member.Read(p)
		if !errors.Is(err, io.EOF) {
			return n, err
		}
		if n > 0 {
			return n, nil
		}
		magic, err := g.stored.Peek(2)
		if err != nil && !errors.Is(err, io.EOF) {
			return 0, err
		}
		if !bytes.Equal(magic, []byte{0x1f, 0x8b}) {
			return 0, io.EOF
		}
		if err := g.member.Reset(g.stored); err != nil {
			return 0, err
		}
		g.member.Multistream(false)
	}
}

// Close implements decoder.
func (g *gzipDecoder) Close() { _ = g.member.Close() }
