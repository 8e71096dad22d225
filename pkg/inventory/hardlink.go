package inventory

import (
	"archive/tar"
	"fmt"
	"strings"
)

// inode is a regular file that has several names: what was at a path before an entry. A hard link is another name of whatever is at
// its target when it is made, and so may be one of a hard link, or of a symbolic link as such: archives are unpacked entry by entry by
// link(2), as containerd does (https://github.com/containerd/containerd/blob/v2.4.2/pkg/archive/tar.go, createTarFile, hardlinkRootPath).
type inode struct {
	path   string
	before int // number of the first hard link to it: the last file at path before that is the one
}

// wantedLink is a hard link whose name says that it is worth reading, to a file that was not read as that.
type wantedLink struct {
	before   int    // see inode
	as       string // path that the extractor is told
	contents *contents
}

// hardLink handles another name of a file that the layer has had already.
func (s *scanner) hardLink(e *entry, hash uint64) error {
	target, err := s.through(cleanPath(e.header.Linkname))
	if err != nil {
		return err
	}
	if link, ok := s.links[target]; ok {
		s.symlink(e.path, link)
		s.replaced = append(s.replaced, hash)
		return nil
	}
	node, ok := s.inodes[target]
	if !ok {
		node = inode{path: target, before: e.number}
	}
	if s.inodeBytes += len(e.path) + inodeSize; s.inodeBytes <= maxHardLinks {
		s.inodes[e.path] = node
	}
	kind, of := classify(e.path), s.files[target]
	switch {
	case of != nil && (of.Kind == kind || of.Kind.isProgram() && kind == kindNone):
		return s.keep(e.path, hash, of)
	case kind == kindNone:
		s.replaced = append(s.replaced, hash)
		return nil
	}
	c := notRead(kind, "it is a hard link to %s, which the layer does not have as a file", target)
	s.want(node, e.path, c)
	return s.keep(e.path, hash, c)
}

// want has a file read in the second pass.
func (s *scanner) want(node inode, as string, c *contents) {
	s.wanted[node.path] = append(s.wanted[node.path], wantedLink{before: node.before, as: as, contents: c})
}

// notRead is what is kept of a file of a kind that cannot be read.
func notRead(kind fileKind, format string, args ...any) *contents {
	text := strings.ToValidUTF8(fmt.Sprintf(format, args...), "\uFFFD")
	switch {
	case kind.mustBeRead():
		return &contents{Kind: kind, Fault: text, Fatal: KindCorrupt}
	case kind.isLanguage():
		return &contents{Kind: kind, Unread: text}
	default:
		return &contents{Kind: kind, Warning: text}
	}
}

// irregular notes what stands where a package database or os-release should: nothing can be read there.
func (s *scanner) irregular(e *entry, hash uint64) error {
	if kind := classify(e.path); kind.mustBeRead() {
		return s.keep(e.path, hash, notRead(kind, "it is %s and no regular file", typeName(e.header.Typeflag)))
	}
	s.replaced = append(s.replaced, hash)
	return nil
}

// typeName words what an entry is that is no regular file.
func typeName(flag byte) string {
	switch flag {
	case tar.TypeChar:
		return "a character device"
	case tar.TypeBlock:
		return "a block device"
	case tar.TypeFifo:
		return "a fifo"
	case tar.TypeDir:
		return "a directory"
	default:
		return fmt.Sprintf("of the unknown type %q", flag)
	}
}
