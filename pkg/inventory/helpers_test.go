package inventory_test

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/runecast/runecast/pkg/inventory"
)

const (
	debian10  = "PRETTY_NAME=\"Debian GNU/Linux 10 (buster)\"\nNAME=\"Debian GNU/Linux\"\nVERSION_ID=\"10\"\nVERSION_CODENAME=buster\nID=debian\n"
	alpine319 = "NAME=\"Alpine Linux\"\nID=alpine\nVERSION_ID=3.19.1\nPRETTY_NAME=\"Alpine Linux v3.19\"\n"

	dpkgSSL = `Package: libssl1.1
Status: install ok installed
Priority: optional
Section: libs
Installed-Size: 4077
Maintainer: Debian OpenSSL Team <pkg-openssl-devel@lists.alioth.debian.org>
Architecture: amd64
Multi-Arch: same
Source: openssl
Version: 1.1.1d-0+deb10u6
Depends: libc6 (>= 2.25), debconf (>= 0.5) | debconf-2.0
Description: Secure Sockets Layer toolkit - shared libraries
 This package is part of the OpenSSL project's implementation of the SSL
 and TLS cryptographic protocols for secure communication over the
 Internet.
Homepage: https://www.openssl.org/

`
	dpkgBash = `Package: bash
Essential: yes
Status: install ok installed
Architecture: amd64
Version: 5.0-4
Description: GNU Bourne Again SHell

`
	apkMusl = `C:Q1X1qUCNeDhvt8gOTPDfGGjcLcbNs=
P:musl
V:1.2.4_git20230717-r4
A:x86_64
S:407278
I:667648
T:the musl c library (libc) implementation
U:https://musl.libc.org/
L:MIT
o:musl
m:Timo Teräs <timo.teras@iki.fi>
t:1700000000
c:ca7f2ab5e88794e4e654b40776f8a92256f50639
F:lib
R:ld-musl-x86_64.so.1
a:0:0:755
Z:Q1R2R3

`
	apkSSL = `P:libssl3
V:3.1.4-r5
A:x86_64
o:openssl
F:usr
F:usr/lib
R:libssl.so.3

`
)

// item is one entry of a test's layer.
type item struct {
	name string
	text string
	link string
	kind byte
}

func text(name, content string) item   { return item{name: name, text: content, kind: tar.TypeReg} }
func dir(name string) item             { return item{name: name, kind: tar.TypeDir} }
func symlink(name, target string) item { return item{name: name, link: target, kind: tar.TypeSymlink} }

func hardlink(name, target string) item { return item{name: name, link: target, kind: tar.TypeLink} }

func whiteoutOf(dir, name string) item { return text(strings.TrimPrefix(dir+"/.wh."+name, "/"), "") }
func opaqueDir(name string) item       { return text(name+"/.wh..wh..opq", "") }
func installed(name, version string) string {
	return "Package: " + name + "\nStatus: install ok installed\nArchitecture: amd64\nVersion: " + version + "\n\n"
}

func packageJSON(name, version string) string {
	return `{"name": "` + name + `", "version": "` + version + `", "main": "index.js"}`
}

// layerTar writes a layer.
func layerTar(tb testing.TB, items ...item) []byte {
	tb.Helper()
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	for _, it := range items {
		h := &tar.Header{Name: it.name, Typeflag: it.kind, Linkname: it.link, Mode: 0o644, Size: int64(len(it.text))}
		if err := w.WriteHeader(h); err != nil {
			tb.Fatalf("header of %s: %v", it.name, err)
		}
		if _, err := io.WriteString(w, it.text); err != nil {
			tb.Fatalf("contents of %s: %v", it.name, err)
		}
	}
	if err := w.Close(); err != nil {
		tb.Fatal(err)
	}
	return buf.Bytes()
}

// source serves a layer and counts how often it is opened.
type source struct {
	data  []byte
	opens atomic.Int32
}

func (s *source) open(context.Context) (io.ReadCloser, error) {
	s.opens.Add(1)
	return io.NopCloser(onlyReader{bytes.NewReader(s.data)}), nil
}

// onlyReader hides that a reader can seek, as a layer's stream cannot.
type onlyReader struct{ io.Reader }

func scanItems(tb testing.TB, items ...item) *inventory.Layer {
	tb.Helper()
	l, err := inventory.ScanLayer(tb.Context(), (&source{data: layerTar(tb, items...)}).open, inventory.Options{})
	if err != nil {
		tb.Fatalf("ScanLayer: %v", err)
	}
	return l
}

// merge stacks layers, named layer0 and so on, both as they are and after a round trip through JSON, which must not differ.
func merge(tb testing.TB, layers ...*inventory.Layer) (*inventory.Inventory, error) {
	tb.Helper()
	digests := make([]string, len(layers))
	stored := make([]*inventory.Layer, len(layers))
	for i, l := range layers {
		digests[i] = "layer" + string(rune('0'+i))
		data, err := json.Marshal(l)
		if err != nil {
			tb.Fatalf("marshal: %v", err)
		}
		stored[i] = &inventory.Layer{}
		if err := json.Unmarshal(data, stored[i]); err != nil {
			tb.Fatalf("unmarshal: %v", err)
		}
	}
	inv, err := inventory.Merge(tb.Context(), layers, digests)
	again, errAgain := inventory.Merge(tb.Context(), stored, digests)
	if a, b := asJSON(tb, inv), asJSON(tb, again); a != b || (err == nil) != (errAgain == nil) {
		tb.Fatalf("stored layers merge differently:\n%s\n%s\n%v\n%v", a, b, err, errAgain)
	}
	return &inv, err
}

func mustMerge(tb testing.TB, layers ...*inventory.Layer) *inventory.Inventory {
	tb.Helper()
	inv, err := merge(tb, layers...)
	if err != nil {
		tb.Fatalf("Merge: %v", err)
	}
	return inv
}

func asJSON(tb testing.TB, v any) string {
	tb.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		tb.Fatal(err)
	}
	return string(data)
}

// names gives an inventory's packages, "name version" each.
func names(inv *inventory.Inventory) string {
	var out []string
	for i := range inv.Packages {
		out = append(out, inv.Packages[i].Name+" "+inv.Packages[i].Version)
	}
	return strings.Join(out, ", ")
}

func wantNames(tb testing.TB, inv *inventory.Inventory, want ...string) {
	tb.Helper()
	if got := names(inv); got != strings.Join(want, ", ") {
		tb.Errorf("packages are %s\nwant %s\nwarnings: %q", got, strings.Join(want, ", "), inv.Warnings)
	}
}

// zipText writes a zip archive of name, content pairs.
func zipText(tb testing.TB, pairs ...string) string {
	tb.Helper()
	var buf bytes.Buffer
	w := zip.NewWriter(&buf)
	for i := 0; i < len(pairs); i += 2 {
		f, err := w.Create(pairs[i])
		if err != nil {
			tb.Fatal(err)
		}
		if _, err := io.WriteString(f, pairs[i+1]); err != nil {
			tb.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		tb.Fatal(err)
	}
	return buf.String()
}
