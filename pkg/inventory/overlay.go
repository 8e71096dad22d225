package inventory

import (
	"slices"
	"strings"
)

// overlay is the image's file system as far as it matters, while layers are laid on it from the lowest up.
type overlay struct {
	files map[string]placed
	links map[string]placed
}

// placed is a file or a link of some layer, at its path in the image.
type placed struct {
	layer  int
	tree   []uint64 // hashes of the directories above and of the path, see hashTree
	file   *file    // for files
	target string   // for links
}

// cover is what a layer hides of the layers below.
type cover struct{ replaced, dirs, opaque pathSet }

func newCover(l *Layer) cover {
	hashes := slices.Clone(l.replaced)
	for i := range l.files {
		hashes = append(hashes, hashPath(l.files[i].Path))
	}
	return cover{replaced: newPathSet(hashes), dirs: l.dirs, opaque: l.opaque}
}

// hides tells whether a file or link is gone under the layer: the layer has something else at its path, or something that is
// no directory above it, or says that a directory above it starts empty.
func (c cover) hides(tree []uint64) bool {
	last := len(tree) - 1
	if c.replaced.has(tree[last]) || c.dirs.has(tree[last]) {
		return true
	}
	return slices.ContainsFunc(tree[:last], func(h uint64) bool { return c.replaced.has(h) || c.opaque.has(h) })
}

// add lays a layer on top.
func (o *overlay) add(l *Layer, number int) {
	c := newCover(l)
	for p, link := range o.links {
		if c.hides(link.tree) {
			delete(o.links, p)
		}
	}
	through := o.throughLinks()
	for p, f := range o.files {
		if c.hides(f.tree) || hidesAlias(c, through, p) {
			delete(o.files, p)
		}
	}
	for p, target := range l.links {
		o.links[p] = placed{layer: number, tree: hashTree(p), target: target}
	}
	targets := o.targets()
	for i := range l.files {
		p := l.files[i].Path
		if dir, ok := resolve(targets, parentOf(p), nil); ok {
			p = strings.TrimPrefix(dir+p[len(parentOf(p)):], "/")
		}
		o.files[p] = placed{layer: number, tree: hashTree(p), file: &l.files[i]}
	}
}

func (o *overlay) targets() map[string]string {
	targets := make(map[string]string, len(o.links))
	for p, link := range o.links {
		targets[p] = link.target
	}
	return targets
}

// throughLinks gives, for each path that links lead to, those links.
func (o *overlay) throughLinks() map[string][]string {
	targets, through := o.targets(), map[string][]string{}
	for p := range o.links {
		if to, ok := resolve(targets, p, nil); ok {
			through[to] = append(through[to], p)
		}
	}
	return through
}

// hidesAlias tells whether a layer hides a file under another name, which a link to a directory above it gives it: bin/x is
// usr/bin/x where bin is a link.
func hidesAlias(c cover, through map[string][]string, p string) bool {
	if len(through) == 0 {
		return false
	}
	for dir := parentOf(p); dir != ""; dir = parentOf(dir) {
		for _, link := range through[dir] {
			if c.hides(hashTree(link + p[len(dir):])) {
				return true
			}
		}
	}
	return false
}
