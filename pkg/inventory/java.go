package inventory

import (
	"archive/zip"
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"
)

// Bounds of one Java archive with all that is in it.
const (
	maxJarDepth     = 4        // archives within each other: jar in war in ear, and one more
	maxJar          = 2 << 30  // bytes of an archive
	maxJarMemory    = 8 << 20  // bytes of an archive that is held in memory; a larger one goes to a temporary file
	maxJarUnpacked  = 2 << 30  // bytes that are unpacked or lie in archives within it
	jarCost         = 4 << 10  // bytes that each archive counts for beside its own
	maxJarDirectory = 16 << 20 // bytes of the directories of archives within each other
	maxJarText      = 1 << 20  // bytes of a manifest or pom.properties
)

// javaExtractor reads Java archives: zip files with Java classes, and with further archives below BOOT-INF/lib (Spring Boot),
// WEB-INF/lib (web applications) or elsewhere. Maven leaves META-INF/maven/group/artifact/pom.properties, one for each artifact that was
// put together into the archive. Other tools do not: then the archive's own manifest and file name tell (javaname.go).
//
// What is found in a part that can be read is listed also where another part cannot be: that is told as unread. Neither more than
// maxJarMemory for each archive within another, nor more than maxJarDirectory of all their directories, is in memory. The sizes that
// an archive states are not relied on, and entries that share bytes count as often as they are unpacked.
//
// The library's extractor is not used: it unpacks nested archives before it looks at limits, and drops what it found on an error.
type javaExtractor struct{}

func (javaExtractor) extract(ctx context.Context, c candidate) (contents, error) {
	if c.size == 0 { // a placeholder, which no Java opens
		return contents{}, nil
	}
	if c.size > maxJar {
		return contents{}, fmt.Errorf("it is larger than %d bytes", int64(maxJar))
	}
	file, err := newSpool(c.r, c.size, maxJarMemory)
	if err != nil {
		return contents{}, err
	}
	defer file.close()
	s := jarSearch{left: maxJarUnpacked}
	if err := s.archive(ctx, jar{name: c.path, from: file, size: file.size, room: maxJarDirectory, depth: 1}); err != nil {
		if len(s.found) == 0 || ctx.Err() != nil || !errors.Is(err, errJarUnpacked) && !errors.Is(err, errJarPackages) {
			return contents{}, err
		}
		s.unread = []string{"it is not read to its end: " + err.Error()}
	}
	out := contents{Packages: s.found, Unread: firstReasons(s.unread)}
	if len(s.nameless) > 0 {
		out.Warning = nothingOf(s.nameless)
	}
	return out, nil
}

// firstReasons words what is unread in one archive.
func firstReasons(reasons []string) string {
	const shown = 3
	if n := len(reasons) - shown; n > 0 {
		return strings.Join(reasons[:shown], "; ") + fmt.Sprintf("; and %d more", n)
	}
	return strings.Join(reasons, "; ")
}

// jar is one archive.
type jar struct {
	name  string // the path of the outermost in the image, and those below it, after exclamation marks
	from  io.ReaderAt
	size  int64
	room  int64 // bytes that its directory may have
	depth int
}

// jarSearch collects what an archive and those in it have.
type jarSearch struct {
	found    []found
	unread   []string // what cannot be read, and why; only the first are told, so only some are kept
	nameless []string
	size     int   // of found, about
	left     int64 // bytes that may still be unpacked
}

// errJar is about the file as a whole, and ends the search.
var (
	errJarUnpacked = fmt.Errorf("more than %d bytes are unpacked", int64(maxJarUnpacked))
	errJarPackages = errors.New("it has too many packages")
)

// archive reads one archive. An error means that it is none, or that the search ends.
func (s *jarSearch) archive(ctx context.Context, j jar) error {
	if j.depth > maxJarDepth {
		return fmt.Errorf("more than %d archives are within each other", maxJarDepth)
	}
	directory := &directoryReader{from: j.from, left: j.room}
	archive, err := zip.NewReader(directory, j.size)
	if err != nil {
		return fmt.Errorf("it is no zip archive: %w", err)
	}
	j.room, directory.left = directory.left, -1
	var told jarTold
	for _, f := range archive.File {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err := s.note(ctx, j.name+"!"+f.Name, s.entry(ctx, j, f, &told)); err != nil {
			return err
		}
	}
	poms := told.poms
	if mine, ok := told.own.identity(j.name); ok && !isAmongPoms(poms, mine.Name) {
		poms = append(poms, mine)
		if err := s.count(&mine); err != nil {
			return err
		}
	} else if len(poms) == 0 && !told.nested && hasClasses(archive) {
		s.noVersion(path.Base(j.name))
	}
	s.found = append(s.found, poms...)
	return nil
}

// count keeps what is found in bounds.
func (s *jarSearch) count(p *found) error {
	if s.size += p.size(); s.size > maxResult/2 {
		return errJarPackages
	}
	return nil
}

