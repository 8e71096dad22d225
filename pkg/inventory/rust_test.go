package inventory_test

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/runecast/runecast/pkg/inventory"
)

const rustInfo = `{"packages":[
  {"name":"demo","version":"0.1.0","source":"local","dependencies":[1,2],"root":true},
  {"name":"time","version":"0.1.43","source":"crates.io"},
  {"name":"cc","version":"1.0.0","source":"crates.io","kind":"build"}]}`

// packed compresses as cargo-auditable does.
func packed(tb testing.TB, text string) []byte {
	tb.Helper()
	var b bytes.Buffer
	w := zlib.NewWriter(&b)
	if _, err := w.Write([]byte(text)); err != nil {
		tb.Fatal(err)
	}
	if err := w.Close(); err != nil {
		tb.Fatal(err)
	}
	return b.Bytes()
}

// rustELF lays a program out as linkers do: header, filler, sections, their names, the table of them.
func rustELF(order binary.AppendByteOrder, wide bool, filler int, section []byte) []byte {
	b := make([]byte, 64, 64+filler)
	copy(b, "\x7fELF\x01\x01\x01")
	head, entry := 46, 40
	if wide {
		b[4], head, entry = 2, 58, 64
	}
	if order == binary.AppendByteOrder(binary.BigEndian) {
		b[5] = 2
	}
	b = append(b, bytes.Repeat([]byte("x"), filler)...)
	at := len(b)
	b = append(b, section...)
	const names = "\x00.shstrtab\x00.dep-v0\x00"
	namesAt := len(b)
	b = append(b, names...)
	table := len(b)
	for _, s := range [][3]int{{0, 0, 0}, {11, at, len(section)}, {1, namesAt, len(names)}} {
		e := order.AppendUint32(nil, uint32(s[0]))
		e = append(e, make([]byte, 12)...)
		if wide {
			e = append(e, make([]byte, 8)...)
			e = order.AppendUint64(order.AppendUint64(e, uint64(s[1])), uint64(s[2]))
		} else {
			e = order.AppendUint32(order.AppendUint32(e, uint32(s[1])), uint32(s[2]))
		}
		b = append(b, append(e, make([]byte, entry-len(e))...)...)
	}
	if wide {
		copy(b[40:], order.AppendUint64(nil, uint64(table)))
	} else {
		copy(b[32:], order.AppendUint32(nil, uint32(table)))
	}
	fields := order.AppendUint16(nil, uint16(entry))
	copy(b[head:], order.AppendUint16(order.AppendUint16(fields, 3), 2))
	return b
}

// rustPE is as much of a Windows program as tells where its section is.
func rustPE(section []byte) []byte {
	b := make([]byte, 512)
	copy(b, "MZ")
	le := binary.LittleEndian
	le.PutUint32(b[60:], 128)
	copy(b[128:], "PE\x00\x00")
	le.PutUint16(b[134:], 1)
	le.PutUint16(b[148:], 16)
	entry := b[128+24+16:]
	copy(entry, ".dep-v0")
	le.PutUint32(entry[8:], uint32(len(section)))
	le.PutUint32(entry[16:], uint32(len(section)+1))
	le.PutUint32(entry[20:], 512)
	return append(append(b, section...), 0)
}

// rustPackages gives what is listed of a program, and what is unread.
func rustPackages(tb testing.TB, program []byte) (packages, unread []string) {
	tb.Helper()
	inv := mustMerge(tb, scanItems(tb, text("usr/bin/app", string(program))))
	for i := range inv.Packages {
		p := &inv.Packages[i]
		if p.Type != inventory.TypeCargo || p.Ecosystem != "crates.io" || p.Path != "usr/bin/app" {
			tb.Errorf("package %+v", p)
		}
		packages = append(packages, p.PURL())
	}
	return packages, inv.Unread
}

// TestRustPrograms lists the crates of programs in every layout, wherever the section's name falls between what is read at a time.
func TestRustPrograms(t *testing.T) {
	t.Parallel()
	section := packed(t, rustInfo)
	want := []string{"pkg:cargo/demo@0.1.0", "pkg:cargo/time@0.1.43"}
	programs := map[string][]byte{"pe": rustPE(section)}
	for name, order := range map[string]binary.AppendByteOrder{"little": binary.LittleEndian, "big": binary.BigEndian} {
		programs[name+" 64"], programs[name+" 32"] = rustELF(order, true, 100, section), rustELF(order, false, 100, section)
	}
	for shift := range 40 { // the name lies across the end of the first 64 KiB in some
		filler := 64<<10 - 64 - len(section) - 40 + shift
		programs[fmt.Sprintf("filler %d", filler)] = rustELF(binary.LittleEndian, true, filler, section)
	}
	for name, program := range programs {
		if got, unread := rustPackages(t, program); !slices.Equal(got, want) || len(unread) > 0 {
			t.Errorf("%s: %q, unread %q", name, got, unread)
		}
	}
}

