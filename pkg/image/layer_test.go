package image_test

import (
	"bytes"
	"net/http"
	"strings"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/runecast/runecast/pkg/image"
	"github.com/runecast/runecast/pkg/image/imagetest"
)

// noise is content that does not compress, so that a layer's stored bytes are about as many.
func noise() []byte {
	out, state := make([]byte, 300_000), uint32(1)
	for i := range out {
		state = state*1664525 + 1013904223
		out[i] = byte(state >> 24)
	}
	return out
}

func TestLayersOfEveryCompression(t *testing.T) {
	t.Parallel()
	file := imagetest.File{Path: "data", Body: noise()}
	plain := imagetest.Tar(file)
	zipped := imagetest.Compress(imagetest.Gzip, plain)
	members := append(imagetest.Compress(imagetest.Gzip, plain[:1000]), imagetest.Compress(imagetest.Gzip, plain[1000:])...)
	zstd := imagetest.Compress(imagetest.Zstd, plain)
	for name, layer := range map[string]v1.Layer{
		"gzip":                   imagetest.LayerWith(imagetest.Gzip, file),
		"zstd":                   imagetest.LayerWith(imagetest.Zstd, file),
		"uncompressed":           imagetest.LayerWith(imagetest.Uncompressed, file),
		"gzip of Docker":         imagetest.RawLayer(zipped, plain, types.DockerLayer),
		"gzip named as zstd":     imagetest.RawLayer(zipped, plain, types.OCILayerZStd),
		"zstd named as gzip":     imagetest.RawLayer(zstd, plain, types.OCILayer),
		"two members":            imagetest.RawLayer(members, plain, types.OCILayer),
		"padding after gzip":     imagetest.RawLayer(append(bytes.Clone(zipped), make([]byte, 5000)...), plain, types.OCILayer),
		"garbage after gzip":     imagetest.RawLayer(append(bytes.Clone(zipped), "garbage"...), plain, types.OCILayer),
		"skippable frame first":  imagetest.RawLayer(append([]byte{0x50, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 'a', 'b', 'c'}, zstd...), plain, types.OCILayerZStd),
		"nondistributable, held": imagetest.RawLayer(zipped, plain, types.OCIRestrictedLayer),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			reg := newRegistry(t)
			p := newPuller(t)
			img := resolve(t, p, reg.MustPush(t.Context(), "app:1", imagetest.Image(layer)))
			got, err := readLayer(t.Context(), p, img)
			if err != nil || !bytes.Equal(got, plain) {
				t.Errorf("%d bytes, %v; want %d", len(got), err, len(plain))
			}
		})
	}
}

