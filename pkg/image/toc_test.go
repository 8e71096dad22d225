package image_test

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/runecast/runecast/pkg/image"
	"github.com/runecast/runecast/pkg/image/imagetest"
)

// tocFiles are a layer that is larger than what is read of it.
func tocFiles() []imagetest.File {
	return []imagetest.File{
		imagetest.Dir("a"),
		{Path: "a/before", Body: bytes.Repeat(noise(), 2)},
		imagetest.Text("a/wanted", strings.Repeat("this is wanted; ", 30_000)),
		imagetest.Symlink("a/link", "wanted"), imagetest.Hardlink("a/hard", "a/wanted"), imagetest.Text("a/none", ""),
		{Path: "a/after", Body: bytes.Repeat(noise(), 3)},
		imagetest.Executable("a/wanted2", noise()[:1000]),
	}
}

// readTOC reads the files that are named wanted by the layer's table, and gives all names.
func readTOC(ctx context.Context, p *image.Puller, img *image.Image) (names string, contents map[string]string, err error) {
	table, err := p.OpenTOC(ctx, img, img.Layers[0])
	if err != nil {
		return "", nil, err
	}
	contents = map[string]string{}
	err = table.Each(ctx, func(_ int, h *tar.Header) bool { return strings.HasPrefix(h.Name, "a/wanted") }, func(_ int, h *tar.Header, r io.Reader) error {
		names += fmt.Sprintf("%s %c %o %d %s\n", h.Name, h.Typeflag, h.Mode, h.Size, h.Linkname)
		if r == nil {
			return nil
		}
		text, failure := io.ReadAll(r)
		contents[h.Name] = string(text)
		return failure
	})
	return names, contents, err
}

func tocLayers() map[string]v1.Layer {
	return map[string]v1.Layer{
		"eStargz": imagetest.EStargz(0, tocFiles()...), "eStargz of small chunks": imagetest.EStargz(7000, tocFiles()...), "zstd:chunked": imagetest.ZstdChunked(7000, tocFiles()...),
	}
}

func TestTOCReadsWhatIsWanted(t *testing.T) {
	t.Parallel()
	for name, layer := range tocLayers() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			reg := newRegistry(t)
			p := newPuller(t)
			img := resolve(t, p, reg.MustPush(t.Context(), "app:1", imagetest.Image(layer)))
			whole, err := readLayer(t.Context(), p, img)
			if err != nil {
				t.Fatal(err)
			}
			reg.ResetCounts()
			names, contents, err := readTOC(t.Context(), p, img)
			if err != nil {
				t.Fatal(err)
			}
			if want := tarNames(t, whole); names != want {
				t.Errorf("the table has\n%swant\n%s", names, want)
			}
			for _, f := range tocFiles() {
				if strings.HasPrefix(f.Path, "a/wanted") && contents[f.Path] != string(f.Body) {
					t.Errorf("%s has %d bytes, want %d", f.Path, len(contents[f.Path]), len(f.Body))
				}
			}
			if sent := reg.Sent(); sent > img.Layers[0].Size/4 {
				t.Errorf("%d of %d bytes were sent", sent, img.Layers[0].Size)
			}
		})
	}
}

// tarNames lists a layer's files, without those that only its format adds.
func tarNames(t *testing.T, layer []byte) string {
	t.Helper()
	var out strings.Builder
	for archive := tar.NewReader(bytes.NewReader(layer)); ; {
		h, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return out.String()
		}
		if err != nil {
			t.Fatal(err)
		}
		if h.Name != "stargz.index.json" {
			fmt.Fprintf(&out, "%s %c %o %d %s\n", h.Name, h.Typeflag, h.Mode, h.Size, h.Linkname)
		}
	}
}

