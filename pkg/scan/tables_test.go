package scan_test

import (
	"archive/tar"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/runecast/runecast/pkg/image"
	"github.com/runecast/runecast/pkg/image/imagetest"
	"github.com/runecast/runecast/pkg/inventory"
	"github.com/runecast/runecast/pkg/scan"
)

// noise does not compress.
func noise(n int, seed uint32) []byte {
	out := make([]byte, n)
	for i := range out {
		seed = seed*1664525 + 1013904223
		out[i] = byte(seed >> 24)
	}
	return out
}

// goProgram is as much of a program as a search for Go's build information looks at (https://pkg.go.dev/debug/buildinfo), large
// enough to have several chunks.
func goProgram() []byte {
	framed := strings.Repeat("#", 16) + "path\texample.com/app\nmod\texample.com/app\tv1.2.3\n\ndep\tgolang.org/x/net\tv0.1.0\n" + strings.Repeat("#", 16)
	framed = strings.Replace(framed, "\n\n", "\n", 1)
	out := append([]byte("\x7fELF"), noise(200_000-4, 9)...)
	out = append(out, "\xff Go buildinf:\x08\x02"...)
	out = append(append(out, make([]byte, 16)...), "\x08go1.20.1"...)
	out = binary.AppendUvarint(out, uint64(len(framed)))
	return append(append(out, framed...), noise(50_000, 10)...)
}

// mixture is a layer of all that matters to a scan, between files that do not.
func mixture() []imagetest.File {
	big := func(i int) imagetest.File {
		return imagetest.File{Path: fmt.Sprintf("usr/share/data/%d.bin", i), Body: noise(700_000, uint32(i))}
	}
	files := []imagetest.File{imagetest.Dir("usr"), imagetest.Dir("usr/share"), imagetest.Dir("usr/share/data"), big(1)}
	files = append(
		files, imagetest.Text("etc/os-release", "ID=debian\nVERSION_ID=10\nVERSION_CODENAME=buster\n"),
		imagetest.Text("var/lib/dpkg/status", imagetest.DpkgStatus(imagetest.Nginx119Packages()...)), big(2),
		imagetest.Executable("usr/local/bin/app", goProgram()),
		imagetest.Hardlink("usr/local/bin/app2", "usr/local/bin/app"),
		big(3),
		imagetest.Text("srv/node_modules/lodash/package.json", `{"name":"lodash","version":"4.17.20"}`),
		imagetest.Text("srv/raw.txt", `{"name":"left-pad","version":"1.3.0"}`),
		imagetest.Hardlink("srv/node_modules/left-pad/package.json", "srv/raw.txt"), // takes a second pass
		imagetest.Text("usr/lib/python3/dist-packages/six-1.12.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: six\nVersion: 1.12.0\n\n"+strings.Repeat("a description\n", 30_000)),
		imagetest.Executable("usr/bin/script", []byte("#!/bin/sh\nexec true # "+strings.Repeat("x", 100)+"\n")),
		imagetest.Symlink("srv/current", "node_modules"),
		imagetest.Delete("srv/old"), imagetest.Opaque("opt/app"), imagetest.Text("empty", ""),
		big(4),
	)
	return files
}

func tocLayers(files ...imagetest.File) map[string]v1.Layer {
	return map[string]v1.Layer{
		"eStargz": imagetest.EStargz(0, files...), "eStargz of small chunks": imagetest.EStargz(10_000, files...),
		"eStargz of shared members": imagetest.EStargzPacked(50_000, files...),
		"zstd:chunked":              imagetest.ZstdChunked(64<<10, files...), "zstd:chunked of estargz": imagetest.ZstdStargz(100_000, files...),
	}
}