// jarTold is what the entries of one archive tell of itself.
type jarTold struct {
	poms   []found
	own    javaManifest
	nested bool // it has archives in it
}

// entry reads an entry, where it is one of interest.
func (s *jarSearch) entry(ctx context.Context, j jar, f *zip.File, to *jarTold) error {
	switch {
	case isPom(f.Name):
		p, err := s.pom(f)
		if err == nil && p.Name != "" {
			to.poms = append(to.poms, p)
			err = s.count(&p)
		}
		return err
	case strings.EqualFold(f.Name, "META-INF/MANIFEST.MF"):
		var err error
		to.own, err = s.manifest(f)
		return err
	case isJar(f.Name) && f.UncompressedSize64 > 0:
		to.nested = true
		return s.nested(ctx, j, f)
	}
	return nil
}

// noVersion notes an artifact of which no version is known.
func (s *jarSearch) noVersion(name string) {
	if len(s.nameless) < maxWarnings {
		s.nameless = append(s.nameless, shortName(name))
	}
}

// shortName keeps what is told of names in an archive to a bounded length.
func shortName(name string) string {
	const limit = 200
	if len(name) > limit {
		name = name[:limit] + "…"
	}
	return strings.ToValidUTF8(name, "\uFFFD")
}

// note tells what cannot be read within an archive. What ends the search is given back.
func (s *jarSearch) note(ctx context.Context, name string, err error) error {
	var local *localError
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil, errors.Is(err, errJarUnpacked), errors.Is(err, errJarPackages), errors.As(err, &local):
		return err
	}
	_, within, _ := strings.Cut(name, "!")
	if len(s.unread) < maxWarnings {
		s.unread = append(s.unread, shortName(within)+" in it is not read: "+shortName(err.Error()))
	}
	return nil
}

// nested reads an archive within another. One that is not packed is read where it lies.
func (s *jarSearch) nested(ctx context.Context, j jar, f *zip.File) error {
	inner := jar{name: j.name + "!" + f.Name, room: j.room, depth: j.depth + 1}
	if inner.depth > maxJarDepth {
		return fmt.Errorf("more than %d archives are within each other", maxJarDepth)
	}
	if f.Method == zip.Store && f.Flags&1 == 0 {
		at, err := f.DataOffset()
		if err != nil {
			return fmt.Errorf("open: %w", err)
		}
		if f.CompressedSize64 > uint64(j.size) { //nolint:gosec // a size is never negative
			return errors.New("it is larger than what it is in")
		}
		if s.left -= int64(f.CompressedSize64) + jarCost; s.left < 0 { //nolint:gosec // no more than the size
			return errJarUnpacked
		}
		inner.from, inner.size = io.NewSectionReader(j.from, at, int64(f.CompressedSize64)), int64(f.CompressedSize64) //nolint:gosec // no more than the size
		return s.archive(ctx, inner)
	}
	s.left -= jarCost
	r, err := s.open(f)
	if err != nil {
		return err
	}
	defer r.Close()
	file, err := newSpool(r, maxJar, maxJarMemory)
	if err != nil {
		return err
	}
	defer file.close()
	inner.from, inner.size = file, file.size
	return s.archive(ctx, inner)
}

// open unpacks an entry; what it gives counts towards the bound of the archive.
func (s *jarSearch) open(f *zip.File) (io.ReadCloser, error) {
	if f.Flags&1 != 0 {
		return nil, errors.New("it is encrypted")
	}
	r, err := f.Open()
	if err != nil {
		return nil, fmt.Errorf("open: %w", err)
	}
	return struct {
		io.Reader
		io.Closer
	}{&unpacked{from: r, left: &s.left}, r}, nil
}

// unpacked is a reader that fails when all readers of an archive together have given what they may.
type unpacked struct {
	from io.Reader
	left *int64
}

// Read implements io.Reader.
func (u *unpacked) Read(p []byte) (int, error) {
	n, err := u.from.Read(p)
	if *u.left -= int64(n); *u.left < 0 {
		return 0, errJarUnpacked
	}
	return n, err //nolint:wrapcheck // a reader hands on what it got
}

// isPom tells whether an entry is Maven's note of an artifact whose classes are in the archive, not one that templates or tests bring along.
func isPom(name string) bool {
	name = strings.TrimPrefix(strings.TrimPrefix(name, "WEB-INF/classes/"), "BOOT-INF/classes/")
	return strings.HasPrefix(name, "META-INF/maven/") && path.Base(name) == "pom.properties"
}

// isJar tells from its name that a file is a Java archive.
func isJar(name string) bool {
	switch strings.ToLower(path.Ext(name)) {
	case ".jar", ".war", ".ear", ".par", ".sar", ".nar", ".jpi", ".hpi", ".lpkg":
		return true
	}
	return false
}

// hasClasses tells an archive of code from one of sources, documents or other data.
func hasClasses(archive *zip.Reader) bool {
	return slices.ContainsFunc(archive.File, func(f *zip.File) bool { return strings.HasSuffix(f.Name, ".class") })
}
