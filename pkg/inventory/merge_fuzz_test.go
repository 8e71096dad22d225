package inventory_test

import (
	"archive/tar"
	"context"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/runecast/runecast/pkg/inventory"
)

// mergePlaces are the places that the layers of FuzzMerge have entries at: what is recognised, directories above it, and names that say nothing.
func mergePlaces() []string {
	return []string{
		"var/lib/dpkg/status", "var/lib/dpkg", "var/lib", "var/lib/dpkg/status.d", "var/lib/dpkg/status.d/p", "etc/os-release", "etc", "usr/lib/os-release",
		"a", "a/package.json", "a/node_modules", "a/node_modules/x", "a/node_modules/x/package.json", "a/d.dist-info", "a/d.dist-info/METADATA",
		"b", "b/package.json", "b/dpkg/status", "b/dpkg", "b/l", "opt", "opt/l", "opt/m", "l",
	}
}

// Contents of FuzzMerge's files: each names one package, but for os-release.
const contentKinds = 5

func mergeContent(kind byte, name string) string {
	switch kind % contentKinds {
	case 0:
		return installed(name, "1.0.0")
	case 1:
		return packageJSON(name, "1.0.0")
	case 2:
		return "Metadata-Version: 2.1\nName: " + name + "\nVersion: 1.0.0\n"
	case 3:
		return debian10
	default:
		return alpine319
	}
}

// naturalContent is what belongs at a place; -1 is anything.
func naturalContent(p string) int {
	switch path.Base(p) {
	case "status", "p":
		return 0
	case "package.json":
		return 1
	case "METADATA":
		return 2
	case "os-release":
		return 3
	}
	return -1
}

// mergeLayer makes a layer's entries of pairs of bytes: what to do, where, and for links to where.
func mergeLayer(layer int, ops []byte) (items []item) {
	places := mergePlaces()
	for i := 0; i+2 < len(ops) && len(items) < 60; i += 3 {
		op, p, arg := ops[i], places[int(ops[i+1])%len(places)], ops[i+2]
		other := places[int(arg>>1)%len(places)]
		if op&8 == 0 { // most builders write the directories above an entry
			for j := range len(p) {
				if p[j] == '/' && !slices.ContainsFunc(items, func(it item) bool { return it.name == p[:j] }) {
					items = append(items, dir(p[:j]))
				}
			}
		}
		switch op & 7 {
		case 0, 1:
			kind := naturalContent(p)
			if kind < 0 || arg >= 240 {
				kind = int(arg)
			} else if kind == 3 {
				kind += int(arg & 1)
			}
			items = append(items, text(p, mergeContent(byte(kind), fmt.Sprintf("p%d-%d", layer, i/3))))
		case 2:
			items = append(items, dir(p))
		case 3:
			items = append(items, symlink(p, strings.Repeat("../", strings.Count(p, "/")*int(arg&1))+[]string{"/", ""}[arg&1]+other))
		case 4:
			items = append(items, hardlink(p, other))
		case 5:
			items = append(items, whiteoutOf(strings.TrimSuffix(path.Dir(p), "."), path.Base(p)))
		case 6:
			items = append(items, opaqueDir([]string{p, path.Dir(p)}[arg&1]))
		case 7:
			items = append(items, item{name: p, kind: []byte{tar.TypeFifo, tar.TypeChar}[arg&1]})
		}
	}
	return items
}

// isPlainLayer tells whether a layer has each path once, below directories that it has: then every runtime and the image specification agree.
func isPlainLayer(items []item) bool {
	directories, seen := map[string]bool{".": true}, map[string]bool{}
	for _, it := range items {
		p := path.Clean(it.name)
		if p == ".wh..wh..opq" || !directories[path.Dir(p)] {
			return false
		}
		if path.Base(p) == ".wh..wh..opq" {
			continue
		}
		name, whiteout := strings.CutPrefix(path.Base(p), ".wh.")
		if p = path.Join(path.Dir(p), name); seen[p] {
			return false
		}
		seen[p], directories[p] = true, it.kind == tar.TypeDir && !whiteout
	}
	return true
}

