package inventory

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"
)

// scanner collects what a layer has while its entries go by.
type scanner struct {
	opts    Options
	readers map[fileKind]extractor
	golang  goSearch
	start   [4]byte

	files     map[string]*contents
	above     map[uint64]struct{} // hashes of the directories above files and links: whether an entry can hide any is one look-up
	links     map[string]string
	linked    map[uint64]struct{} // hashes of the links' paths, of some that are gone too
	linkBytes int
	others    []uint64
	lostLink  string // the first link that did not fit
	lastDir   string // the last directory below a link that was resolved, and where it is
	lastTo    string
	followed  int            // parts of paths that were resolved
	moved     map[int]string // paths of entries below links, by entry number
	cleared   int            // files and links that were looked through to forget some
	kept      int            // bytes that the result will have, about

	replaced, dirs, opaque []uint64
	plain                  []uint64 // files that are not noted as replacing anything, see isPlain
	again                  pathSet  // see findRecreated
	lapsed                 []uint64 // paths below those
	fixed                  []string // see fixedFiles

	pointers   map[int]pendingProgram // by entry number
	inodes     map[string]inode       // of hard links, by their paths
	inodeBytes int
	wanted     map[string][]wantedLink // by the path of the file
	aliases    []alias
	aliased    map[string]struct{} // read for an alias
}

// pendingProgram is a program that the second pass has to finish.
type pendingProgram struct {
	contents *contents
	pointer  *goPointer // nil: nothing of Go's is missing
	rust     *capture   // nil: it lists no crates
	bundle   *bundle    // nil: it is no .NET program in one file
	elf      bool       // it can be run on Linux
}

// isWanting tells whether something is missing that only another pass can bring.
func (p *pendingProgram) isWanting() bool {
	return p.pointer != nil || p.rust != nil && !p.rust.complete() || p.bundle != nil && p.bundle.deps != nil
}

// finish lists what a program is made of besides Go's modules, once all of it has been read.
func (p *pendingProgram) finish(ctx context.Context) {
	if p.rust != nil {
		p.contents.addRust(p.rust, p.elf)
	}
	if p.bundle != nil {
		p.contents.addBundle(ctx, p.bundle, p.elf)
	}
}

// alias is where links lead from a fixed path: end is to be read as if it were at fixed.
type alias struct{ end, fixed string }

func newScanner(opts Options, readers map[fileKind]extractor) *scanner {
	return &scanner{
		opts: opts, readers: readers, fixed: fixedFiles(), files: map[string]*contents{}, above: map[uint64]struct{}{},
		links: map[string]string{}, linked: map[uint64]struct{}{}, moved: map[int]string{}, pointers: map[int]pendingProgram{}, inodes: map[string]inode{},
		wanted: map[string][]wantedLink{}, aliased: map[string]struct{}{},
	}
}

// warn adds to what a file's warning says.
func (c *contents) warn(format string, args ...any) {
	text := strings.ToValidUTF8(fmt.Sprintf(format, args...), "\uFFFD")
	if c.Warning != "" {
		text = c.Warning + "; " + text
	}
	c.Warning = text
}

// damaged notes that not all of a program's modules are known. That matters where the image's system can run it.
func (c *contents) damaged(elf bool, text string) {
	if elf {
		c.Unread = strings.ToValidUTF8(text, "\uFFFD")
	} else {
		c.warn("%s", text)
	}
}

func (c *contents) addGo(info goInfo, elf bool) {
	pkgs, warning, damage := goPackages(info)
	c.Packages = append(c.Packages, pkgs...)
	if warning != "" {
		c.warn("%s", warning)
	}
	if damage != "" {
		c.damaged(elf, damage)
	}
}

// read runs the extractor of a kind on a file. Its error is one of the layer as a whole; what is wrong with the file alone
// becomes part of the contents. as is the path that the extractor is told.
func (s *scanner) read(ctx context.Context, kind fileKind, as string, e *entry) (*contents, error) {
	if kind.isDatabase() && e.header.Size > s.opts.MaxFile {
		err := fmt.Errorf("it has %d bytes, more than %d", e.header.Size, s.opts.MaxFile)
		if slices.Contains(fixedPaths(), as) || kind == kindDpkgPart {
			return nil, &Error{Kind: KindTooLarge, Path: e.path, Err: err}
		}
		return &contents{Kind: kind, Fault: err.Error(), Fatal: KindTooLarge}, nil
	}
	c, err := s.readers[kind].extract(ctx, candidate{path: as, size: e.header.Size, r: &e.r})
	if err = cmp.Or(e.r.err, err); err == nil && !c.isUTF8() {
		err = errors.New("it is not text in UTF-8")
	}
	if err == nil {
		c.Kind = kind
		return &c, nil
	}
	var typed *Error
	var local *localError
	if e.r.err != nil || ctx.Err() != nil || errors.As(err, &typed) || errors.As(err, &local) {
		return nil, err
	}
	if kind.mustBeRead() {
		failed := notRead(kind, "%v", err)
		failed.Fatal = faultOf(err)
		return failed, nil
	}
	return notRead(kind, "it is not read: %v", err), nil
}

