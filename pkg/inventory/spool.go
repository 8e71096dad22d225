package inventory

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
)

// localError is a failure of the machine that scans, not of what is scanned: nothing may be concluded about the layer.
type localError struct{ err error }

func (e *localError) Error() string { return e.err.Error() }

// Unwrap gives the cause.
func (e *localError) Unwrap() error { return e.err }

// spool is a file that is read in any order: in memory where it is small, else in a temporary file without a name.
type spool struct {
	io.ReaderAt
	size int64
	file *os.File
}

// newSpool takes a stream of at most limit bytes to its end, and holds up to memory bytes of it in memory.
func newSpool(r io.Reader, limit, memory int64) (*spool, error) {
	limited := io.LimitReader(r, limit+1)
	var head bytes.Buffer
	if _, err := io.CopyN(&head, limited, min(limit, memory)+1); err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("read: %w", err)
	}
	if int64(head.Len()) > limit {
		return nil, fmt.Errorf("it is larger than %d bytes", limit)
	}
	if int64(head.Len()) <= memory {
		return &spool{ReaderAt: bytes.NewReader(head.Bytes()), size: int64(head.Len())}, nil
	}
	return spoolFile(io.MultiReader(&head, limited), limit)
}

func spoolFile(r io.Reader, limit int64) (*spool, error) {
	file, err := os.CreateTemp("", "runecast-*")
	if err != nil {
		return nil, &localError{fmt.Errorf("make a temporary file: %w; give the program a writable directory (TMPDIR)", err)}
	}
	s := &spool{ReaderAt: file, file: file}
	if err = os.Remove(file.Name()); err != nil {
		s.close()
		return nil, &localError{fmt.Errorf("unlink a temporary file: %w", err)}
	}
	source := &sourceReader{from: r}
	s.size, err = io.Copy(struct{ io.Writer }{file}, source)
	switch {
	case source.err != nil:
		err = fmt.Errorf("read: %w", source.err)
	case err != nil:
		err = &localError{fmt.Errorf("write a temporary file: %w", err)}
	case s.size > limit:
		err = fmt.Errorf("it is larger than %d bytes", limit)
	default:
		return s, nil
	}
	s.close()
	return nil, err
}

// sourceReader tells a failure to read from one to write.
type sourceReader struct {
	from io.Reader
	err  error
}

// Read implements io.Reader.
func (s *sourceReader) Read(p []byte) (int, error) {
	n, err := s.from.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		s.err = err
	}
	return n, err //nolint:wrapcheck // a reader hands on what it got
}

// close gives the temporary file up.
func (s *spool) close() {
	if s.file != nil {
		_ = s.file.Close() // it was only read since
	}
}

var errLargeDirectory = errors.New("its directory is too large")

// directoryReader bounds what is read of an archive while its directory is, since a directory takes several times its size in
// memory. With a negative bound all can be read.
type directoryReader struct {
	from io.ReaderAt
	left int64
}

// ReadAt implements io.ReaderAt.
func (d *directoryReader) ReadAt(p []byte, off int64) (int, error) {
	if d.left >= 0 {
		if d.left -= int64(len(p)); d.left < 0 {
			d.left = 0
			return 0, errLargeDirectory
		}
	}
	n, err := d.from.ReadAt(p, off)
	const entry, zip64End = 46, "PK\x06\x06" // the list of files is made room for by the number that the end of a large archive states
	if d.left >= 0 && n >= 40 && string(p[:4]) == zip64End && binary.LittleEndian.Uint64(p[32:]) > uint64(d.left/entry) {
		return 0, errLargeDirectory
	}
	return n, err //nolint:wrapcheck // a reader hands on what it got
}