// TestRealRustPrograms reads programs that cargo-auditable made, which are among the tests of the library that the extractors are of.
func TestRealRustPrograms(t *testing.T) {
	t.Parallel()
	dir, err := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.Dir}}", "github.com/google/osv-scalibr").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	data := filepath.Join(strings.TrimSpace(string(dir)), "extractor", "filesystem", "language", "rust", "cargoauditable", "testdata")
	for name, want := range map[string][]string{
		"no_deps": {"pkg:cargo/no_deps@0.1.0"},
		"uses_serde_json": {
			"pkg:cargo/itoa@1.0.14", "pkg:cargo/memchr@2.7.4", "pkg:cargo/proc-macro2@1.0.92", "pkg:cargo/quote@1.0.38", "pkg:cargo/ryu@1.0.18",
			"pkg:cargo/serde@1.0.217", "pkg:cargo/serde_derive@1.0.217", "pkg:cargo/serde_json@1.0.135", "pkg:cargo/syn@2.0.95",
			"pkg:cargo/unicode-ident@1.0.14", "pkg:cargo/uses_json@0.1.0",
		},
	} {
		program, err := os.ReadFile(filepath.Join(data, name, name))
		if err != nil {
			t.Fatal(err)
		}
		if got, unread := rustPackages(t, program); !slices.Equal(got, want) || len(unread) > 0 {
			t.Errorf("%s: %q, unread %q, want %q", name, got, unread, want)
		}
	}
}

// TestRustIsReadOnlyWhereItIs: the layer is opened a second time for a program with the section alone, and what is damaged is said.
func TestRustIsReadOnlyWhereItIs(t *testing.T) {
	t.Parallel()
	le := binary.AppendByteOrder(binary.LittleEndian)
	good := string(rustELF(le, true, 10, packed(t, rustInfo)))
	for name, c := range map[string]struct {
		program string
		opens   int32
		unread  string
	}{
		"the section":          {good, 2, ""},
		"its name alone":       {"\x7fELF\x02\x01\x01" + strings.Repeat("\x00", 100) + "\x00.dep-v0\x00", 1, ""},
		"no section of a name": {strings.Replace(good, "\x00.dep-v0\x00", "\x00.dep-v9\x00", 1), 1, ""},
		"not compressed":       {string(rustELF(le, true, 10, []byte(rustInfo))), 2, "its Rust dependencies cannot be read: decompress them: zlib: invalid header"},
		"no JSON":              {string(rustELF(le, true, 10, packed(t, "["))), 2, "its Rust dependencies cannot be read: decode them: unexpected end of JSON input"},
		"no version":           {string(rustELF(le, true, 10, packed(t, `{"packages":[{"name":"a"}]}`))), 2, "its Rust dependencies cannot be read: one has no name or no version"},
		"too much":             {string(rustELF(le, true, 10, packed(t, strings.Repeat(" ", 8<<20)+"{}"))), 2, "its Rust dependencies cannot be read: they have more than 8388608 bytes"},
		"too many":             {string(rustELF(le, true, 10, packed(t, `{"packages":[`+strings.Repeat("{},", 20_000)+`{}]}`))), 2, "its Rust dependencies cannot be read: they are more than 20000"},
		"too large":            {string(rustELF(le, true, 10, make([]byte, 1<<20+1))), 2, "its Rust dependencies cannot be read: they have more than 1048576 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			src := &source{data: layerTar(t, text("app", c.program), hardlink("app2", "app"))}
			l, err := inventory.ScanLayer(t.Context(), src.open, inventory.Options{})
			if err != nil || src.opens.Load() != c.opens {
				t.Fatalf("opened %d times, want %d; %v", src.opens.Load(), c.opens, err)
			}
			inv := mustMerge(t, l)
			if c.unread == "" && len(inv.Unread) > 0 || c.unread != "" && (len(inv.Unread) != 2 || inv.Unread[1] != "app: "+c.unread) {
				t.Errorf("unread %q, want %q", inv.Unread, c.unread)
			}
			if wanted := c.opens == 2 && c.unread == ""; wanted != (len(inv.Packages) == 4) {
				t.Errorf("packages %s", names(inv))
			}
		})
	}
}

// FuzzRust feeds programs and sections of any content; what is listed must be whole.
func FuzzRust(f *testing.F) {
	section := packed(f, rustInfo)
	f.Add(rustELF(binary.LittleEndian, true, 10, section))
	f.Add(rustELF(binary.BigEndian, false, 10, section))
	f.Add(rustPE(section))
	f.Add(rustELF(binary.LittleEndian, true, 10, packed(f, `{"packages":[{"name":"a"}]}`)))
	f.Fuzz(func(t *testing.T, program []byte) {
		if len(program) > 1<<20 {
			return
		}
		l, err := inventory.ScanLayer(t.Context(), (&source{data: layerTar(t, text("app", string(program)))}).open, inventory.Options{})
		if err != nil {
			t.Fatal(err)
		}
		inv := mustMerge(t, l)
		for i := range inv.Packages {
			if p := &inv.Packages[i]; p.Type == inventory.TypeCargo && (p.Name == "" || p.Version == "") {
				t.Errorf("package %+v", p)
			}
		}
	})
}