// expectation is what must be found in a file system.
type expectation struct {
	names  map[string]bool
	closed string // why it must be told that the packages are not known
	os     string // the distribution
}

// expect looks through what a runtime shows, as package managers would.
func expect(u tree) expectation {
	want := expectation{names: map[string]bool{}}
	take := func(n *inode, kind byte) {
		for line := range strings.SplitSeq(n.text, "\n") {
			name, ok := strings.CutPrefix(line, map[byte]string{0: "Package: ", 2: "Name: "}[kind])
			if kind == 1 {
				name, _, _ = strings.Cut(strings.TrimPrefix(line, `{"name": "`), `"`)
				ok = strings.HasPrefix(line, `{"name": "`)
			}
			if ok && (kind != 2 || strings.HasPrefix(n.text, "Metadata-Version: ")) {
				want.names[name+" 1.0.0"] = true
				return
			}
		}
	}
	partsAt, err := u.follow("var/lib/dpkg/status.d")
	for p, n := range u {
		switch {
		case n.kind != 'f':
		case path.Base(p) == "package.json":
			take(n, 1)
		case path.Base(p) == "METADATA" && strings.HasSuffix(path.Dir(p), ".dist-info"):
			take(n, 2)
		}
		if err == nil && path.Dir(p) == partsAt {
			switch n.kind {
			case 'f':
				take(n, 0)
			case 'o':
				want.closed = p + " is no file"
			}
		}
	}
	status, err := u.follow("var/lib/dpkg/status")
	switch n := u[status]; {
	case err != nil:
		want.closed = "a loop"
	case n != nil && n.kind == 'f':
		take(n, 0)
	case n != nil && (n.kind == 'o' || status == "var/lib/dpkg/status"):
		want.closed = status + " is no file"
	}
	for _, release := range []string{"etc/os-release", "usr/lib/os-release"} {
		at, err := u.follow(release)
		if n := u[at]; err == nil && n != nil {
			if n.kind != 'f' && at == release {
				want.closed = at + " is no file"
			}
			_, id, _ := strings.Cut(n.text, "\nID=")
			want.os, _, _ = strings.Cut(id, "\n")
			break
		}
	}
	return want
}

// itemEntries gives a layer's entries one by one, as a table of contents does.
type itemEntries []item

func (e itemEntries) Each(_ context.Context, want func(int, *tar.Header) bool, do func(int, *tar.Header, io.Reader) error) error {
	for i, it := range e {
		h := &tar.Header{Name: it.name, Typeflag: it.kind, Linkname: it.link, Mode: 0o644, Size: int64(len(it.text))}
		var contents io.Reader
		if want(i, h) {
			contents = strings.NewReader(it.text)
		}
		if err := do(i, h, contents); err != nil {
			return err
		}
	}
	return nil
}

// FuzzMerge stacks layers of files, directories, devices, links of both kinds, whiteouts and opaque directories in any order. Whatever a
// container runtime shows of them (see the model) is listed, or it is told that the packages are not known; and where each layer has every path
// once, nothing else is listed. A layer that is read by its entries gives the same as its stream.
func FuzzMerge(f *testing.F) {
	for _, seed := range mergeSeeds() {
		f.Add(seed[0], seed[1], seed[2], seed[3])
	}
	f.Fuzz(func(t *testing.T, one, two, three, four []byte) { compareMerge(t, one, two, three, four) })
}

