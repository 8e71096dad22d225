package hostile_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/runecast/runecast/pkg/image/imagetest"
)

// part is one image and how its scan has to end.
type part struct {
	name  string
	image func(*testing.T, *imagetest.Registry) (reference string)
	args  []string // of the program, more
	check func(*testing.T, *result)
}

// of is an image of one layer.
func of(layer func(*testing.T) v1.Layer) func(*testing.T, *imagetest.Registry) string {
	return func(t *testing.T, r *imagetest.Registry) string {
		t.Helper()
		return r.MustPush(t.Context(), "hostile:1", imagetest.Image(layer(t)))
	}
}

// TestHostileImages scans one image after the other, as the memory of each is measured.
func TestHostileImages(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	for _, p := range slices.Concat(bombs(t), trees(), databases(), documents()) {
		t.Run(p.name, func(t *testing.T) { //nolint:paralleltest // one after the other, as the memory of each is measured
			registry := imagetest.NewRegistry()
			defer registry.Close()
			r := b.scan(t, p.image(t, registry), p.args...)
			p.check(t, &r)
		})
	}
	if found := b.wroteOutside(t); len(found) > 0 {
		t.Errorf("it wrote outside of its directories: %q", found)
	}
}

const tooManyBytes = "layer is too-large: it has more than 34359738368 bytes"

// bombs unpack to much more than they are.
func bombs(t *testing.T) []part {
	t.Helper()
	bounded := filepath.Join(t.TempDir(), "bounded.yaml")
	must(t, os.WriteFile(bounded, []byte("maxUncompressedBytes: 2147483648\n"), 0o644))
	must(t, os.Chmod(filepath.Dir(bounded), 0o755))
	must(t, os.Chmod(filepath.Dir(filepath.Dir(bounded)), 0o755))
	const ratio = "unpacks to more than 200 times its size, the limit"
	return []part{
		{"gzip bomb of 10 GiB", of(func(t *testing.T) v1.Layer { t.Helper(); return gzipBomb(t, "zeros", 10) }), nil, refusal(ratio)},
		{"zstd bomb of 10 GiB", of(func(t *testing.T) v1.Layer { t.Helper(); return zstdBomb(t, "zeros", 10) }), nil, refusal(ratio)},
		{"a file of 4 GiB at 190 times its size", of(dense(4)), nil, listing("bash")},
		{"the same against a bound of 2 GiB", of(dense(4)), []string{"--config", bounded}, refusal("unpacks to more than 2147483648 bytes, the limit")},
		{"zstd window of 2 GiB", of(hugeWindow), nil, refusal("needs more than 33554432 bytes of memory to unpack, the limit")},
		{"a PAX header of 64 MiB", of(paxHeader), nil, refusal(ratio)},
		{"a PAX header of 4 MiB that does not compress", of(randomHeader), nil, refusal("layer is corrupt: the tar stream cannot be read: archive/tar: header field too long")},
		{"jars in jars", of(jars), nil, unread("more than 4 archives are within each other")},
		{"jars that are bombs", of(jarBomb), nil, unread(
			"app/bomb.jar: it is not read: read: more than 2147483648 bytes are unpacked",
			"app/properties.jar: META-INF/maven/g/a/pom.properties in it is not read: it is larger than 1048576 bytes",
			"app/wheel.whl: it is not read: a.dist-info/METADATA in it: line 2049 is longer than 4096 bytes")},
	}
}

// trees have names, links and sizes that mean harm.
func trees() []part {
	const loop = " is corrupt: its symbolic links form a loop"
	return []part{
		{"a million entries", of(entries(1_000_000)), nil, listing("bash")},
		{"a million entries and one", of(entries(1_000_001)), nil, refusal("layer is too-large: it has more than 1000000 entries")},
		{"names that lead outside", of(outside), nil, listing("bash")},
		{"loops of links", of(loops), nil, refusal("var/lib/dpkg/status" + loop)},
		{"a loop at os-release", of(links("etc/os-release", "../usr/lib/os-release", "usr/lib/os-release", "../../etc/os-release")), nil, refusal("etc/os-release" + loop)},
		{"a chain of links to rpm's database", of(chain(10_000)), nil, unread("var/lib/rpm: links lead to chain/39, below another link, chain/39, that is not followed")},
		{"a chain that Linux follows", of(chain(39)), nil, unread("end/Packages: it is not read: it is of no form that rpm databases have")},
		{"a chain of a hundred thousand hard links", of(hardLinks), nil, listing("bash")},
		{"devices for databases", of(devices), nil, refusal("lib/apk/db/installed is corrupt: it is a block device and no regular file")},
		{"sizes that lie", of(lies(1 << 62)), nil, refusal(tooManyBytes)},
		{"a file of 8 EiB", of(lies(1<<63 - 1)), nil, refusal(tooManyBytes)},
		{"a sparse file of 8 EiB", of(sparse), nil, refusal(tooManyBytes)},
		{"a file of less than nothing", of(negative), nil, refusal("layer is corrupt: the tar stream cannot be read: archive/tar: invalid tar header")},
		{"a PAX header that says so", of(negativePAX), nil, refusal("layer is corrupt: the tar stream cannot be read: archive/tar: invalid tar header")},
	}
}

