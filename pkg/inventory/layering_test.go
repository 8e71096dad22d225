package inventory_test

import (
	"archive/tar"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
)

// The model of how a container runtime stacks layers: containerd with overlayfs, its default. Each layer is unpacked into a directory of its
// own, entry by entry, as applyNaive does (https://github.com/containerd/containerd/blob/v2.4.2/pkg/archive/tar.go) with whiteouts made
// to devices and opaque directories to an attribute (tar_opts_linux.go, OverlayConvertWhiteout). The directories are then laid upon each other
// (https://docs.kernel.org/filesystems/overlayfs.html, "whiteouts and opaque directories", "readdir"). What it does not say is as in
// https://github.com/opencontainers/image-spec/blob/main/layer.md#applying-changesets.

// inode is what a name stands for. Hard links share it.
type inode struct {
	kind   byte // d: directory, f: file, l: symbolic link, w: whiteout, o: anything else
	opaque bool
	text   string
	target string
}

// tree is a directory with all that is below it, by path. The root has no inode.
type tree map[string]*inode

var errUnpack = errors.New("containerd refuses the layer")

// remove is RemoveAll.
func (u tree) remove(p string) {
	for q := range u {
		if q == p || strings.HasPrefix(q, p+"/") {
			delete(u, q)
		}
	}
}

// follow resolves symbolic links in every part of a path; what does not exist stays as it is written.
func (u tree) follow(p string) (string, error) {
	done, rest := "", strings.Split(p, "/")
	for hops := 0; len(rest) > 0; {
		part := rest[0]
		rest = rest[1:]
		switch part {
		case "", ".":
			continue
		case "..":
			if done = path.Dir(done); done == "." {
				done = ""
			}
			continue
		}
		next := path.Join(done, part)
		if n := u[next]; n == nil || n.kind != 'l' {
			done = next
			continue
		}
		if hops++; hops > 40 {
			return "", errUnpack
		}
		if strings.HasPrefix(u[next].target, "/") {
			done = ""
		}
		rest = append(strings.Split(u[next].target, "/"), rest...)
	}
	return done, nil
}

// mkdirs makes the directories down to a path, which has no links in it.
func (u tree) mkdirs(dir string) error {
	if dir == "" {
		return nil
	}
	parts := strings.Split(dir, "/")
	for i := range parts {
		p := strings.Join(parts[:i+1], "/")
		if u[p] == nil {
			u[p] = &inode{kind: 'd'}
		} else if u[p].kind != 'd' {
			return fmt.Errorf("%w: %s is no directory", errUnpack, p)
		}
	}
	return nil
}

// place gives where a name leads whose last part is taken as it is.
func (u tree) place(name string) (dir, p string, err error) {
	name = path.Clean("/" + name)[1:]
	if dir, err = u.follow(path.Dir(name)); err != nil {
		return "", "", err
	}
	return dir, path.Join(dir, path.Base(name)), nil
}

// unpack unpacks a layer.
func unpack(items []item) (tree, error) {
	u := tree{}
	for _, it := range items {
		dir, p, err := u.place(it.name)
		if err != nil {
			return nil, err
		}
		if err := u.mkdirs(dir); err != nil {
			return nil, err
		}
		if base := path.Base(p); base == ".wh..wh..opq" {
			if dir != "" { // the attribute of an overlay's own root is not looked at
				u[dir].opaque = true
			}
			continue
		} else if name, ok := strings.CutPrefix(base, ".wh."); ok {
			p = path.Join(dir, name)
			if u[p] != nil {
				return nil, fmt.Errorf("%w: there is %s already", errUnpack, p)
			}
			u[p] = &inode{kind: 'w'}
			continue
		}
		if err := u.create(p, it); err != nil {
			return nil, err
		}
	}
	return u, nil
}

// create makes what an entry is, in the place of what was there.
func (u tree) create(p string, it item) error {
	if old := u[p]; old != nil && (old.kind != 'd' || it.kind != tar.TypeDir) {
		u.remove(p)
	}
	switch it.kind {
	case tar.TypeDir:
		if u[p] == nil {
			u[p] = &inode{kind: 'd'}
		}
	case tar.TypeReg:
		u[p] = &inode{kind: 'f', text: it.text}
	case tar.TypeSymlink:
		u[p] = &inode{kind: 'l', target: it.link}
	case tar.TypeLink:
		_, target, err := u.place(it.link)
		if err != nil {
			return err
		}
		if u[target] == nil || u[target].kind == 'd' {
			return fmt.Errorf("%w: %s is no file", errUnpack, target)
		}
		u[p] = u[target]
	default:
		u[p] = &inode{kind: 'o'}
	}
	return nil
}

// overlaid gives what shows of layers, the lowest first.
func overlaid(layers []tree) tree {
	shown := tree{}
	top := slices.Clone(layers)
	slices.Reverse(top)
	shown.show("", top)
	return shown
}

// show adds what is in a directory, of the layers that have it, the topmost first.
func (u tree) show(dir string, layers []tree) {
	for _, l := range layers {
		for p := range l {
			if parent := path.Dir(p); parent == dir || parent == "." && dir == "" {
				if u[p] == nil {
					u.look(p, layers)
				}
			}
		}
	}
}

// look adds one name.
func (u tree) look(p string, layers []tree) {
	var merged []tree
	for _, l := range layers {
		n := l[p]
		if n == nil {
			continue
		}
		if n.kind != 'd' {
			if len(merged) == 0 && n.kind != 'w' {
				u[p] = n
			}
			break
		}
		merged = append(merged, l)
		if n.opaque {
			break
		}
	}
	if len(merged) > 0 {
		u[p] = &inode{kind: 'd'}
		u.show(p, merged)
	}
}
