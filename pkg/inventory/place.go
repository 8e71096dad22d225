package inventory

import (
	"fmt"
	"strings"
)

// Layers are stacked as container runtimes do on overlayfs, which is what containerd, Docker and CRI-O use by default: each layer is unpacked
// into a directory of its own, entry by entry, and these are laid upon each other
// (https://github.com/containerd/containerd/blob/v2.4.2/pkg/archive/tar.go, applyNaive with the root of one layer, and
// pkg/archive/tar_opts_linux.go, OverlayConvertWhiteout; https://docs.kernel.org/filesystems/overlayfs.html). So an entry goes through the
// symbolic links that its own layer has had so far and through none of the layers below. Where that and the image specification
// (https://github.com/opencontainers/image-spec/blob/main/layer.md) differ, what either shows is listed: too many packages, never too few.

// locate leads an entry to where it goes.
func (s *scanner) locate(e *entry) error {
	to, err := s.through(e.path)
	if err != nil || to == e.path {
		return err
	}
	if len(to) > maxPath {
		return &Error{Kind: KindCorrupt, Err: fmt.Errorf("entry %d leads to a path of %d bytes, more than the %d that Linux takes", e.number+1, len(to), maxPath)}
	}
	s.moved[e.number], e.path = to, to
	s.kept += len(to) + pointerSize
	return s.checkSize()
}

// through resolves the directories of a path by the links that the layer has had so far. No runtime unpacks what lies below a loop.
func (s *scanner) through(p string) (string, error) {
	dir := parentOf(p)
	if !s.isBelowLink(dir) {
		return p, nil
	}
	if dir != s.lastDir {
		s.followed += 1 + strings.Count(dir, "/")
		to, ok := resolve(s.links, dir, func(link string) { s.followed += 1 + strings.Count(s.links[link], "/") })
		if s.followed > maxFollowed {
			return "", &Error{Kind: KindTooLarge, Path: p, Err: fmt.Errorf("entries lie below symbolic links of the same layer with more than %d parts", maxFollowed)}
		}
		if !ok {
			to = dir
		}
		s.lastDir, s.lastTo = dir, to
	}
	return strings.TrimPrefix(s.lastTo+p[len(dir):], "/"), nil
}

// isBelowLink tells whether a directory is a symbolic link, or below one.
func (s *scanner) isBelowLink(dir string) bool {
	if len(s.linked) == 0 || dir == "" {
		return false
	}
	h := uint64(fnvOffset)
	for i := range len(dir) {
		if dir[i] == '/' {
			if _, ok := s.linked[h]; ok {
				return true
			}
		}
		h = (h ^ uint64(dir[i])) * fnvPrime
	}
	_, ok := s.linked[h]
	return ok
}

// implyDirectory notes that what should be a file at a fixed path is a directory, as an entry lies below it.
func (s *scanner) implyDirectory(p string) {
	for _, fixed := range s.fixed {
		if len(p) > len(fixed) && p[len(fixed)] == '/' && p[:len(fixed)] == fixed {
			s.dirs = append(s.dirs, hashPath(fixed))
		}
	}
}

// findRecreated gives the directories that the layer also has as something else: as a file, or as deleted. On overlayfs such a directory shows
// what lower layers have in it unless it comes before what deletes it, and so what the layer deleted in it may show as well.
func (s *scanner) findRecreated() {
	replaced, plain, dirs := newPathSet(s.replaced), newPathSet(s.plain), newPathSet(s.dirs)
	again := s.again
	for _, dir := range dirs {
		if replaced.has(dir) || plain.has(dir) {
			again = append(again, dir)
		}
	}
	if len(again) == 0 {
		return
	}
	var last []uint64 // what is a link or a file in the end
	for p := range s.links {
		last = append(last, hashPath(p))
	}
	for p := range s.files {
		last = append(last, hashPath(p))
	}
	s.again = newPathSet(again).without(newPathSet(last))
}

// lapse notes what an entry below such a directory hides of lower layers, which is not to count.
func (s *scanner) lapse(e *entry) {
	p := e.path
	what, of := whiteout(p)
	if what == deletes || what == opaque {
		p = of
	}
	tree := hashTree(p)
	last := len(tree) - 1
	for i, h := range tree {
		if s.again.has(h) && (i < last || what == opaque) {
			s.lapsed = append(s.lapsed, tree[last])
			return
		}
	}
}

// settle gives what the layer hides in the end. A directory in a database's place is told in any case.
func (s *scanner) settle() (replaced, dirs, opaque pathSet) {
	lapsed := newPathSet(s.lapsed)
	replaced, opaque = newPathSet(s.replaced).without(lapsed).without(s.again), newPathSet(s.opaque).without(lapsed)
	for _, fixed := range s.fixed {
		lapsed = lapsed.without(pathSet{hashPath(fixed)})
	}
	return replaced, newPathSet(s.dirs).without(lapsed), opaque
}
