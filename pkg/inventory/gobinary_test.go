package inventory_test

import (
	"bytes"
	"debug/buildinfo"
	"encoding/base64"
	"encoding/binary"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/runecast/runecast/pkg/image/imagetest"
	"github.com/runecast/runecast/pkg/inventory"
)

// fromBuildInfo gives what debug/buildinfo, which reads the file at random, says should be found.
func fromBuildInfo(tb testing.TB, program []byte) []string {
	tb.Helper()
	info, err := buildinfo.Read(bytes.NewReader(program))
	if err != nil {
		return nil
	}
	out := []string{"stdlib " + strings.TrimPrefix(info.GoVersion, "go")}
	if info.Main.Version != "" && info.Main.Version != "(devel)" {
		out = append(out, info.Main.Path+" "+strings.TrimPrefix(info.Main.Version, "v"))
	}
	for _, d := range info.Deps {
		if d.Replace != nil {
			d = d.Replace
		}
		if d.Version != "" && d.Version != "(devel)" {
			out = append(out, d.Path+" "+strings.TrimPrefix(d.Version, "v"))
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// goPackages scans a program as a layer's only file.
func goPackages(tb testing.TB, program []byte) (pkgs []string, inv *inventory.Inventory) {
	tb.Helper()
	inv = mustMerge(tb, scanItems(tb, text("usr/bin/app", string(program))))
	for i := range inv.Packages {
		p := &inv.Packages[i]
		if p.Type != inventory.TypeGolang || p.Ecosystem != "Go" || p.Path != "usr/bin/app" || p.Layer != "layer0" {
			tb.Errorf("package is %+v", *p)
		}
		pkgs = append(pkgs, p.Name+" "+p.Version)
	}
	slices.Sort(pkgs)
	return pkgs, inv
}

func TestGoProgramBuilt(t *testing.T) {
	t.Parallel()
	program, err := imagetest.GoProgram(t.Context())
	if err != nil {
		t.Fatalf("go build: %v", err)
	}
	got, inv := goPackages(t, program)
	if want := fromBuildInfo(t, program); !slices.Equal(got, want) {
		t.Errorf("packages are %q\nwant %q", got, want)
	}
	if !slices.Contains(got, "golang.org/x/net 0.1.0") {
		t.Errorf("golang.org/x/net is missing in %q", got)
	}
	if len(inv.Warnings) != 1 || !strings.HasPrefix(inv.Warnings[0], "no package database and no distribution found") {
		t.Errorf("warnings are %q", inv.Warnings)
	}
}

// TestGoProgramsOfToolchain compares with debug/buildinfo on every program that Go's own installation has.
func TestGoProgramsOfToolchain(t *testing.T) {
	t.Parallel()
	root := goEnv(t, "GOROOT")
	seen := 0
	for _, dir := range []string{"bin", "pkg"} {
		err := filepath.WalkDir(filepath.Join(root, dir), func(p string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			program, err := os.ReadFile(p)
			if err != nil {
				return err
			}
			seen++
			if got, _ := goPackages(t, program); !slices.Equal(got, fromBuildInfo(t, program)) {
				t.Errorf("%s: packages are %q\nwant %q", d.Name(), got, fromBuildInfo(t, program))
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if seen < 5 {
		t.Errorf("only %d programs were compared", seen)
	}
}

func goEnv(tb testing.TB, name string) string {
	tb.Helper()
	out, err := exec.CommandContext(tb.Context(), "go", "env", name).Output()
	if err != nil {
		tb.Fatalf("go env: %v", err)
	}
	return strings.TrimSpace(string(out))
}

// TestGoProgramOf117 reads a program in the form of before Go 1.18, which Go's own tests have.
func TestGoProgramOf117(t *testing.T) {
	t.Parallel()
	encoded, err := os.ReadFile(filepath.Join(goEnv(t, "GOROOT"), "src", "debug", "buildinfo", "testdata", "go117", "go117.base64"))
	if err != nil {
		t.Fatal(err)
	}
	program, err := base64.StdEncoding.DecodeString(strings.TrimSpace(string(encoded)))
	if err != nil {
		t.Fatal(err)
	}
	got, _ := goPackages(t, program)
	if want := fromBuildInfo(t, program); !slices.Equal(got, want) || len(want) == 0 {
		t.Errorf("packages are %q\nwant %q", got, want)
	}
	src := &source{data: layerTar(t, text("app", string(program)), hardlink("app2", "app"))}
	l, err := inventory.ScanLayer(t.Context(), src.open, inventory.Options{})
	if err != nil || src.opens.Load() != 2 {
		t.Errorf("opened %d times, want 2; %v", src.opens.Load(), err)
	}
	if inv := mustMerge(t, l); len(inv.Packages) != 2*len(got) {
		t.Errorf("a hard link to it does not have its packages: %s", names(inv))
	}
}

const (
	infoStart = "\x30\x77\xaf\x0c\x92\x74\x08\x02\x41\xe1\xc1\x07\xe6\xd6\x18\xe6"
	infoEnd   = "\xf9\x32\x43\x31\x86\x18\x20\x72\x00\x82\x42\x10\x41\x16\xd8\xf2"
)

// inline writes build information in the form of Go 1.18 and later.
func inline(version, modules string) string {
	b := append([]byte("\xff Go buildinf:\x08\x02"), make([]byte, 16)...)
	for _, s := range []string{version, modules} {
		b = append(binary.AppendUvarint(b, uint64(len(s))), s...)
	}
	return string(b)
}

func framed(lines ...string) string { return infoStart + strings.Join(lines, "\n") + "\n" + infoEnd }

// pointerProgram writes an ELF program in the form of before Go 1.18: strings, header, string headers, in one segment.
func pointerProgram(modules string) string {
	const base, header, version = 0x400000, 1 << 16, "go1.16.5"
	b := make([]byte, header+96)
	copy(b, "\x7fELF\x02\x01\x01")
	le := binary.LittleEndian
	le.PutUint64(b[32:], 64)
	le.PutUint16(b[54:], 56)
	le.PutUint16(b[56:], 1)
	le.PutUint32(b[64:], 1)
	le.PutUint64(b[64+16:], base)
	le.PutUint64(b[64+32:], uint64(len(b)))
	copy(b[1000:], version)
	copy(b[2001:], modules)
	copy(b[header:], "\xff Go buildinf:\x08\x00")
	le.PutUint64(b[header+16:], base+header+32)
	le.PutUint64(b[header+24:], base+header+48)
	le.PutUint64(b[header+32:], base+1000)
	le.PutUint64(b[header+40:], uint64(len(version)))
	le.PutUint64(b[header+48:], base+2001)
	le.PutUint64(b[header+56:], uint64(len(modules)))
	return string(b)
}

func TestGoBuildInfoForms(t *testing.T) {
	t.Parallel()
	const elf = "\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00"
	modules := framed("path\texample.com/a", "mod\texample.com/a\tv1.2.3\th1:x", "dep\texample.com/b\tv0.5.0\th1:x", "dep\texample.com/c\tv1.0.0", "=>\texample.com/d\tv1.0.1\th1:x")
	all := []string{"example.com/a 1.2.3", "example.com/b 0.5.0", "example.com/d 1.0.1", "stdlib 1.16.5"}
	long := framed("path\texample.com/a", "mod\texample.com/a\tv1.2.3\th1:x", "build\tx="+strings.Repeat("y", 300_000))
	pad := func(n int) string { return strings.Repeat("\xff Go bui", n/8) }
	noMagic := strings.Replace(pointerProgram(modules), "\x7fELF", "MZxx", 1)
	for name, tt := range map[string]struct {
		program string
		want    []string
		warning string
	}{
		"inline":                     {elf + inline("go1.16.5", modules), all, ""},
		"PE":                         {"MZ" + elf[2:] + inline("go1.16.5", modules), all, ""},
		"Mach-O":                     {"\xcf\xfa\xed\xfe" + elf[4:] + inline("go1.16.5", modules), all, ""},
		"Mach-O, fat":                {"\xca\xfe\xba\xbe" + elf[4:] + inline("go1.16.5", modules), all, ""},
		"not a program":              {"#!/bin/sh\n\n\n\n\n\n" + inline("go1.16.5", modules), nil, ""},
		"after a lot":                {elf + pad(1<<20) + inline("go1.16.5", modules), all, ""},
		"across a chunk":             {elf + pad(1<<16-48) + inline("go1.16.5", modules), all, ""},
		"at a chunk's end":           {elf + pad(1<<16-32) + inline("go1.16.5", modules), all, ""},
		"longer than a chunk":        {elf + inline("go1.22.3", long) + pad(1<<17), []string{"example.com/a 1.2.3", "stdlib 1.22.3"}, ""},
		"magic that is a constant":   {elf + "\xff Go buildinf:zz" + strings.Repeat("z", 48) + inline("go1.16.5", modules), all, ""},
		"no modules":                 {elf + inline("go1.16.5", ""), []string{"stdlib 1.16.5"}, ""},
		"two programs in one":        {elf + inline("go1.16.5", modules) + strings.Repeat("\x00", 16-len(inline("go1.16.5", modules))%16) + inline("go1.20", ""), append(slices.Clone(all), "stdlib 1.20"), ""},
		"not at a multiple of 16":    {elf + "x" + inline("go1.16.5", modules), nil, ""},
		"development version":        {elf + inline("devel go1.27-abcdef Mon", ""), nil, `usr/bin/app: no version is known, and so nothing of: Go itself (version "devel go1.27-abcdef Mon")`},
		"release candidate":          {elf + inline("go1.21rc2", ""), []string{"stdlib 1.21.0-rc.2"}, ""},
		"experiment":                 {elf + inline("go1.20.5 X:boringcrypto", ""), []string{"stdlib 1.20.5"}, ""},
		"main without version":       {elf + inline("go1.22.3", framed("mod\texample.com/a\t(devel)\t")), []string{"stdlib 1.22.3"}, ""},
		"main, changed":              {elf + inline("go1.24.0", framed("mod\texample.com/a\tv0.0.0-20240101000000-abcdefabcdef+dirty\t")), []string{"stdlib 1.24.0"}, "usr/bin/app: no version is known, and so nothing of: example.com/a (version v0.0.0-20240101000000-abcdefabcdef+dirty)"},
		"main after a tag":           {elf + inline("go1.24.0", framed("mod\texample.com/a\tv1.2.4-0.20240101000000-abcdefabcdef\t")), []string{"example.com/a 1.2.4-0.20240101000000-abcdefabcdef", "stdlib 1.24.0"}, ""},
		"dependency without a tag":   {elf + inline("go1.24.0", framed("dep\texample.com/a\tv0.0.0-20240101000000-abcdefabcdef\th1:x")), []string{"example.com/a 0.0.0-20240101000000-abcdefabcdef", "stdlib 1.24.0"}, ""},
		"dependency, no version":     {elf + inline("go1.22.3", framed("dep\texample.com/a\t\th1:x", "dep\texample.com/b\t(devel)\t")), []string{"stdlib 1.22.3"}, "unread usr/bin/app: no version is known, and so nothing of: example.com/a|usr/bin/app: no version is known, and so nothing of: example.com/b"},
		"lost name not in UTF-8":     {elf + inline("go1.22.3", framed("dep\tb\xff\t\t")), []string{"stdlib 1.22.3"}, "unread usr/bin/app: no version is known, and so nothing of: b\uFFFD"},
		"PE, no sense":               {"MZ" + elf[2:] + inline("go1.22.3", "garbage"), []string{"stdlib 1.22.3"}, "usr/bin/app: the Go module information cannot be read"},
		"pointers, no sense":         {pointerProgram("garbage"), []string{"stdlib 1.16.5"}, "unread usr/bin/app: the Go module information cannot be read"},
		"too many programs":          {elf + strings.Repeat(inline("go1.16.5", "")+strings.Repeat("\x00", 6), 65), []string{"stdlib 1.16.5"}, "unread usr/bin/app: it has more than 64 Go programs in it"},
		"replaced by a directory":    {elf + inline("go1.22.3", framed("dep\tk8s.io/api\tv0.0.0", "=>\t./staging/api\t(devel)\t")), []string{"stdlib 1.22.3"}, "usr/bin/app: no version is known, and so nothing of: ./staging/api"},
		"names not in UTF-8":         {elf + inline("go1.22.3", framed("dep\texampl\xe5.com/a\tv1.0.0", "dep\tb\xff\t(devel)\t")), []string{`exampl\xe5.com/a 1.0.0`, "stdlib 1.22.3"}, "usr/bin/app: no version is known, and so nothing of: b\uFFFD"},
		"cut short":                  {elf + inline("go1.22.3", long)[:1000], nil, "unread usr/bin/app: the Go build information is cut short"},
		"too large":                  {elf + inline("go1.22.3", "")[:41] + "\xff\xff\xff\xff\x0f" + pad(1<<17), nil, "unread usr/bin/app: the Go build information is larger than 16777216 bytes"},
		"no sense":                   {elf + inline("go1.22.3", "garbage"), []string{"stdlib 1.22.3"}, "unread usr/bin/app: the Go module information cannot be read"},
		"pointers":                   {pointerProgram(modules), all, ""},
		"pointers, no modules":       {pointerProgram(""), []string{"stdlib 1.16.5"}, ""},
		"pointers that lead nowhere": {noMagic, all[:3], `usr/bin/app: no version is known, and so nothing of: Go itself (version "")`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, inv := goPackages(t, []byte(tt.program))
			if !slices.Equal(got, tt.want) {
				t.Errorf("packages are %q\nwant %q", got, tt.want)
			}
			inv.Warnings = slices.DeleteFunc(inv.Warnings, func(w string) bool { return strings.HasPrefix(w, "no package database") })
			if got := told(inv); got != tt.warning {
				t.Errorf("warnings are %q, want %q", got, tt.warning)
			}
		})
	}
}

func TestGoProgramLayers(t *testing.T) {
	t.Parallel()
	program := "\x7fELF\x02\x01\x01" + strings.Repeat("\x00", 9) + inline("go1.22.3", "")
	base := scanItems(t, text("etc/os-release", alpine319), symlink("bin", "usr/bin"), text("usr/bin/app", program), hardlink("usr/bin/app2", "usr/bin/app"))
	wantNames(t, mustMerge(t, base), "stdlib 1.22.3", "stdlib 1.22.3")
	for name, tt := range map[string]struct {
		top  item
		left int
	}{
		"replaced by a script":         {text("usr/bin/app", "#!/bin/sh"), 1},
		"replaced by another program":  {text("usr/bin/app", "\x7fELF"+strings.Repeat("\x00", 100)), 1},
		"through a lower layer's link": {text("bin/app", "#!/bin/sh"), 2},
		"directory replaced":           {text("usr/bin", "x"), 0},
		"deleted":                      {whiteoutOf("usr/bin", "app2"), 1},
		"replaced by a link to itself": {symlink("usr/bin/app", "app2"), 1},
	} {
		if inv := mustMerge(t, base, scanItems(t, tt.top)); len(inv.Packages) != tt.left {
			t.Errorf("%s: %d packages are left, want %d", name, len(inv.Packages), tt.left)
		}
	}
}
