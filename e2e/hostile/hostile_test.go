package hostile_test

import (
	"archive/tar"
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/runecast/runecast/pkg/image/imagetest"
)

// TestHostileImages scans one image after the other, as the memory of each is measured.
func TestHostileImages(t *testing.T) {
	t.Parallel()
	path := program(t)
	for _, part := range []struct {
		name  string
		layer func(*testing.T) v1.Layer
		check func(*testing.T, *result)
	}{
		{"gzip bomb of 10 GiB", func(t *testing.T) v1.Layer { t.Helper(); return gzipBomb(t, "zeros", 10) }, refusal("unpacks to more than 200 times its size, the limit")},
		{"zstd bomb of 10 GiB", func(t *testing.T) v1.Layer { t.Helper(); return zstdBomb(t, "zeros", 10) }, refusal("unpacks to more than 200 times its size, the limit")},
		{"zstd window of 2 GiB", hugeWindow, refusal("needs more than 33554432 bytes of memory to unpack, the limit")},
		{"a million files", millionFiles, refusal("layer is too-large: it has more than 1000000 entries")},
		{"names that lead outside", outside, listing("bash")},
		{"loops of links", loops, refusal("var/lib/dpkg/status is corrupt: its symbolic links form a loop")},
		{"a chain of a hundred thousand hard links", hardLinks, listing("bash")},
		{"devices for databases", devices, refusal("lib/apk/db/installed is corrupt: it is a block device and no regular file")},
		{"sizes that lie", lies, refusal("layer is too-large: it has more than 34359738368 bytes")},
		{"a PAX header of 64 MiB", paxHeader, refusal("unpacks to more than 200 times its size, the limit")},
		{"a sparse file of 8 EiB", sparse, refusal("layer is too-large: it has more than 34359738368 bytes")},
		{"jars in jars", jars, unread("more than 4 archives are within each other")},
		{"a jar that is a bomb", jarBomb, unread("app/bomb.jar: it is not read: read: more than 2147483648 bytes are unpacked")},
		{"a dpkg database of 2 GiB", dpkgDatabase, refusal("var/lib/dpkg/status is too-large: it has 2147483648 bytes, more than 268435456")},
		{"metadata of 1 GiB", metadata, unread("a.dist-info/METADATA: it is not read: line 2049 is longer than 4096 bytes")},
	} {
		t.Run(part.name, func(t *testing.T) { //nolint:paralleltest // one after the other, as the memory of each is measured
			r := scan(t, path, part.layer(t))
			part.check(t, &r)
		})
	}
	for _, dir := range []string{os.TempDir(), "/", "/etc", filepath.Dir(path)} {
		if _, err := os.Lstat(filepath.Join(dir, escape)); err == nil {
			t.Errorf("%s was written in %s", escape, dir)
		}
	}
}

func refusal(because string) func(*testing.T, *result) {
	return func(t *testing.T, r *result) { t.Helper(); r.refused(t, because) }
}

func listing(names ...string) func(*testing.T, *result) {
	return func(t *testing.T, r *result) { t.Helper(); r.listed(t, names...) }
}

// unread wants an inventory that says what could not be read.
func unread(text string) func(*testing.T, *result) {
	return func(t *testing.T, r *result) {
		t.Helper()
		r.listed(t)
		if !strings.Contains(r.output, "The list of packages is not complete: ") || !strings.Contains(r.output, text) {
			t.Errorf("it does not say %q:\n%.600s", text, r.output)
		}
	}
}

func hugeWindow(t *testing.T) v1.Layer {
	t.Helper()
	// A frame whose header asks for a window of 2 GiB (RFC 8878, section 3.1.1.1.2) and one block of zeros, run-length encoded.
	frame := []byte{0x28, 0xb5, 0x2f, 0xfd, 0x00, 21 << 3}
	block := uint32(1) | 1<<1 | (128<<10)<<3
	frame = append(frame, byte(block), byte(block>>8), byte(block>>16), 0)
	return imagetest.RawLayer(frame, nil, types.OCILayerZStd)
}