func TestLayerFaults(t *testing.T) {
	t.Parallel()
	big := imagetest.File{Path: "data", Body: noise()}
	always := func(f imagetest.Fault) func(*imagetest.Registry, string) {
		return func(reg *imagetest.Registry, digest string) {
			reg.Inject(imagetest.Path("/blobs/"+digest), imagetest.Always, f)
		}
	}
	healthy := func(*imagetest.Registry, string) {}
	for name, c := range map[string]struct {
		layer v1.Layer
		fault func(*imagetest.Registry, string)
		kind  image.Kind
		text  string // of the detail; LAYER is the digest, REG the registry
	}{
		"gone":  {imagetest.Layer(big), always(imagetest.Status(http.StatusNotFound)), image.KindNotFound, "registry REG answers 404 Not Found to the request for layer LAYER: MANIFEST_UNKNOWN: injected fault"},
		"500":   {imagetest.Layer(big), always(imagetest.Status(500)), image.KindUnreachable, "registry REG answers 500 Internal Server Error to the request for layer LAYER: UNKNOWN: injected fault"},
		"wrong": {imagetest.Layer(big), always(imagetest.WrongContent()), image.KindCorrupt, "layer LAYER does not match its digest: the registry sent WRONG"},
		"shorter": {
			imagetest.Layer(big), always(imagetest.Content("application/octet-stream", []byte("short"))), image.KindCorrupt,
			"layer LAYER has 5 bytes at registry REG, but SIZE in the manifest",
		},
		"truncated": {imagetest.TruncatedLayer(big), healthy, image.KindCorrupt, "layer LAYER cannot be decompressed: unexpected EOF"},
		"cut for ever": {
			imagetest.Layer(big), always(imagetest.CutAfter(1000)), image.KindUnreachable,
			"layer LAYER broke off after 3000 of SIZE bytes: registry REG does not answer: unexpected EOF",
		},
		"one byte a second": {imagetest.Layer(big), func(reg *imagetest.Registry, digest string) {
			reg.Inject(imagetest.Path("/blobs/"+digest), imagetest.Always, reg.Trickle(0, time.Second))
		}, image.KindUnreachable, "layer LAYER broke off after 0 of SIZE bytes: registry REG does not answer: less than 1024 bytes a second for 200ms"},
		"no answer": {imagetest.Layer(big), func(reg *imagetest.Registry, digest string) {
			reg.Inject(imagetest.Path("/blobs/"+digest), imagetest.Always, reg.Hang())
		}, image.KindUnreachable, "registry REG does not answer: no answer within 1s"},
		"bomb": {imagetest.BombLayer(200 << 20), healthy, image.KindTooLarge, "layer LAYER unpacks to more than 200 times its size, the limit"},
		"large": {
			imagetest.Layer(imagetest.File{Path: "data", Body: make([]byte, 2<<20)}), healthy, image.KindTooLarge,
			"layer LAYER unpacks to more than 1048576 bytes, the limit",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			reg := newRegistry(t)
			p := newPuller(t, func(o *image.Options) {
				switch name {
				case "large":
					o.MaxUncompressedBytes = 1 << 20
				case "no answer", "one byte a second":
					impatient(o)
				}
			})
			img := resolve(t, p, reg.MustPush(t.Context(), "app:1", imagetest.Image(c.layer)))
			digest, size := img.Layers[0].Digest, img.Layers[0].Size
			c.fault(reg, digest)
			_, err := readLayer(t.Context(), p, img)
			text := strings.NewReplacer("LAYER", digest, "REG", reg.Host(), "SIZE", itoa(size), "WRONG", digestOfX(t, size)).Replace(c.text)
			e := wantFault(t, err, c.kind, "image "+img.Reference+": "+text)
			if e.Temporary() != (c.kind == image.KindUnreachable) || (e.Setting != "") != (c.kind == image.KindTooLarge) {
				t.Errorf("temporary %v, setting %q", e.Temporary(), e.Setting)
			}
		})
	}
}

func TestCutLayerIsResumed(t *testing.T) {
	t.Parallel()
	file := imagetest.File{Path: "data", Body: noise()}
	reg := newRegistry(t)
	p := newPuller(t)
	img := resolve(t, p, reg.MustPush(t.Context(), "app:1", imagetest.Image(imagetest.Layer(file))))
	digest := img.Layers[0].Digest
	var ranges []string
	reg.Inject(imagetest.Path("/blobs/"+digest), 2, func(w http.ResponseWriter, req *http.Request, next http.Handler) {
		ranges = append(ranges, req.Header.Get("Range"))
		imagetest.CutAfter(100_000)(w, req, next)
	})
	got, err := readLayer(t.Context(), p, img)
	if err != nil || !bytes.Equal(got, imagetest.Tar(file)) {
		t.Fatalf("%d bytes, %v", len(got), err)
	}
	if len(ranges) != 2 || ranges[0] != "" || ranges[1] != "bytes=100000-"+itoa(img.Layers[0].Size-1) {
		t.Errorf("ranges %q", ranges)
	}
	if n := reg.Count("GET /v2/app/blobs/" + digest); n != 3 {
		t.Errorf("%d requests, want 3", n)
	}
}

func TestCutLayerIsResumedWithoutRanges(t *testing.T) {
	t.Parallel()
	file := imagetest.File{Path: "data", Body: noise()}
	reg := newRegistry(t)
	p := newPuller(t)
	img := resolve(t, p, reg.MustPush(t.Context(), "app:1", imagetest.Image(imagetest.Layer(file))))
	cut := true
	reg.Inject(imagetest.Path("/blobs/"+img.Layers[0].Digest), imagetest.Always, func(w http.ResponseWriter, req *http.Request, next http.Handler) {
		req.Header.Del("Range")
		if cut {
			cut = false
			imagetest.CutAfter(100_000)(w, req, next)
		}
		next.ServeHTTP(w, req)
	})
	if got, err := readLayer(t.Context(), p, img); err != nil || !bytes.Equal(got, imagetest.Tar(file)) {
		t.Fatalf("%d bytes, %v", len(got), err)
	}
}

