package hostile_test

import (
	"archive/tar"
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"strconv"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/runecast/runecast/pkg/image/imagetest"
)

func entries(n int) func(*testing.T) v1.Layer {
	return func(t *testing.T) v1.Layer {
		t.Helper()
		return layerOf(t, func(w *tar.Writer) {
			file(w, "etc/os-release", debianRelease)
			file(w, "var/lib/dpkg/status", bash)
			for i := range n - 2 {
				header(w, &tar.Header{Name: fmt.Sprintf("srv/%03d/%06d", i%1000, i), Typeflag: tar.TypeReg, Mode: 0o644})
			}
		})
	}
}

func links(pairs ...string) func(*testing.T) v1.Layer {
	return func(t *testing.T) v1.Layer {
		t.Helper()
		return layerOf(t, func(w *tar.Writer) {
			file(w, "var/lib/dpkg/status", bash)
			for i := 0; i < len(pairs); i += 2 {
				header(w, &tar.Header{Name: pairs[i], Typeflag: tar.TypeSymlink, Linkname: pairs[i+1]})
			}
		})
	}
}

func chain(n int) func(*testing.T) v1.Layer {
	pairs := []string{"var/lib/rpm", "/chain/0"}
	for i := range n - 1 {
		pairs = append(pairs, fmt.Sprintf("chain/%d", i), strconv.Itoa(i+1))
	}
	pairs = append(pairs, fmt.Sprintf("chain/%d", n-1), "/end")
	return func(t *testing.T) v1.Layer {
		t.Helper()
		return layerOf(t, func(w *tar.Writer) {
			file(w, "etc/os-release", "ID=rocky\nVERSION_ID=9.4\n")
			file(w, "end/Packages", strings.Repeat("no database", 100))
			for i := 0; i < len(pairs); i += 2 {
				header(w, &tar.Header{Name: pairs[i], Typeflag: tar.TypeSymlink, Linkname: pairs[i+1]})
			}
		})
	}
}

func outside(t *testing.T) v1.Layer {
	t.Helper()
	return layerOf(t, func(w *tar.Writer) {
		file(w, "etc/os-release", debianRelease)
		file(w, "var/lib/dpkg/status", bash)
		for _, name := range []string{"../../../../../../tmp/", "/tmp/", "/", "/etc/", "a/../../../../../../tmp/", "./../", "..//..//..//tmp//", "tmp/"} {
			file(w, name+escape, "outside")
			header(w, &tar.Header{Name: name + escape + "-link", Typeflag: tar.TypeSymlink, Linkname: "/etc/passwd"})
			file(w, name+"node_modules/"+escape+"/package.json", `{"name":"x","version":"1"}`)
		}
		header(w, &tar.Header{Name: "out", Typeflag: tar.TypeSymlink, Linkname: "/tmp"})
		file(w, "out/"+escape, "through a link")
	})
}

func loops(t *testing.T) v1.Layer {
	t.Helper()
	return layerOf(t, func(w *tar.Writer) {
		link := func(name, target string) {
			header(w, &tar.Header{Name: name, Typeflag: tar.TypeSymlink, Linkname: target})
		}
		link("etc/os-release", "../usr/lib/os-release")
		link("usr/lib/os-release", "../../etc/os-release")
		link("var/lib/dpkg", "../lib/dpkg")
		link("lib", "lib")
		link("a", "b/b")
		link("b", "a/a")
	})
}

func hardLinks(t *testing.T) v1.Layer {
	t.Helper()
	return layerOf(t, func(w *tar.Writer) {
		file(w, "etc/os-release", debianRelease)
		file(w, "l/0", bash)
		for i := range 100_000 {
			header(w, &tar.Header{Name: fmt.Sprintf("l/%d", i+1), Typeflag: tar.TypeLink, Linkname: fmt.Sprintf("l/%d", i)})
		}
		header(w, &tar.Header{Name: "var/lib/dpkg/status", Typeflag: tar.TypeLink, Linkname: "l/100000"})
	})
}

func devices(t *testing.T) v1.Layer {
	t.Helper()
	return layerOf(t, func(w *tar.Writer) {
		header(w, &tar.Header{Name: "etc/os-release", Typeflag: tar.TypeFifo})
		header(w, &tar.Header{Name: "var/lib/dpkg/status", Typeflag: tar.TypeChar, Devmajor: 1, Devminor: 5})
		header(w, &tar.Header{Name: "lib/apk/db/installed", Typeflag: tar.TypeBlock, Devmajor: 8, Devminor: 0})
		header(w, &tar.Header{Name: "app/node_modules/a/package.json", Typeflag: tar.TypeFifo})
		header(w, &tar.Header{Name: "dev/" + escape, Typeflag: tar.TypeChar, Devmajor: 1, Devminor: 5})
	})
}

func lies(size int64) func(*testing.T) v1.Layer {
	return func(t *testing.T) v1.Layer {
		t.Helper()
		return layerOf(t, func(w *tar.Writer) {
			file(w, "etc/os-release", debianRelease)
			header(w, &tar.Header{Name: "var/lib/dpkg/status", Typeflag: tar.TypeReg, Size: size})
			_, _ = io.WriteString(w, bash)
		})
	}
}

func negative(t *testing.T) v1.Layer {
	t.Helper()
	h := rawHeader("var/lib/dpkg/status", tar.TypeReg, 0)
	for i := 124; i < 136; i++ {
		h[i] = 0xff
	}
	sum(h)
	return imagetest.RawLayer(imagetest.Compress(imagetest.Gzip, append(h, make([]byte, 1024)...)), nil, types.OCILayer)
}

func negativePAX(t *testing.T) v1.Layer {
	t.Helper()
	const record = "11 size=-5\n"
	return rawTar(t, tar.TypeXHeader, int64(len(record)), func(w io.Writer) { _, _ = io.WriteString(w, record) })
}

func rawTar(t *testing.T, kind byte, size int64, body func(io.Writer)) v1.Layer {
	t.Helper()
	var plain bytes.Buffer
	plain.Write(rawHeader("hostile", kind, size))
	body(&plain)
	plain.Write(make([]byte, (512-plain.Len()%512)%512))
	plain.Write(rawHeader("etc/os-release", tar.TypeReg, 0))
	plain.Write(make([]byte, 1024))
	return imagetest.RawLayer(imagetest.Compress(imagetest.Gzip, plain.Bytes()), nil, types.OCILayer)
}

func rawHeader(name string, kind byte, size int64) []byte {
	h := make([]byte, 512)
	copy(h, name)
	copy(h[100:], "0000644\x000000000\x000000000\x00")
	if size < 1<<33 {
		copy(h[124:], fmt.Sprintf("%011o\x00", size))
	} else { // in base 256
		h[124] = 0x80
		binary.BigEndian.PutUint64(h[128:], uint64(size))
	}
	copy(h[136:], "00000000000\x00")
	h[156] = kind
	copy(h[257:], "ustar  \x00")
	sum(h)
	return h
}

func sum(h []byte) {
	copy(h[148:], "        ")
	var total int
	for _, b := range h {
		total += int(b)
	}
	copy(h[148:], fmt.Sprintf("%06o\x00 ", total))
}

func sparse(t *testing.T) v1.Layer {
	t.Helper()
	h := rawHeader("var/lib/dpkg/status", tar.TypeGNUSparse, 0)
	h[483] = 0x80 // the real size, in base 256
	binary.BigEndian.PutUint64(h[487:], 1<<63-1)
	sum(h)
	return imagetest.RawLayer(imagetest.Compress(imagetest.Gzip, append(h, make([]byte, 1024)...)), nil, types.OCILayer)
}