func millionFiles(t *testing.T) v1.Layer {
	t.Helper()
	return layerOf(t, func(w *tar.Writer) {
		file(w, "etc/os-release", debianRelease)
		file(w, "var/lib/dpkg/status", bash)
		for i := range 1_000_000 {
			header(w, &tar.Header{Name: fmt.Sprintf("srv/%03d/%06d", i%1000, i), Typeflag: tar.TypeReg, Mode: 0o644})
		}
	})
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
		for i := range 10_000 {
			link(fmt.Sprintf("chain/%d", i), strconv.Itoa(i+1))
		}
		link("var/lib/rpm", "/chain/0")
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

// lies has a header that promises more bytes than any disk has.
func lies(t *testing.T) v1.Layer {
	t.Helper()
	return layerOf(t, func(w *tar.Writer) {
		file(w, "etc/os-release", debianRelease)
		header(w, &tar.Header{Name: "var/lib/dpkg/status", Typeflag: tar.TypeReg, Size: 1 << 62})
		_, _ = io.WriteString(w, bash)
	})
}

func paxHeader(t *testing.T) v1.Layer {
	t.Helper()
	return rawTar(t, tar.TypeXHeader, 64<<20, func(w io.Writer) {
		record := fmt.Sprintf("%d comment=", 64<<20)
		_, _ = io.WriteString(w, record)
		_, _ = io.Copy(w, repeated("x", 64<<20-int64(len(record))-1))
		_, _ = io.WriteString(w, "\n")
	})
}

// rawTar writes one entry of a type with a size that package tar would not write.
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
	copy(h[148:], "        ")
	h[156] = kind
	copy(h[257:], "ustar  \x00")
	var sum int
	for _, b := range h {
		sum += int(b)
	}
	copy(h[148:], fmt.Sprintf("%06o\x00 ", sum))
	return h
}

// sparse is a file in GNU's old form whose real size is 8 EiB, of which nothing is stored.
func sparse(t *testing.T) v1.Layer {
	t.Helper()
	h := rawHeader("var/lib/dpkg/status", tar.TypeGNUSparse, 0)
	h[483] = 0x80 // the real size, in base 256
	binary.BigEndian.PutUint64(h[487:], 1<<62)
	copy(h[148:], "        ")
	var sum int
	for _, b := range h {
		sum += int(b)
	}
	copy(h[148:], fmt.Sprintf("%06o\x00 ", sum))
	return imagetest.RawLayer(imagetest.Compress(imagetest.Gzip, append(h, make([]byte, 1024)...)), nil, types.OCILayer)
}

func jars(t *testing.T) v1.Layer {
	t.Helper()
	deep, wide := nestedJar(t, 200), nestedJar(t, 3)
	return layerOf(t, func(w *tar.Writer) {
		file(w, "app/deep.jar", string(deep))
		for i := range 1000 {
			file(w, fmt.Sprintf("app/%d.jar", i), string(wide))
		}
	})
}

func jarBomb(t *testing.T) v1.Layer {
	t.Helper()
	bomb := zipOf(t, "lib/inner.jar", repeated(strings.Repeat("\x00", 1<<20), 2<<30))
	properties := zipOf(t, "META-INF/maven/g/a/pom.properties", repeated("version=1\n", 1<<30))
	return layerOf(t, func(w *tar.Writer) {
		file(w, "app/bomb.jar", string(bomb))
		file(w, "app/properties.jar", string(properties))
		file(w, "app/wheel.whl", string(zipOf(t, "a.dist-info/METADATA", repeated("Name: a\n", 1<<30))))
	})
}

func dpkgDatabase(t *testing.T) v1.Layer {
	t.Helper()
	return layerOf(t, func(w *tar.Writer) {
		file(w, "etc/os-release", debianRelease)
		large(w, "var/lib/dpkg/status", repeated(bash, 2<<30), 2<<30)
	})
}

func metadata(t *testing.T) v1.Layer {
	t.Helper()
	return layerOf(t, func(w *tar.Writer) {
		large(w, "etc/os-release", repeated("ID=debian\n", 1<<30), 1<<30)
		large(w, "app/node_modules/a/package.json", repeated(`{"name":"a",`, 1<<30), 1<<30)
		large(w, "a.dist-info/METADATA", repeated("Name: a\n", 1<<30), 1<<30)
	})
}