// databases are files that are read for packages, larger than they may be.
func databases() []part {
	return []part{
		{"a dpkg database of 2 GiB", of(dpkgDatabase), nil, refusal("var/lib/dpkg/status is too-large: it has 2147483648 bytes, more than 268435456")},
		{"metadata of 1 GiB", of(metadata), nil, unread("etc/os-release: it is not read: it has 1073741824 bytes, more than 65536: the distribution is not known",
			"app/node_modules/a/package.json: it is not read: it is larger than 16777216 bytes", "a.dist-info/METADATA: it is not read: line 2049 is longer than 4096 bytes")},
	}
}

func refusal(because string) func(*testing.T, *result) {
	return func(t *testing.T, r *result) { t.Helper(); r.refused(t, because) }
}

func listing(names ...string) func(*testing.T, *result) {
	return func(t *testing.T, r *result) { t.Helper(); r.listed(t, names...) }
}

// unread wants an inventory that says what could not be read, all of it.
func unread(texts ...string) func(*testing.T, *result) {
	return func(t *testing.T, r *result) {
		t.Helper()
		r.listed(t)
		for _, text := range append(texts, "The list of packages is not complete: ") {
			if !strings.Contains(r.output, text) {
				_, comment, _ := strings.Cut(r.output, `"annotations"`)
				t.Errorf("it does not say %q:\n%.3000s", text, comment)
			}
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

// entries is a layer of so many entries.
// links is a Debian with links, each a path and its target.
// chain has rpm's directory behind so many links, with a database that is none.
// lies has a header that promises more bytes than any disk has.
// negative has a file whose size is -1, in base 256.
// negativePAX has one of which an extended header says so.
// randomHeader has an extended header that is larger than any, of text that does not compress by much.
func randomHeader(t *testing.T) v1.Layer {
	t.Helper()
	const size = 4 << 20
	return rawTar(t, tar.TypeXHeader, size, func(w io.Writer) {
		text := make([]byte, size/2)
		rand.NewChaCha8([32]byte{1}).Read(text) //nolint:errcheck // it never fails
		body := fmt.Sprintf("%d comment=%x", size, text)
		_, _ = io.WriteString(w, body[:size-1]+"\n")
	})
}

// dense is a Debian with a file of so many GiB that is stored in a 190th of that.
func dense(gibibytes int64) func(*testing.T) v1.Layer {
	return func(t *testing.T) v1.Layer {
		t.Helper()
		const member, ratio = 64 << 20, 190
		noise := make([]byte, member/ratio-member/1030) // what zeros are stored in is not much
		rand.NewChaCha8([32]byte{2}).Read(noise)        //nolint:errcheck // it never fails
		var head, piece, stored, end bytes.Buffer
		w := tar.NewWriter(&head)
		file(w, "etc/os-release", debianRelease)
		file(w, "var/lib/dpkg/status", bash)
		header(w, &tar.Header{Name: "dense", Typeflag: tar.TypeReg, Size: gibibytes << 30})
		pack := func(to *bytes.Buffer, from io.Reader) {
			zw := gzip.NewWriter(to)
			_, err := io.Copy(zw, from)
			must(t, err)
			must(t, zw.Close())
		}
		pack(&stored, &head)
		pack(&piece, io.MultiReader(bytes.NewReader(noise), repeated(strings.Repeat("\x00", 1<<20), member-int64(len(noise)))))
		if got := member / int64(piece.Len()); got < 185 || got >= 200 {
			t.Fatalf("it is stored in a %dth", got)
		}
		for range gibibytes << 30 / member {
			stored.Write(piece.Bytes())
		}
		pack(&end, bytes.NewReader(make([]byte, 1024)))
		stored.Write(end.Bytes())
		return imagetest.RawLayer(stored.Bytes(), nil, types.OCILayer)
	}
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
// sum puts a header's checksum right.
// sparse is a file in GNU's old form whose real size is 8 EiB, of which nothing is stored.
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
