package inventory

import (
	"archive/zip"
	"context"
	"errors"
	"fmt"
	"io"
)

// zipExtractor finds the metadata in a wheel or egg that is left as an archive, which Python can import from. A zip's list of
// files is at its end, and in a wheel so is the metadata; in an egg it is often the first. Only the start and the end are kept,
// so that a large one needs no more memory.
type zipExtractor struct{ python pythonExtractor }

// Bounds of one archive. A wheel that carries others' metadata along, as setuptools' does, has some twenty.
const (
	maxZipMetadata = 64      // files with metadata
	maxZipBytes    = 4 << 20 // bytes of all of them, unpacked
)

func (z zipExtractor) extract(ctx context.Context, c candidate) (contents, error) {
	parts, err := readEnds(c.r, c.size)
	if err != nil {
		return contents{}, err
	}
	archive, err := zip.NewReader(parts, c.size)
	if err != nil {
		return contents{}, fmt.Errorf("it is no zip archive: %w", err)
	}
	var out contents
	metadata, left := 0, int64(maxZipBytes)
	for _, f := range archive.File {
		if classify(f.Name) != kindPython {
			continue
		}
		if metadata++; metadata > maxZipMetadata {
			return contents{}, fmt.Errorf("it has more than %d files with metadata", maxZipMetadata)
		}
		if ctx.Err() != nil {
			return contents{}, context.Cause(ctx)
		}
		inner, err := z.entry(ctx, f, &left)
		if err != nil {
			return contents{}, fmt.Errorf("%s in it: %w", f.Name, err)
		}
		out.Packages = append(out.Packages, inner.Packages...)
	}
	if len(out.Packages) == 0 {
		return contents{}, errors.New("it has no metadata of a Python distribution")
	}
	return out, nil
}

func (z zipExtractor) entry(ctx context.Context, f *zip.File, left *int64) (contents, error) {
	r, err := f.Open()
	if err != nil {
		return contents{}, fmt.Errorf("open: %w", err)
	}
	defer r.Close()
	limited := &budget{from: r, left: left}
	return z.python.extract(ctx, candidate{path: f.Name, size: maxLine, r: limited})
}

// budget is a reader that fails when what all readers of an archive may give together is used up.
type budget struct {
	from io.Reader
	left *int64
}

// Read implements io.Reader.
func (b *budget) Read(p []byte) (int, error) {
	n, err := b.from.Read(p)
	if *b.left -= int64(n); *b.left < 0 {
		return 0, fmt.Errorf("the metadata is larger than %d bytes", maxZipBytes)
	}
	return n, err //nolint:wrapcheck // a reader hands on what it got
}

// ends are the start and the end of a file, addressed as the file.
type ends struct {
	head, tail []byte
	from       int64 // of the tail
}

// readEnds keeps what maxZipEnd allows of either end; of a file of no more than twice that, everything.
func readEnds(r io.Reader, size int64) (*ends, error) {
	e := &ends{head: make([]byte, min(size, maxZipEnd))}
	e.from = max(size-maxZipEnd, int64(len(e.head)))
	e.tail = make([]byte, size-e.from)
	if _, err := io.ReadFull(r, e.head); err != nil {
		return nil, fmt.Errorf("read: %w", err)
	}
	if _, err := io.CopyN(io.Discard, r, e.from-int64(len(e.head))); err != nil {
		return nil, fmt.Errorf("read: %w", err)
	}
	if _, err := io.ReadFull(r, e.tail); err != nil {
		return nil, fmt.Errorf("read: %w", err)
	}
	return e, nil
}

// ReadAt implements io.ReaderAt.
func (e *ends) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, errors.New("it leads to before the archive")
	}
	n := 0
	if off < int64(len(e.head)) {
		n = copy(p, e.head[off:])
		off += int64(n)
	}
	if n == len(p) {
		return n, nil
	}
	if off < e.from {
		return n, fmt.Errorf("only the first and the last %d bytes are looked at", maxZipEnd)
	}
	if off -= e.from; off < int64(len(e.tail)) {
		n += copy(p[n:], e.tail[off:])
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}
