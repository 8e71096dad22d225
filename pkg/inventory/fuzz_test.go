package inventory_test

import (
	"bytes"
	"debug/buildinfo"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/runecast/runecast/pkg/inventory"
)

// FuzzScanLayer feeds arbitrary bytes as a layer: it never panics, fails with typed errors only, and what it reads merges
// and survives being stored.
func FuzzScanLayer(f *testing.F) {
	f.Add(layerTar(f, debianBase(dpkgSSL+dpkgBash)...))
	f.Add(layerTar(f, text("etc/os-release", alpine319), text("opt/x", apkMusl), symlink("lib/apk", "/opt"), hardlink("lib/apk/db/installed", "opt/x")))
	f.Add(layerTar(f, text("node_modules/a/package.json", packageJSON("a", "1")), whiteoutOf("b", "c"), opaqueDir("d")))
	f.Add(layerTar(f, text("a.whl", zipText(f, "a.dist-info/METADATA", wheelMetadata)), text("x.dist-info/METADATA", wheelMetadata)))
	f.Add(layerTar(f, text("app", pointerProgram(framed("dep\tx\tv1\th1:x"))), text("app2", "\x7fELFxxxxxxxxxxxx"+inline("go1.22", ""))))
	f.Fuzz(func(t *testing.T, data []byte) {
		l, err := inventory.ScanLayer(t.Context(), (&source{data: data}).open, inventory.Options{MaxBytes: 1 << 24, MaxFiles: 1000, MaxFile: 1 << 20})
		var typed *inventory.Error
		if err != nil {
			if !errors.As(err, &typed) {
				t.Fatalf("error is not typed: %v", err)
			}
			return
		}
		inv, err := merge(t, l, l)
		if err != nil && !errors.As(err, &typed) {
			t.Fatalf("error is not typed: %v", err)
		}
		if len(inv.Packages) > 0 && inv.Packages[0].Name == "" {
			t.Error("a package has no name")
		}
		if _, err := json.Marshal(inv); err != nil {
			t.Error(err)
		}
	})
}

// FuzzGoBuildInfo compares the search with debug/buildinfo on arbitrary programs: what that package reads is found.
func FuzzGoBuildInfo(f *testing.F) {
	modules := framed("path\texample.com/a", "mod\texample.com/a\tv1.2.3\th1:x", "dep\texample.com/b\tv0.5.0\th1:x")
	f.Add([]byte(pointerProgram(modules)))
	f.Add([]byte(pointerProgram("")))
	f.Add([]byte("\x7fELFxxxxxxxxxxxx" + inline("go1.22.3", modules)))
	f.Add([]byte(strings.Replace(pointerProgram(modules), "Go buildinf:\x08\x00", "Go buildinf:\x04\x01", 1)))
	f.Fuzz(func(t *testing.T, program []byte) {
		if len(program) > 1<<20 {
			return
		}
		got, _ := goPackages(t, program)
		info, err := buildinfo.Read(bytes.NewReader(program))
		if err != nil {
			return
		}
		for _, d := range info.Deps {
			if d.Replace == nil && d.Version != "" && d.Version != "(devel)" && !slices.Contains(got, d.Path+" "+strings.TrimPrefix(d.Version, "v")) {
				t.Errorf("%s %s is missing in %q", d.Path, d.Version, got)
			}
		}
	})
}
