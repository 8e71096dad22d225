package inventory

import (
	"archive/zip"
	"context"
	"errors"
	"fmt"
	"io"

	cpb "github.com/google/osv-scalibr/binary/proto/config_go_proto"
	scalibr "github.com/google/osv-scalibr/extractor"
	"github.com/google/osv-scalibr/extractor/filesystem/language/python/wheelegg"
)

// pythonExtractor reads the metadata of installed Python distributions: METADATA of a wheel (https://peps.python.org/pep-0427/),
// PKG-INFO of an egg, or an .egg-info file. Name and version are in the header, before the description.
type pythonExtractor struct{ library }

func newPython() (pythonExtractor, error) {
	e, err := wheelegg.New(&cpb.PluginConfig{MaxFileSizeBytes: maxManifest})
	if err != nil {
		return pythonExtractor{}, fmt.Errorf("python: %w", err)
	}
	return pythonExtractor{library{e}}, nil
}

func (p pythonExtractor) extract(ctx context.Context, c candidate) (contents, error) {
	text, err := io.ReadAll(io.LimitReader(c.r, maxManifest))
	if err != nil {
		return contents{}, fmt.Errorf("read: %w", err)
	}
	pkgs, err := p.run(ctx, c.path, string(text))
	if err != nil {
		return contents{}, err
	}
	return contents{Packages: plainPackages(pkgs)}, nil
}

// zipExtractor finds the metadata in a wheel or egg that is left as an archive, which Python can import from. A zip's list of
// files is at its end, and in a wheel so is the metadata; only the end is kept, so that a large one needs no more memory.
type zipExtractor struct{ python pythonExtractor }

func (z zipExtractor) extract(ctx context.Context, c candidate) (contents, error) {
	tail, err := readTail(c.r, c.size)
	if err != nil {
		return contents{}, err
	}
	archive, err := zip.NewReader(tail, c.size)
	if err != nil {
		return contents{}, fmt.Errorf("it is no zip archive: %w", err)
	}
	var out contents
	for _, f := range archive.File {
		if classify(f.Name) != kindPython {
			continue
		}
		inner, err := z.entry(ctx, f)
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

func (z zipExtractor) entry(ctx context.Context, f *zip.File) (contents, error) {
	r, err := f.Open()
	if err != nil {
		return contents{}, fmt.Errorf("open: %w", err)
	}
	defer r.Close()
	return z.python.extract(ctx, candidate{path: f.Name, r: r})
}

// tail is the end of a file, addressed as the file.
type tail struct {
	from int64
	data []byte
}

func readTail(r io.Reader, size int64) (*tail, error) {
	t := &tail{from: max(size-maxZipTail, 0)}
	if _, err := io.CopyN(io.Discard, r, t.from); err != nil {
		return nil, fmt.Errorf("read: %w", err)
	}
	t.data = make([]byte, size-t.from)
	if _, err := io.ReadFull(r, t.data); err != nil {
		return nil, fmt.Errorf("read: %w", err)
	}
	return t, nil
}

// ReadAt implements io.ReaderAt.
func (t *tail) ReadAt(p []byte, off int64) (int, error) {
	if off < t.from {
		return 0, fmt.Errorf("only the last %d bytes are looked at", maxZipTail)
	}
	if off -= t.from; off >= int64(len(t.data)) {
		return 0, io.EOF
	}
	n := copy(p, t.data[off:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// plainPackages takes what a language's packages have, a name and a version.
func plainPackages(pkgs []*scalibr.Package) []found {
	var out []found
	for _, p := range pkgs {
		out = append(out, found{Name: p.Name, Version: p.Version})
	}
	return out
}
