package hostile_test

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/klauspost/compress/zstd"

	"github.com/runecast/runecast/pkg/image/imagetest"
)

const (
	// escape is the name of files that must not come to be anywhere.
	escape = "runecast-hostile-escape"

	debianRelease = "PRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\nID=debian\nVERSION_ID=\"12\"\n"
	bash          = "Package: bash\nStatus: install ok installed\nMaintainer: Matthias Klose <doko@debian.org>\nArchitecture: amd64\nVersion: 5.2.15-2\n\n"
)

// layerOf stores a layer that write writes as a tar, by gzip. Nothing of it is held uncompressed.
func layerOf(t *testing.T, write func(*tar.Writer)) v1.Layer {
	t.Helper()
	var stored bytes.Buffer
	zw, err := gzip.NewWriterLevel(&stored, gzip.BestSpeed)
	must(t, err)
	w := tar.NewWriter(zw)
	write(w)
	_ = w.Flush() // a header that lies is never made good
	_, err = zw.Write(make([]byte, 1024))
	must(t, err)
	must(t, zw.Close())
	return imagetest.RawLayer(stored.Bytes(), nil, types.OCILayer)
}

// repeated is a stream that has a text many times.
func repeated(text string, size int64) io.Reader {
	block := strings.Repeat(text, max(1, 1<<20/len(text)))
	var readers []io.Reader
	for left := size; left > 0; left -= int64(len(block)) {
		readers = append(readers, strings.NewReader(block[:min(int64(len(block)), left)]))
	}
	return io.MultiReader(readers...)
}

func header(w *tar.Writer, h *tar.Header) {
	if h.Mode == 0 {
		h.Mode = 0o755
	}
	if err := w.WriteHeader(h); err != nil {
		panic(err) // a mistake of the test's
	}
}

func file(w *tar.Writer, name, content string) {
	header(w, &tar.Header{Name: name, Typeflag: tar.TypeReg, Size: int64(len(content))})
	_, _ = io.WriteString(w, content)
}

func large(w *tar.Writer, name string, content io.Reader, size int64) {
	header(w, &tar.Header{Name: name, Typeflag: tar.TypeReg, Size: size})
	_, _ = io.CopyN(w, content, size)
}

// gzipBomb is a file of so many GiB of zeros, of members that are the same.
func gzipBomb(t *testing.T, name string, gibibytes int) v1.Layer {
	t.Helper()
	return membersLayer(t, name, gibibytes, func(w io.Writer) io.WriteCloser {
		zw, _ := gzip.NewWriterLevel(w, gzip.BestSpeed)
		return zw
	}, types.OCILayer)
}

// zstdBomb is the same of zstd's frames.
func zstdBomb(t *testing.T, name string, gibibytes int) v1.Layer {
	t.Helper()
	return membersLayer(t, name, gibibytes, func(w io.Writer) io.WriteCloser {
		zw, _ := zstd.NewWriter(w, zstd.WithEncoderConcurrency(1))
		return zw
	}, types.OCILayerZStd)
}

func membersLayer(t *testing.T, name string, members int, compress func(io.Writer) io.WriteCloser, kind types.MediaType) v1.Layer {
	t.Helper()
	var head, gib, stored bytes.Buffer
	w := tar.NewWriter(&head)
	header(w, &tar.Header{Name: name, Typeflag: tar.TypeReg, Size: int64(members) << 30})
	member := func(to *bytes.Buffer, from io.Reader) {
		zw := compress(to)
		_, err := io.Copy(zw, from)
		must(t, err)
		must(t, zw.Close())
	}
	member(&stored, &head)
	member(&gib, repeated(strings.Repeat("\x00", 1<<20), 1<<30))
	for range members {
		stored.Write(gib.Bytes())
	}
	member(&stored, bytes.NewReader(make([]byte, 1024)))
	return imagetest.RawLayer(stored.Bytes(), nil, kind)
}

// zipOf is an archive of one file.
func zipOf(t *testing.T, name string, content io.Reader) []byte {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	entry, err := w.Create(name)
	must(t, err)
	_, err = io.Copy(entry, content)
	must(t, err)
	must(t, w.Close())
	return b.Bytes()
}

// nestedJar is an archive in an archive, so many times.
func nestedJar(t *testing.T, depth int) []byte {
	t.Helper()
	jar := zipOf(t, "META-INF/maven/g/a/pom.properties", strings.NewReader("groupId=g\nartifactId=a\nversion=1.0\n"))
	for i := range depth {
		jar = zipOf(t, fmt.Sprintf("lib/n%d.jar", i), bytes.NewReader(jar))
	}
	return jar
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
