package inventory

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// maxAliases bounds the links at the root, or above a fixed path, that lead to one directory with recognised files in it.
// Distributions have two or three.
const maxAliases = 64

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

// add lays a layer on top.
func (o *overlay) add(ctx context.Context, l *Layer, number int) error {
	if err := o.hide(ctx, newCover(l)); err != nil {
		return err
	}
	for p, target := range l.links {
		o.links[p] = placed{layer: number, tree: hashTree(p), target: target}
		o.targets[p] = target
	}
	for i := range l.files {
		if err := gone(ctx); err != nil {
			return err
		}
		p := l.files[i].Path
		if dir, ok := resolve(o.targets, parentOf(p), nil); ok {
			p = strings.TrimPrefix(dir+p[len(parentOf(p)):], "/")
		}
		o.files[p] = placed{layer: number, tree: hashTree(p), file: &l.files[i]}
	}
	return nil
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
	aliases, err := o.aliases(ctx)
	if err != nil {
		return err
	}
	for p, f := range o.files {
		if err := gone(ctx); err != nil {
			return err
		}
		hidden, err := hidesAlias(c, aliases, p)
		if err != nil {
			return err
		}
		if hidden || c.hides(f.tree) {
			delete(o.files, p)
		}
	}
	return nil
}

// aliases gives, for each path that links lead to, those of them through which a layer may reasonably hide something: at
// the root, such as bin → usr/bin, and at or above a fixed path. Container runtimes write layers without going through links; a
// deletion through another link is not seen, and what it deletes stays listed.
func (o *overlay) aliases(ctx context.Context) (map[string][]string, error) {
	aliases := map[string][]string{}
	for p := range o.links {
		if strings.Contains(p, "/") && !isFixedOrAbove(p) {
			continue
		}
		if err := gone(ctx); err != nil {
			return nil, err
		}
		if to, ok := resolve(o.targets, p, nil); ok {
			aliases[to] = append(aliases[to], p)
		}
	}
	return aliases, nil
}

// hidesAlias tells whether a layer hides a file under another name, which a link to a directory above it gives it: bin/x is
// usr/bin/x where bin is a link.
func hidesAlias(c cover, aliases map[string][]string, p string) (bool, error) {
	if len(aliases) == 0 {
		return false, nil
	}
	for dir := parentOf(p); dir != ""; dir = parentOf(dir) {
		links := aliases[dir]
		if len(links) > maxAliases {
			return false, &Error{Kind: KindTooLarge, Path: dir, Err: fmt.Errorf("%d symbolic links at the root lead to it, more than %d", len(links), maxAliases)}
		}
		for _, link := range links {
			if c.hides(hashTree(link + p[len(dir):])) {
				return true, nil
			}
		}
	}
	return false, nil
}

// gone gives why the caller no longer waits, if so.
func gone(ctx context.Context) error {
	if ctx.Err() == nil {
		return nil
	}
	return fmt.Errorf("merge: %w", context.Cause(ctx))
}