// readWhole scans an image's first layer as a stream.
func readWhole(t *testing.T, p *image.Puller, img *image.Image) *inventory.Layer {
	t.Helper()
	l, err := inventory.ScanLayer(t.Context(), func(ctx context.Context) (io.ReadCloser, error) { return p.OpenLayer(ctx, img, img.Layers[0]) }, inventory.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func asJSON(t *testing.T, v any) string {
	t.Helper()
	out, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

// TestTablesGiveTheSameLayer reads the same layer by its table and whole.
func TestTablesGiveTheSameLayer(t *testing.T) {
	t.Parallel()
	for name, layer := range tocLayers(mixture()...) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t)
			img := b.resolve(t, b.reg.MustPush(t.Context(), "app:1", imagetest.Image(layer)))
			other := newBench(t) // a registry counts what it has sent a moment after that is read
			want := asJSON(t, readWhole(t, other.puller, other.resolve(t, other.reg.MustPush(t.Context(), "app:1", imagetest.Image(layer)))))
			b.reg.ResetCounts()
			table, err := b.puller.OpenTOC(t.Context(), img, img.Layers[0])
			if err != nil {
				t.Fatal(err)
			}
			got, err := inventory.ScanEntries(t.Context(), table, inventory.Options{})
			if err != nil {
				t.Fatal(err)
			}
			if asJSON(t, got) != want {
				t.Errorf("by the table\n%s\nwhole\n%s", asJSON(t, got), want)
			}
			if !strings.Contains(want, "left-pad") || !strings.Contains(want, "lodash") || !strings.Contains(want, "stdlib") {
				t.Errorf("the layer lacks what the test is about: %s", want)
			}
			share := int64(40)                             // percent
			if strings.HasSuffix(name, "shared members") { // wanted files stand in members of large ones
				share = 85
			}
			if read, size := table.BytesRead(), img.Layers[0].Size; read > size*share/100 {
				t.Errorf("%d bytes were read of a layer of %d", read, size)
			}
			eventually(t, "as much was sent as was read", func() bool { return b.reg.Sent() == table.BytesRead() })
		})
	}
}

func (b *bench) resolve(tb testing.TB, ref string) *image.Image {
	tb.Helper()
	img, err := b.puller.Resolve(tb.Context(), ref, "")
	if err != nil {
		tb.Fatal(err)
	}
	return img
}

// trusting lets an engine read the tables of some registries' layers.
func trusting(tb testing.TB, b *bench, words ...string) func(*scan.Options) {
	tb.Helper()
	trust, err := image.ParseTOCTrust(words)
	if err != nil {
		tb.Fatal(err)
	}
	return func(o *scan.Options) { o.Tables, o.TrustTables = b.puller, trust }
}

// TestTablesStandApart scans an image by its tables, where those are trusted, and whole elsewhere: neither result stands for the other.
func TestTablesStandApart(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	img := imagetest.Image(imagetest.EStargz(0, mixture()...))
	trusted := b.reg.MustPush(t.Context(), "shop/app:1", img)
	other := b.reg.MustPush(t.Context(), "other/app:1", img)
	layer := firstLayer(t, img)
	b.restart(t, trusting(t, b, b.reg.Host()+"/shop"))
	b.reg.ResetCounts()
	first := b.report(t, trusted)
	size := first.Size
	if first.ByTable != 1 || !slices.ContainsFunc(first.Warnings, func(w string) bool {
		return strings.HasPrefix(w, "1 of 1 layers were read by their tables of contents")
	}) {
		t.Errorf("by table %d, warnings %q", first.ByTable, first.Warnings)
	}
	if sent := b.reg.Sent(); sent > size/2 {
		t.Errorf("%d bytes of %d were sent", sent, size)
	}
	stored, reports, inventories := b.stores.keys()
	if len(stored) != 1 || !strings.HasPrefix(stored[0], layer+"#toc:estargz:sha256:") || reports+inventories != 0 {
		t.Errorf("stored are layers %q, %d reports, %d inventories", stored, reports, inventories)
	}

	whole := b.report(t, other) // of the same digest, in a repository that is not trusted
	if whole.ByTable != 0 || len(whole.Findings) != len(first.Findings) || whole.Packages != first.Packages {
		t.Errorf("by table %d, %d findings and %d packages; by the table %d and %d", whole.ByTable, len(whole.Findings), whole.Packages, len(first.Findings), first.Packages)
	}
	eventually(t, "the whole layer was sent", func() bool { return b.reg.Sent() >= size })
	if again := b.report(t, trusted); again.ByTable != 0 {
		t.Error("what was read whole does not come first")
	}
}

// TestStoredTablesNeedNoRegistry restarts an engine: a layer that was read by its table serves those who trust it, and nobody else.
func TestStoredTablesNeedNoRegistry(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	ref := b.reg.MustPush(t.Context(), "app:1", imagetest.Image(imagetest.EStargz(0, mixture()...)))
	b.restart(t, trusting(t, b, "all"))
	size := b.report(t, ref).Size
	b.restart(t, trusting(t, b, "all"))
	b.reg.ResetCounts()
	if again := b.report(t, ref); again.ByTable != 1 || b.reg.Sent() != 0 {
		t.Errorf("by table %d, %d bytes were sent", again.ByTable, b.reg.Sent())
	}
	b.restart(t)
	if whole := b.report(t, ref); whole.ByTable != 0 {
		t.Errorf("by table %d", whole.ByTable)
	}
	eventually(t, "the whole layer was sent", func() bool { return b.reg.Sent() >= size })
}