// TestTOCFaults each end in an error that says to read the layer whole, which can be done wherever its bytes are right.
func TestTOCFaults(t *testing.T) {
	t.Parallel()
	parts := func(req *http.Request) bool { return req.Header.Get("Range") != "" }
	zstd := func(change func(string) string) func() v1.Layer {
		return func() v1.Layer {
			return imagetest.WithTable(imagetest.ZstdChunked(7000, tocFiles()...), func(table []byte) []byte { return []byte(change(string(table))) })
		}
	}
	lied := `"sha256:` + strings.Repeat("0", 64) + `"`
	for name, c := range map[string]struct {
		layer func() v1.Layer
		fault func(reg *imagetest.Registry)
		kind  image.Kind // none: the table's own fault
		text  string
	}{
		"another table's digest": {
			layer: func() v1.Layer {
				return imagetest.Annotated(imagetest.EStargz(0, tocFiles()...), map[string]string{imagetest.StargzDigest: strings.Trim(lied, `"`)})
			},
			kind: image.KindCorrupt, text: "does not match its digest: it is sha256:",
		},
		"a chunk's digest": {
			layer: zstd(func(s string) string {
				return strings.ReplaceAll(s, `"chunkDigest":"sha256:`+chunkOfWanted(), `"chunkDigest":`+lied[:len(lied)-1])
			}),
			kind: image.KindCorrupt, text: "does not match its digest in the table of contents",
		},
		"a chunk where none is": {
			layer: zstd(func(s string) string {
				return strings.Replace(s, `"name":"a/wanted2","offset":`, `"name":"a/wanted2","offset":1`, 1)
			}),
			text: "lies outside of the layer's files",
		},
		"no table": {
			layer: func() v1.Layer {
				return imagetest.Annotated(imagetest.LayerWith(imagetest.Gzip, tocFiles()...), map[string]string{imagetest.StargzDigest: strings.Trim(lied, `"`)})
			},
			text: "it has no footer of eStargz",
		},
		"a table that is no JSON": {layer: zstd(func(string) string { return "hello" }), text: "table of contents: invalid character"},
		"a table larger than it says": {
			layer: func() v1.Layer { return misplaced(0, 0, -1) }, text: "has not the",
		},
		"a table smaller than it says": {layer: func() v1.Layer { return misplaced(0, 0, 1) }, text: "has not the"},
		"a table cut":                  {layer: func() v1.Layer { return misplaced(0, -1, 0) }, kind: image.KindCorrupt, text: "does not match its digest"},
		"a table elsewhere":            {layer: func() v1.Layer { return misplaced(-1, 0, 0) }, kind: image.KindCorrupt, text: "does not match its digest"},
		"a registry without parts": {
			fault: func(reg *imagetest.Registry) {
				reg.Inject(parts, imagetest.Always, func(w http.ResponseWriter, req *http.Request, next http.Handler) {
					req.Header.Del("Range")
					next.ServeHTTP(w, req)
				})
			},
			kind: image.KindUnreachable, text: "gives no parts of layer",
		},
		"other parts": {
			fault: func(reg *imagetest.Registry) {
				reg.Inject(parts, imagetest.Always, func(w http.ResponseWriter, req *http.Request, next http.Handler) {
					req.Header.Set("Range", "bytes=0-99")
					next.ServeHTTP(w, req)
				})
			},
			kind: image.KindUnreachable, text: "sends another part of layer",
		},
		"wrong parts": {
			fault: func(reg *imagetest.Registry) { reg.Inject(parts, imagetest.Always, imagetest.WrongContent()) }, text: "it has no footer of eStargz",
		},
		"parts that are cut": {
			fault: func(reg *imagetest.Registry) { reg.Inject(parts, imagetest.Always, imagetest.CutAfter(10)) }, kind: image.KindUnreachable, text: "unexpected EOF",
		},
		"a registry that refuses parts": {
			fault: func(reg *imagetest.Registry) { reg.Inject(parts, imagetest.Always, imagetest.Status(416)) }, kind: image.KindUnreachable, text: "416",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			layer := imagetest.EStargz(0, tocFiles()...)
			if c.layer != nil {
				layer = c.layer()
			}
			reg := newRegistry(t)
			p := newPuller(t)
			img := resolve(t, p, reg.MustPush(t.Context(), "app:1", imagetest.Image(layer)))
			if c.fault != nil {
				c.fault(reg)
			}
			_, _, err := readTOC(t.Context(), p, img)
			if err == nil || !strings.Contains(err.Error(), c.text) {
				t.Fatalf("error %v, want %s", err, c.text)
			}
			if e, ok := errors.AsType[*image.Error](err); c.kind != "" && (!ok || e.Kind != c.kind) {
				t.Errorf("error %v (%T) of another kind than %s", err, err, c.kind)
			}
			if _, err := readLayer(t.Context(), p, img); err != nil {
				t.Errorf("the layer cannot be read whole: %v", err)
			}
		})
	}
}

// chunkOfWanted begins the digest of the first chunk of a file that is wanted.
func chunkOfWanted() string {
	h, _, err := v1.SHA256(strings.NewReader(string(tocFiles()[2].Body[:7000])))
	if err != nil {
		panic(err)
	}
	return h.Hex
}

// misplaced is a zstd:chunked layer whose annotation says another place, size or unpacked size of its table.
func misplaced(place, size, unpacked int) v1.Layer {
	layer := imagetest.ZstdChunked(7000, tocFiles()...)
	annotations := imagetest.Annotations(layer)
	var at, stored, plain int
	if _, err := fmt.Sscanf(annotations[imagetest.ZstdPosition], "%d:%d:%d:1", &at, &stored, &plain); err != nil {
		panic(err)
	}
	annotations[imagetest.ZstdPosition] = fmt.Sprintf("%d:%d:%d:1", at+place, stored+size, plain+unpacked)
	return imagetest.Annotated(layer, annotations)
}

// TestTOCPartsAreAskedForAgain where a connection broke.
func TestTOCPartsAreAskedForAgain(t *testing.T) {
	t.Parallel()
	reg := newRegistry(t)
	p := newPuller(t)
	img := resolve(t, p, reg.MustPush(t.Context(), "app:1", imagetest.Image(imagetest.EStargz(7000, tocFiles()...))))
	reg.Inject(imagetest.Blob, 2, imagetest.CutAfter(10))
	if _, contents, err := readTOC(t.Context(), p, img); err != nil || contents["a/wanted"] != string(tocFiles()[2].Body) {
		t.Errorf("%d bytes, %v", len(contents["a/wanted"]), err)
	}
}