func TestMissingForeignLayer(t *testing.T) {
	t.Parallel()
	plain := imagetest.Tar(imagetest.Text("a", "b"))
	layer := imagetest.RawLayer(imagetest.Compress(imagetest.Gzip, plain), plain, types.DockerForeignLayer)
	reg := newRegistry(t)
	p := newPuller(t)
	img := resolve(t, p, reg.MustPush(t.Context(), "win:1", imagetest.Image(layer)))
	reg.Inject(imagetest.Path(img.Layers[0].Digest), imagetest.Always, imagetest.Status(http.StatusNotFound))
	_, err := readLayer(t.Context(), p, img)
	wantError(t, err, image.KindNotFound, "image "+img.Reference+": registry "+reg.Host()+" answers 404 Not Found to the request for layer "+
		img.Layers[0].Digest+": MANIFEST_UNKNOWN: injected fault; it is a non-distributable layer, which only a registry that keeps such layers can give")
}

func TestLimitsOnStoredSize(t *testing.T) {
	t.Parallel()
	reg := newRegistry(t)
	layer := imagetest.Layer(imagetest.File{Path: "data", Body: noise()})
	other := imagetest.Layer(imagetest.File{Path: "other", Body: noise()})
	ref := reg.MustPush(t.Context(), "app:1", imagetest.Image(layer, other))
	digest, err := layer.Digest()
	if err != nil {
		t.Fatal(err)
	}
	size, err := layer.Size()
	if err != nil {
		t.Fatal(err)
	}
	_, err = newPuller(t, func(o *image.Options) { o.MaxLayerBytes = 1000 }).Resolve(t.Context(), ref, "")
	e := wantFault(t, err, image.KindTooLarge, "image "+ref+": layer "+digest.String()+" has "+itoa(size)+" bytes, more than the limit of 1000")
	if e.Setting != "MaxLayerBytes" {
		t.Errorf("setting %q", e.Setting)
	}
	_, err = newPuller(t, func(o *image.Options) { o.MaxImageBytes = 400_000 }).Resolve(t.Context(), ref, "")
	e = wantFault(t, err, image.KindTooLarge, "image "+ref+": its layers have more than 400000 bytes together, the limit")
	if e.Setting != "MaxImageBytes" {
		t.Errorf("setting %q", e.Setting)
	}
}

func TestLayerCountsItsBytes(t *testing.T) {
	t.Parallel()
	reg := newRegistry(t)
	p := newPuller(t)
	img := resolve(t, p, reg.MustPush(t.Context(), "app:1", imagetest.Alpine()))
	body, err := p.OpenLayer(t.Context(), img, img.Layers[0])
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = body.Close() }()
	if _, err := new(bytes.Buffer).ReadFrom(body); err != nil {
		t.Fatal(err)
	}
	counter, ok := body.(interface{ BytesRead() int64 })
	if !ok || counter.BytesRead() != img.Layers[0].Size {
		t.Errorf("counted wrongly")
	}
}

func TestTooManyLayers(t *testing.T) {
	t.Parallel()
	reg := newRegistry(t)
	layers := make([]v1.Layer, 513)
	for i := range layers {
		layers[i] = imagetest.Layer(imagetest.Text("a", "b"))
	}
	ref := reg.MustPush(t.Context(), "app:1", imagetest.Image(layers[:512]...))
	if img := resolve(t, newPuller(t), ref); len(img.Layers) != 512 {
		t.Errorf("%d layers", len(img.Layers))
	}
	ref = reg.MustPush(t.Context(), "app:2", imagetest.Image(layers...))
	_, err := newPuller(t).Resolve(t.Context(), ref, "")
	_ = wantFault(t, err, image.KindTooLarge, "image "+ref+": it has 513 layers, more than 512, the limit")
}