// TestTablesCanHideFiles shows why tables are not believed by default: the builder of an image leaves a package out of the table that
// a node unpacks all the same.
func TestTablesCanHideFiles(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	honest := imagetest.ZstdChunked(64<<10, mixture()...)
	hidden := imagetest.WithTable(honest, func(table []byte) []byte {
		var doc struct {
			Version int              `json:"version"`
			Entries []map[string]any `json:"entries"`
		}
		if err := json.Unmarshal(table, &doc); err != nil {
			t.Error(err)
		}
		doc.Entries = slices.DeleteFunc(doc.Entries, func(e map[string]any) bool { return e["name"] == "srv/node_modules/lodash/package.json" })
		return []byte(asJSON(t, doc))
	})
	ref := b.reg.MustPush(t.Context(), "app:1", imagetest.Image(hidden))
	packages := func(change ...func(*scan.Options)) string {
		b.stores = newStores()
		b.restart(t, change...)
		x, err := b.Examine(t.Context(), scan.Request{Reference: ref})
		if err != nil {
			t.Fatal(err)
		}
		return asJSON(t, x.Contents.Inventory.Packages)
	}
	if got := packages(trusting(t, b, "all")); strings.Contains(got, "lodash") || !strings.Contains(got, "left-pad") {
		t.Errorf("by its table it has %s", got)
	}
	if got := packages(); !strings.Contains(got, "lodash") {
		t.Errorf("by default it has %s", got)
	}
	if got := packages(trusting(t, b, "registry.example")); !strings.Contains(got, "lodash") {
		t.Errorf("with another registry trusted it has %s", got)
	}
}

// TestProgramsThatTablesDoNotShow is the one difference between an honest table and the whole layer: a Go program that nobody may
// execute and that is not named as a library.
func TestProgramsThatTablesDoNotShow(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	files := []imagetest.File{
		{Path: "srv/data/blob", Body: goProgram(), Mode: 0o644},
		{Path: "srv/lib/plugin.so.1", Body: goProgram(), Mode: 0o644},
		{Path: "usr/share/big", Body: noise(3_000_000, 1)},
	}
	img := b.resolve(t, b.reg.MustPush(t.Context(), "app:1", imagetest.Image(imagetest.EStargz(0, files...))))
	if whole := asJSON(t, readWhole(t, b.puller, img)); !strings.Contains(whole, "srv/data/blob") || !strings.Contains(whole, "plugin.so.1") {
		t.Errorf("whole: %s", whole)
	}
	table, err := b.puller.OpenTOC(t.Context(), img, img.Layers[0])
	if err != nil {
		t.Fatal(err)
	}
	got, err := inventory.ScanEntries(t.Context(), table, inventory.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if text := asJSON(t, got); strings.Contains(text, "srv/data/blob") || !strings.Contains(text, "plugin.so.1") {
		t.Errorf("by the table: %s", text)
	}
}

func TestWanted(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		h    tar.Header
		want bool
	}{
		"dpkg's database":        {tar.Header{Name: "./var/lib/dpkg/status", Size: 1}, true},
		"an executable":          {tar.Header{Name: "bin/x", Mode: 0o755, Size: 100}, true},
		"for its group alone":    {tar.Header{Name: "bin/x", Mode: 0o610, Size: 100}, true},
		"too small a program":    {tar.Header{Name: "bin/x", Mode: 0o755, Size: 31}, false},
		"a library":              {tar.Header{Name: "lib/libc.so.6", Size: 100}, true},
		"a picture":              {tar.Header{Name: "a.png", Size: 1 << 20}, false},
		"a whiteout":             {tar.Header{Name: "bin/.wh.package.json", Mode: 0o755, Size: 100}, false},
		"a directory":            {tar.Header{Name: "bin", Mode: 0o755, Typeflag: tar.TypeDir}, false},
		"a module's manifest":    {tar.Header{Name: "node_modules/a/package.json"}, true},
		"any other package.json": {tar.Header{Name: "package.json", Size: 100}, true},
	} {
		if c.h.Typeflag == 0 {
			c.h.Typeflag = tar.TypeReg
		}
		if got := inventory.Wanted(&c.h); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}