// TestTOCBombs are not unpacked.
func TestTOCBombs(t *testing.T) {
	t.Parallel()
	reg := newRegistry(t)
	p := newPuller(t)
	bomb := append(tocFiles(), imagetest.File{Path: "a/wanted3", Body: make([]byte, 100<<20)})
	img := resolve(t, p, reg.MustPush(t.Context(), "app:1", imagetest.Image(imagetest.EStargz(0, bomb...))))
	if _, _, err := readTOC(t.Context(), p, img); err == nil || !strings.Contains(err.Error(), "unpacks to 105338600 bytes") {
		t.Errorf("error %v", err)
	}
}

// TestTOCsThatAreNotWorthIt are of small layers, and of those of which most is wanted.
func TestTOCsThatAreNotWorthIt(t *testing.T) {
	t.Parallel()
	for name, files := range map[string][]imagetest.File{
		"a small layer": {imagetest.Text("a/wanted", "x")}, "most is wanted": {{Path: "a/wanted", Body: bytes.Repeat(noise(), 3)}, {Path: "b", Body: noise()[:1000]}},
	} {
		reg := newRegistry(t)
		p := newPuller(t)
		img := resolve(t, p, reg.MustPush(t.Context(), "app:1", imagetest.Image(imagetest.EStargz(0, files...))))
		if _, _, err := readTOC(t.Context(), p, img); err == nil || err.Error() != "reading the layer whole costs no more" {
			t.Errorf("%s: error %v", name, err)
		}
	}
}

func TestAnnotationsOfTOCs(t *testing.T) {
	t.Parallel()
	sum := "sha256:" + strings.Repeat("a", 64)
	zstd := func(position string) map[string]string {
		return map[string]string{imagetest.ZstdChecksum: sum, imagetest.ZstdPosition: position}
	}
	for name, c := range map[string]struct {
		annotations map[string]string
		want        image.TOCFormat
	}{
		"none":              {nil, ""},
		"eStargz":           {map[string]string{imagetest.StargzDigest: sum}, image.EStargz},
		"no digest":         {map[string]string{imagetest.StargzDigest: "sha256:12"}, ""},
		"another algorithm": {map[string]string{imagetest.StargzDigest: "md5:" + strings.Repeat("a", 32)}, ""},
		"zstd:chunked":      {zstd("100:200:300:1"), image.ZstdTOC},
		"of its early days": {map[string]string{"io.containers.zstd-chunked.manifest-checksum": sum, "io.containers.zstd-chunked.manifest-position": "100:200:300:1"}, image.ZstdTOC},
		"no position":       {zstd(""), ""},
		"another type":      {zstd("100:200:300:2"), ""},
		"negative":          {zstd("-100:200:300:1"), ""},
		"overflowing":       {zstd("9223372036854775807:9223372036854775807:300:1"), ""},
		"beyond the layer":  {zstd("999990:200:300:1"), ""},
		"a huge table":      {zstd("100:200:67108865:1"), ""},
		"two formats":       {map[string]string{imagetest.StargzDigest: sum, imagetest.ZstdChecksum: sum, imagetest.ZstdPosition: "100:200:300:1"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			reg := newRegistry(t)
			body := make([]byte, 1_000_000)
			layer := imagetest.Annotated(imagetest.RawLayer(body, body, "application/vnd.oci.image.layer.v1.tar"), c.annotations)
			img := resolve(t, newPuller(t), reg.MustPush(t.Context(), "app:1", imagetest.Image(layer)))
			var got image.TOCFormat
			if toc := img.Layers[0].TOC; toc != nil {
				got = toc.Format
			}
			if got != c.want {
				t.Errorf("format %q, want %q", got, c.want)
			}
		})
	}
}

func TestTOCTrust(t *testing.T) {
	t.Parallel()
	for setting, c := range map[string]struct{ covered, not string }{
		"":                             {"", "registry.example/app"},
		"off":                          {"", "registry.example/app"},
		"all":                          {"registry.example/app", ""},
		"registry.example":             {"registry.example/app", "registry.example.org/app"},
		"registry.example/shop/":       {"registry.example/shop/app", "registry.example/shopping"},
		"docker.io/library":            {"index.docker.io/library/nginx", "index.docker.io/evil/nginx"},
		"localhost/a,registry.example": {"localhost/a", "localhost/b"},
		"registry.example:5000":        {"registry.example:5000/app", "registry.example/app"},
	} {
		trust, err := image.ParseTOCTrust(strings.Split(setting, ","))
		if setting == "" {
			trust, err = image.ParseTOCTrust(nil)
		}
		if err != nil || c.covered != "" && !trust.Covers(c.covered) || c.not != "" && trust.Covers(c.not) {
			t.Errorf("%s: %v, %v", setting, trust, err)
		}
	}
	for _, bad := range []string{"off,registry.example", "all,off", "nginx", "registry.example/*", "", "registry.example/app@sha256:1"} {
		if _, err := image.ParseTOCTrust(strings.Split(bad, ",")); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
}
