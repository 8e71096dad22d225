package inventory

import (
	"context"
	"fmt"
	"slices"
)

// overlay is the image's file system as far as it matters, while layers are laid on it from the lowest up.
type overlay struct {
	files   map[string]placed
	links   map[string]placed
	targets map[string]string // of links
}

func newOverlay() *overlay {
	return &overlay{files: map[string]placed{}, links: map[string]placed{}, targets: map[string]string{}}
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

func (c cover) isEmpty() bool { return len(c.replaced)+len(c.dirs)+len(c.opaque) == 0 }

// hides tells whether a file or link is gone under the layer: the layer has something else at its path, or something that is
// no directory above it, or says that a directory above it starts empty.
func (c cover) hides(tree []uint64) bool {
	last := len(tree) - 1
	if c.replaced.has(tree[last]) || c.dirs.has(tree[last]) {
		return true
	}
	return slices.ContainsFunc(tree[:last], func(h uint64) bool { return c.replaced.has(h) || c.opaque.has(h) })
}

// hides tells whether a path of lower layers is gone under the layer, but for what its recognised files hide.
func (l *Layer) hides(tree []uint64) bool {
	return cover{replaced: l.replaced, dirs: l.dirs, opaque: l.opaque}.hides(tree)
}

// add lays a layer on top.
func (o *overlay) add(ctx context.Context, l *Layer, number int) error {
	if err := o.hide(ctx, newCover(l)); err != nil {
		return err
	}
	for p, target := range l.links {
		o.unlinkAbove(p, number)
		o.links[p] = placed{layer: number, tree: hashTree(p), target: target}
		o.targets[p] = target
	}
	for i := range l.files {
		if err := gone(ctx); err != nil {
			return err
		}
		p := l.files[i].Path
		o.unlinkAbove(p, number)
		o.files[p] = placed{layer: number, tree: hashTree(p), file: &l.files[i]}
	}
	return nil
}

// unlinkAbove takes away links of lower layers above a path: what is there is a directory of the layer.
func (o *overlay) unlinkAbove(p string, layer int) {
	for dir := parentOf(p); dir != "" && len(o.links) > 0; dir = parentOf(dir) {
		if link, ok := o.links[dir]; ok && link.layer < layer {
			delete(o.links, dir)
			delete(o.targets, dir)
		}
	}
}

// hide takes away what a layer hides.
func (o *overlay) hide(ctx context.Context, c cover) error {
	if c.isEmpty() {
		return nil
	}
	for p, link := range o.links {
		if c.hides(link.tree) {
			delete(o.links, p)
			delete(o.targets, p)
		}
	}
	for p, f := range o.files {
		if err := gone(ctx); err != nil {
			return err
		}
		if c.hides(f.tree) {
			delete(o.files, p)
		}
	}
	return nil
}

// gone gives why the caller no longer waits, if so.
func gone(ctx context.Context) error {
	if ctx.Err() == nil {
		return nil
	}
	return fmt.Errorf("merge: %w", context.Cause(ctx))
}
