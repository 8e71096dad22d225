package inventory_test

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/runecast/runecast/pkg/inventory"
)

// Places of the model's files. Some are above others, so that files stand in the way of directories and the reverse.
func mergePlaces() []string {
	return []string{"a", "b", "a/b", "a/b/c", "a/node_modules", "a/node_modules/x", "a/node_modules/x/node_modules/y", "b/node_modules/z", "opt", "opt/a"}
}

// node is an entry of the model's file system.
type node struct {
	kind byte   // f: package.json's directory, d: directory, l: symbolic link to nowhere
	name string // of the package
}

// stack is the model: file systems as layers are applied to them one after the other, by
// https://github.com/opencontainers/image-spec/blob/main/layer.md#applying-changesets.
type stack struct {
	files map[string]node
	items [][]item // of each layer
}

// remove takes a path and all below it away.
func (s *stack) remove(p string) {
	maps.DeleteFunc(s.files, func(q string, _ node) bool { return q == p || strings.HasPrefix(q, p+"/") })
}

// isFile tells what a path is that is no directory and so has nothing below it.
func (n node) isFile() bool { return n.kind != 'd' }

// layer applies one layer: each byte of ops does something at a place, once per place. Whiteouts go for what is below, wherever they stand.
func (s *stack) layer(number int, ops []byte) {
	places, done := mergePlaces(), map[string]byte{}
	var items []item
	below := maps.Clone(s.files)
	added := map[string]node{}
	blocked := func(p string) bool { // of this layer: a file above it, or something of its own below it
		for q, n := range added {
			if strings.HasPrefix(p, q+"/") && n.isFile() || strings.HasPrefix(q, p+"/") {
				return true
			}
		}
		return false
	}
	put := func(p string, n node) {
		if old, ok := below[p]; ok && (old.isFile() || n.isFile()) {
			s.remove(p)
			maps.DeleteFunc(below, func(q string, _ node) bool { return q == p || strings.HasPrefix(q, p+"/") })
		}
		s.files[p], added[p] = n, n
	}
	directories := func(p string) {
		var parts []string
		for d := path.Dir(p); d != "."; d = path.Dir(d) {
			parts = append([]string{d}, parts...)
		}
		for _, d := range parts {
			if _, ok := added[d]; !ok {
				put(d, node{kind: 'd'})
				items = append(items, dir(d))
			}
		}
	}
	for _, op := range ops {
		p := places[int(op>>3)%len(places)]
		if done[p] != 0 {
			continue
		}
		switch op & 7 {
		case 0, 1, 2: // a package: a file in a directory
			at := p + "/package.json"
			if blocked(at) || added[p].kind == 'l' {
				continue
			}
			directories(at)
			name := fmt.Sprintf("p%d-%s", number, strings.ReplaceAll(p, "/", "-"))
			put(at, node{kind: 'f', name: name})
			items = append(items, text(at, packageJSON(name, "1.0.0")))
		case 3: // a file or link in the way
			if _, ok := added[p]; ok || blocked(p) {
				continue
			}
			directories(p)
			put(p, node{kind: 'l'})
			items = append(items, symlink(p, "/nowhere"))
		case 4: // a directory
			if _, ok := added[p]; ok || blocked(p+"/x") {
				continue
			}
			directories(p + "/x")
		case 5, 6: // a whiteout
			if _, ok := added[p]; ok || blocked(p) || blocked(p+"/x") {
				continue
			}
			directories(p)
			s.remove(p)
			maps.DeleteFunc(below, func(q string, _ node) bool { return q == p || strings.HasPrefix(q, p+"/") })
			items = append(items, whiteoutOf(path.Dir(p), path.Base(p)))
			if path.Dir(p) == "." {
				items[len(items)-1] = whiteoutOf("", p)
			}
		case 7: // an opaque directory: nothing of what is below shows, all of this layer does
			if blocked(p+"/x") || added[p].kind == 'l' {
				continue
			}
			directories(p + "/x")
			for q := range below {
				if _, own := added[q]; strings.HasPrefix(q, p+"/") && !own {
					delete(s.files, q)
				}
			}
			maps.DeleteFunc(below, func(q string, _ node) bool { return strings.HasPrefix(q, p+"/") })
			items = append(items, opaqueDir(p))
		}
		done[p] = op
	}
	s.items = append(s.items, items)
}

// names lists the packages that are left.
func (s *stack) names() string {
	var left []string
	for _, n := range s.files {
		if n.kind == 'f' {
			left = append(left, n.name+" 1.0.0")
		}
	}
	slices.Sort(left)
	return strings.Join(left, ", ")
}

// FuzzMerge stacks layers of files, links, whiteouts and opaque directories and compares what is left with a naive model. The order of
// a layer's whiteouts and files does not matter, so layers are also read in reverse.
func FuzzMerge(f *testing.F) {
	f.Add([]byte{0x28, 0xff, 0x2d}, []byte{0x28, 0x2d}, []byte{0x2f, 0x30})
	f.Add([]byte{0x00, 0x10, 0x18}, []byte{0x03}, []byte{0x10, 0x18})
	f.Add([]byte{0x28, 0x30, 0x38}, []byte{0x27, 0x28}, []byte{0x05, 0x30})
	f.Add([]byte{0x30}, []byte{0x2b}, []byte{0x30})
	f.Fuzz(func(t *testing.T, one, two, three []byte) {
		s := &stack{files: map[string]node{}}
		for i, ops := range [][]byte{one, two, three} {
			s.layer(i, ops[:min(len(ops), 24)])
		}
		for _, reversed := range []bool{false, true} {
			var layers []*inventory.Layer
			for _, items := range s.items {
				if reversed {
					items = slices.Clone(items)
					slices.Reverse(items)
				}
				layers = append(layers, scanItems(t, items...))
			}
			inv := mustMerge(t, layers...)
			var got []string
			for i := range inv.Packages {
				got = append(got, inv.Packages[i].Name+" "+inv.Packages[i].Version)
			}
			slices.Sort(got)
			if found := strings.Join(got, ", "); found != s.names() {
				t.Errorf("reversed %t: listed are\n  %s\nwant\n  %s\nof %+v", reversed, found, s.names(), s.items)
			}
		}
	})
}