// compareMerge compares what is listed of layers with the model.
func compareMerge(t *testing.T, stacked ...[]byte) {
	t.Helper()
	var (
		stack   [][]item
		layers  []*inventory.Layer
		trees   []tree
		refused error
		plain   = true
	)
	for i, ops := range stacked {
		items := mergeLayer(i, ops[:min(len(ops), 36)])
		stack, layers = append(stack, items), append(layers, scanItems(t, items...))
		byEntries, err := inventory.ScanEntries(t.Context(), itemEntries(items), inventory.Options{})
		if err != nil {
			t.Fatalf("by entries: %v, of %q", err, items)
		}
		if a, b := asJSON(t, layers[i]), asJSON(t, byEntries); a != b {
			t.Fatalf("by entries the layer is\n%s\nby its stream\n%s\nof %q", b, a, items)
		}
		u, err := unpack(items)
		if err != nil {
			refused = err
		}
		trees, plain = append(trees, u), plain && isPlainLayer(items)
	}
	inv, err := merge(t, layers...)
	if err != nil || len(inv.Unread) > 0 || refused != nil {
		return
	}
	got := map[string]bool{}
	for i := range inv.Packages {
		got[inv.Packages[i].Name+" "+inv.Packages[i].Version] = true
	}
	want := expect(overlaid(trees))
	if want.closed != "" {
		t.Errorf("it is not told that %s, of %q", want.closed, stack)
	}
	if inv.OS.ID != "" && want.os != "" && inv.OS.ID != want.os {
		t.Errorf("the distribution is %s, want %s, of %q", inv.OS.ID, want.os, stack)
	}
	for name := range want.names {
		if !got[name] {
			t.Errorf("%s is missing in %v, of %q", name, got, stack)
		}
	}
	for name := range got {
		if plain && !want.names[name] {
			t.Errorf("%s is listed beside %v, of %q", name, want.names, stack)
		}
	}
}

// mergeSeeds gives stacks of four layers.
func mergeSeeds() [][4][]byte {
	at := func(p string) byte { return byte(slices.Index(mergePlaces(), p)) }
	op := func(kind byte, p string, arg byte) []byte { return []byte{kind, at(p), arg} }
	to := func(p string) byte { return at(p) << 1 }
	join := slices.Concat[[]byte]
	const file, bare, directory, sym, hard, gone, opaque, device = 0, 8, 2, 3, 4, 5, 6, 7
	return [][4][]byte{
		{op(file, "var/lib/dpkg/status", 0), op(file, "a/node_modules/x/package.json", 0), op(gone, "a/node_modules/x", 0), op(file, "a/node_modules/x/package.json", 0)},
		{op(file, "a/package.json", 0), join(op(gone, "a", 0), op(directory, "a", 0)), op(opaque, "a", 0), op(file, "a/d.dist-info/METADATA", 0)},
		{op(file, "a/package.json", 0), join(op(file, "a", 0), op(directory, "a", 0)), nil, op(device, "var/lib/dpkg/status", 0)},
		{op(file, "a/node_modules/x/package.json", 0), join(op(gone, "a/node_modules/x", 0), op(bare, "a", 0), op(directory, "a", 0)), nil, nil},
		{join(op(file, "opt/l", 0), op(hard, "opt/m", to("opt/l")), op(hard, "var/lib/dpkg/status", to("opt/m"))), op(sym, "var/lib/dpkg", to("b/dpkg")), op(file, "b/dpkg/status", 0), op(gone, "var/lib/dpkg", 0)},
		{join(op(sym, "l", to("a")), op(file, "a/package.json", 0)), op(bare, "b/package.json", 0), op(sym, "etc", to("opt")), op(file, "etc/os-release", 1)},
		{op(file, "var/lib/dpkg/status.d/p", 0), op(sym, "var/lib/dpkg/status.d", to("opt")), op(opaque, "var/lib", 0), join(op(file, "usr/lib/os-release", 0), op(sym, "etc/os-release", to("usr/lib/os-release")))},
		{join(op(sym, "var/lib", to("opt/m")), op(bare, "var/lib/dpkg/status", 0)), nil, op(file, "var/lib/dpkg/status", 0), join(op(file, "var/lib/dpkg/status", 0), op(sym, "var/lib", to("opt/m")))},
		{op(file, "var/lib/dpkg/status", 0), op(sym, "var/lib/dpkg", to("b/dpkg")), op(bare, "var/lib/dpkg/status", 0), op(device, "etc/os-release", 1)},
	}
}
