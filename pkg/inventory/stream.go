package inventory

import (
	"context"
	"fmt"
	"io"
)

// stream is the uncompressed layer. It counts bytes, stops when the caller gives up, and remembers why it stopped, so that
// a broken connection is not taken for a broken tar.
type stream struct {
	from  io.Reader
	alive func() error // the context's error; a closure, since a context does not belong in a struct
	left  int64
	max   int64
	err   error // the first error that is not the end
}

func newStream(ctx context.Context, from io.Reader, limit int64) *stream {
	alive := func() error {
		if ctx.Err() == nil {
			return nil
		}
		return context.Cause(ctx)
	}
	return &stream{from: from, alive: alive, left: limit, max: limit}
}

func (s *stream) Read(p []byte) (int, error) {
	if s.err != nil {
		return 0, s.err
	}
	if err := s.alive(); err != nil {
		s.err = fmt.Errorf("read layer: %w", err)
		return 0, s.err
	}
	n, err := s.from.Read(p)
	if s.left -= int64(n); s.left < 0 {
		s.err = s.tooLarge()
		return n, s.err
	}
	if err != nil && err != io.EOF { // the io.Reader contract is the bare io.EOF
		s.err = fmt.Errorf("read layer: %w", err)
		return n, s.err
	}
	return n, err //nolint:wrapcheck // io.EOF
}

func (s *stream) tooLarge() error {
	return &Error{Kind: KindTooLarge, Err: fmt.Errorf("it has more than %d bytes", s.max)}
}

// explain gives the error of a pass: the stream's own where that failed, else a corrupt tar.
func (s *stream) explain(p string, err error) error {
	if s.err != nil {
		return s.err
	}
	return &Error{Kind: KindCorrupt, Path: p, Err: fmt.Errorf("the tar stream cannot be read: %w", err)}
}

// drain reads what follows the archive, since whoever gave the stream verifies its digest at the end.
func (s *stream) drain() error {
	if _, err := io.Copy(io.Discard, s); err != nil {
		return s.err
	}
	return nil
}

// entryReader reads one file of the tar and remembers a failure of the tar, so that it is not taken for a fault of the file.
type entryReader struct {
	from io.Reader
	err  error
}

func (e *entryReader) Read(p []byte) (int, error) {
	n, err := e.from.Read(p)
	if err != nil && err != io.EOF { // the io.Reader contract is the bare io.EOF
		e.err = err
	}
	return n, err //nolint:wrapcheck // a reader hands on what it got
}