// keep notes a file's contents. A file that tells nothing only hides what lower layers have.
func (s *scanner) keep(p string, hash uint64, c *contents) error {
	if c.isEmpty() {
		s.replaced = append(s.replaced, hash)
		return nil
	}
	s.files[p] = c
	tree := s.noteAbove(p)
	s.kept += len(p) + 8*len(tree) + c.size()
	if s.kept > maxResult {
		return tooLargeResult()
	}
	return nil
}

// noteAbove remembers the directories above a file or link, and gives their hashes and its own.
func (s *scanner) noteAbove(p string) []uint64 {
	tree := hashTree(p)
	for _, h := range tree[:len(tree)-1] {
		s.above[h] = struct{}{}
	}
	return tree
}

// replace notes a path that hides what lower layers have at it, unless it can never be a program that they have.
func (s *scanner) replace(p string, hash uint64) {
	if isPlain(p) {
		s.plain = append(s.plain, hash)
	} else {
		s.replaced = append(s.replaced, hash)
	}
}

// forget drops what the layer has had at a path itself.
func (s *scanner) forget(p string) {
	delete(s.files, p)
	if _, link := s.links[p]; link {
		delete(s.links, p)
		s.lastDir = ""
	}
	delete(s.inodes, p)
}

// clear forgets what the layer has had so far at a path, and below it, since an entry follows that is no directory.
func (s *scanner) clear(p string, hash uint64) error {
	s.forget(p)
	if _, hides := s.above[hash]; hides {
		if s.cleared += len(s.files) + len(s.links); s.cleared > maxCleared {
			return &Error{Kind: KindTooLarge, Path: p, Err: errors.New("too many entries before it replace directories of the same layer")}
		}
		maps.DeleteFunc(s.files, func(f string, _ *contents) bool { return strings.HasPrefix(f, p+"/") })
		maps.DeleteFunc(s.links, func(l, _ string) bool { return strings.HasPrefix(l, p+"/") })
		s.lastDir = ""
	}
	return nil
}

// symlink remembers a link, as long as there is room; which ones matter is known at the end.
func (s *scanner) symlink(p, target string) {
	target = escapeInvalid(target)
	if s.linkBytes += len(p) + len(target); s.linkBytes > maxLinks && !isFixedOrAbove(p) {
		if s.lostLink == "" {
			s.lostLink = p
		}
		s.others = append(s.others, hashPath(p))
		return
	}
	s.links[p], s.lastDir = target, ""
	tree := s.noteAbove(p)
	s.linked[tree[len(tree)-1]] = struct{}{}
}

// isEmpty tells whether there is nothing to keep of a file. A database is kept without any package too: that it is there
// is worth knowing.
func (c *contents) isEmpty() bool {
	switch c.Kind {
	case kindDpkg, kindDpkgPart, kindAPK, kindRPM, kindManifest, kindOS, kindForeign, kindGo, kindRust, kindBundle:
		return false
	default:
		return len(c.Packages) == 0 && len(c.Owned) == 0 && c.Warning == "" && c.Unread == ""
	}
}

func (c *contents) size() int {
	n := 96 + 8*len(c.Owned) + len(c.Warning) + len(c.Unread) + len(c.Fault) // of which 96 for the contents as such
	for i := range c.Packages {
		n += c.Packages[i].size()
	}
	return n
}

// size gives about how many bytes a package takes in memory.
func (f *found) size() int {
	return 104 + len(f.Name) + len(f.Version) + len(f.Source) + len(f.SourceVersion) + len(f.Arch) + len(f.Module)
}

// isUTF8 tells whether all texts can be stored.
func (c *contents) isUTF8() bool {
	for i := range c.Packages {
		p := &c.Packages[i]
		for _, text := range []string{p.Name, p.Version, p.Source, p.SourceVersion, p.Arch, p.Module} {
			if !utf8.ValidString(text) {
				return false
			}
		}
	}
	return true
}
