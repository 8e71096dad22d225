package inventory

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"time"

	scalibr "github.com/google/osv-scalibr/extractor"
	"github.com/google/osv-scalibr/extractor/filesystem"
)

// candidate is one file that its name or contents make worth reading.
type candidate struct {
	path string // decides how an extractor reads it
	size int64
	r    io.Reader
}

// extractor reads one kind of file. An error means that the file is not what its name says; what that means to the image is
// the caller's to decide.
type extractor interface {
	extract(ctx context.Context, c candidate) (contents, error)
}

// extractors gives a fresh extractor for each kind that has one.
func extractors() (map[fileKind]extractor, error) {
	dpkg, dpkgErr := newDpkg()
	apk, apkErr := newAPK()
	npm, npmErr := newNPM()
	python, pythonErr := newPython()
	if err := errors.Join(dpkgErr, apkErr, npmErr, pythonErr); err != nil {
		return nil, fmt.Errorf("make extractors: %w", err)
	}
	return map[fileKind]extractor{
		kindDpkg: dpkg, kindDpkgPart: dpkg, kindDpkgList: listExtractor{}, kindDpkgSums: sumsExtractor{},
		kindAPK: apk, kindRPM: rpmExtractor{}, kindNPM: npm, kindPython: python, kindZip: zipExtractor{python},
		kindGem: gemExtractor{}, kindComposer: composerExtractor{}, kindDotnet: dotnetExtractor{}, kindJava: javaExtractor{},
		kindOS: osReleaseExtractor{}, kindForeign: foreignExtractor{},
	}, nil
}

// library runs one of osv-scalibr's extractors on one file. That library logs to a global logger when a file is odd or
// os-release is missing; the file system it is given always has one, and our own checks turn odd files away before it sees them.
type library struct{ filesystem.Extractor }

func (l library) run(ctx context.Context, path, text string) ([]*scalibr.Package, error) {
	input := &filesystem.ScanInput{
		FS: osReleaseFS{}, Path: path, Root: "",
		Info: entryInfo{name: path, size: int64(len(text))}, Reader: strings.NewReader(text),
	}
	inv, err := l.Extract(ctx, input)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", l.Name(), err)
	}
	return inv.Packages, nil
}

// osReleaseFS is the file system that the library's extractors see: an empty etc/os-release and nothing else. The
// distribution is known only when all layers are, so Merge assigns it.
type osReleaseFS struct{}

func (osReleaseFS) Open(name string) (fs.File, error) {
	if name != osRelease {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	return emptyFile{}, nil
}

func (osReleaseFS) Stat(name string) (fs.FileInfo, error) {
	if name != osRelease && name != "etc" {
		return nil, &fs.PathError{Op: "stat", Path: name, Err: fs.ErrNotExist}
	}
	return entryInfo{name: name, dir: name == "etc"}, nil
}

func (osReleaseFS) ReadDir(name string) ([]fs.DirEntry, error) {
	return nil, &fs.PathError{Op: "readdir", Path: name, Err: errors.ErrUnsupported}
}

type emptyFile struct{}

func (emptyFile) Stat() (fs.FileInfo, error)        { return entryInfo{name: osRelease}, nil }
func (emptyFile) Read([]byte) (int, error)          { return 0, io.EOF }
func (emptyFile) ReadAt([]byte, int64) (int, error) { return 0, io.EOF }
func (emptyFile) Close() error                      { return nil }

// entryInfo is as much of fs.FileInfo as the extractors ask for.
type entryInfo struct {
	name string
	size int64
	dir  bool
}

func (i entryInfo) Name() string     { return i.name }
func (i entryInfo) Size() int64      { return i.size }
func (entryInfo) ModTime() time.Time { return time.Time{} }
func (i entryInfo) IsDir() bool      { return i.dir }
func (entryInfo) Sys() any           { return nil }
func (i entryInfo) Mode() fs.FileMode {
	if i.dir {
		return fs.ModeDir | 0o755
	}
	return 0o644
}
