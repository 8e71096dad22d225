package scan_test

import (
	"context"
	"errors"
	"io"
	"runtime"
	"strings"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/runecast/runecast/pkg/image"
	"github.com/runecast/runecast/pkg/image/imagetest"
	"github.com/runecast/runecast/pkg/inventory"
	"github.com/runecast/runecast/pkg/scan"
)

func TestFaults(t *testing.T) {
	t.Parallel()
	inject := func(match imagetest.Match, f imagetest.Fault) func(*bench) {
		return func(b *bench) { b.reg.Inject(match, imagetest.Always, f) }
	}
	healthy := func(*bench) {}
	text := func(body string) v1.Image { return imagetest.Image(imagetest.Layer(imagetest.Text("a", body))) }
	for name, c := range map[string]struct {
		image  v1.Image
		fault  func(*bench)
		kind   scan.Kind
		text   string // after image and kind; REG is the registry, LAYER the only layer
		remedy string
	}{
		"unauthorized": {
			text("1"), inject(imagetest.Manifest, imagetest.Status(401)), scan.KindUnauthorized,
			"registry REG refuses access with 401 Unauthorized to the request for manifest 1: UNAUTHORIZED: injected fault",
			"check the image's name, and give the server credentials for registry REG in its Docker configuration; it has no access to a cluster (setting kubeconfig), so it does not use the pod's imagePullSecrets",
		},
		"not found": {
			text("1"), inject(imagetest.Manifest, imagetest.Status(404)), scan.KindNotFound,
			"registry REG answers 404 Not Found to the request for manifest 1: MANIFEST_UNKNOWN: injected fault",
			"check the image's name and tag, and whether it was pushed",
		},
		"rate limited": {
			text("1"), inject(imagetest.Manifest, imagetest.TooManyRequests(3600)), scan.KindRateLimited,
			"registry REG answers 429 Too Many Requests to the request for manifest 1 and asks to wait 1h0m0s",
			"retry after 1h0m0s, or give the server credentials for registry REG or a mirror of it",
		},
		"unreachable": {
			text("1"), inject(imagetest.Manifest, imagetest.Status(500)), scan.KindUnreachable,
			"registry REG answers 500 Internal Server Error to the request for manifest 1: UNKNOWN: injected fault",
			"check that registry REG runs and that the server can reach it, then retry",
		},
		"cut layer": {
			text("1"), inject(imagetest.Path(firstLayer(t, text("1"))), imagetest.CutAfter(10)), scan.KindUnreachable,
			"layer LAYER broke off after 30 of SIZE bytes: registry REG does not answer: unexpected EOF",
			"check that registry REG runs and that the server can reach it, then retry",
		},
		"not an image": {
			imagetest.HelmChart(), healthy, scan.KindNotAnImage,
			"it is an artifact of type application/vnd.cncf.helm.config.v1+json, not a container image",
			"name a container image; charts and other artifacts cannot be run",
		},
		"truncated layer": {
			imagetest.Image(imagetest.TruncatedLayer(imagetest.Text("a", strings.Repeat("b", 5000)))), healthy, scan.KindCorrupt,
			"layer LAYER cannot be decompressed: unexpected EOF",
			"push the image again and check the registry's storage and any proxy before it",
		},
		"no tar": {
			imagetest.Image(imagetest.CorruptLayer()), healthy, scan.KindCorrupt,
			"layer is corrupt: the tar stream cannot be read: archive/tar: invalid tar header", "build and push the image again",
		},
		"broken database": {
			imagetest.Image(imagetest.Layer(imagetest.Text("etc/os-release", "ID=debian\nVERSION_ID=10\n"),
				imagetest.Text(imagetest.DpkgStatusPath, "this is no status file"))), healthy, scan.KindCorrupt,
			"", "build and push the image again",
		},
		"bomb": {
			imagetest.Image(imagetest.BombLayer(200 << 20)), healthy, scan.KindTooLarge,
			"layer LAYER unpacks to more than 200 times its size, the limit", "make the image smaller, or raise the server's setting maxRatio",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t)
			ref := b.reg.MustPush(t.Context(), "app:1", c.image)
			list, err := c.image.Layers()
			if err != nil {
				t.Fatal(err)
			}
			digest := firstLayer(t, c.image)
			size, err := list[0].Size()
			if err != nil {
				t.Fatal(err)
			}
			c.fault(b)
			_, err = b.Scan(t.Context(), scan.Request{Reference: ref})
			words := strings.NewReplacer("REG", b.reg.Host(), "LAYER", digest, "SIZE", itoa(size))
			if c.text == "" {
				c.text = strings.TrimPrefix(err.Error(), "image "+ref+": corrupt: ") // the words are inventory's
				if !strings.Contains(c.text, "var/lib/dpkg/status") {
					t.Errorf("no file in %v", err)
				}
			}
			wantError(t, err, c.kind, "image "+ref+": "+string(c.kind)+": "+words.Replace(c.text), words.Replace(c.remedy))
			if b.metrics.get("finished ok") != 0 {
				t.Error("counted as a success")
			}
			for key := range b.stores.data {
				if strings.HasPrefix(key, "report ") || strings.HasPrefix(key, "inventory ") {
					t.Errorf("%s was kept", key)
				}
			}
		})
	}
}

// firstLayer is the digest of an image's lowest layer.
func firstLayer(t *testing.T, img v1.Image) string {
	t.Helper()
	manifest, err := img.Manifest()
	if err != nil {
		t.Fatal(err)
	}
	return manifest.Layers[0].Digest.String()
}

func TestBadNamesAndPlatforms(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	_, err := b.Scan(t.Context(), scan.Request{Reference: "UPPER/case"})
	wantError(t, err, scan.KindBadReference,
		"image UPPER/case: bad-reference: it is no image reference: repository can only contain the characters `abcdefghijklmnopqrstuvwxyz0123456789_-./`: UPPER/case",
		"correct the image's name: registry/repository:tag or registry/repository@sha256:…")
	ref := b.reg.MustPush(t.Context(), "app:1", imagetest.Index(imagetest.Alpine()))
	_, err = b.Scan(t.Context(), scan.Request{Reference: ref, Platform: "linux/arm64"})
	wantError(t, err, scan.KindNoPlatform, "image "+ref+": no-platform: its index has no manifest for linux/arm64, only for linux/amd64",
		"build the image for the platform of the nodes, or run it on nodes of one that it has: linux/amd64")
}

func TestStoresThatFailDoNotStopScans(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.stores.breakWith(errors.New("disk full"))
	ref := b.reg.MustPush(t.Context(), "nginx:1.19", imagetest.Nginx119())
	if r := b.report(t, ref); len(r.Findings) != 2 {
		t.Errorf("%d findings", len(r.Findings))
	}
	eventually(t, "all failures are counted", func() bool {
		return b.metrics.get("failed get report") == 1 && b.metrics.get("failed get inventory") == 1 && b.metrics.get("failed get layer") == 3 &&
			b.metrics.get("failed put layer") == 3 && b.metrics.get("failed put inventory") == 1 && b.metrics.get("failed put report") == 1
	})
	if b.report(t, ref); b.metrics.get("hit memory") != 1 {
		t.Errorf("counts %v", b.metrics.counts)
	}
}

// staged is a scan.Images with replaceable parts.
type staged struct {
	scan.Images
	open func(ctx context.Context, img *image.Image, l image.Layer) (io.ReadCloser, error)
}

func (s staged) OpenLayer(ctx context.Context, img *image.Image, l image.Layer) (io.ReadCloser, error) {
	return s.open(ctx, img, l)
}

func TestPanicsAreCaught(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	panicking := true
	b.restart(t, func(o *scan.Options) {
		images := o.Images
		o.Images = staged{images, func(ctx context.Context, img *image.Image, l image.Layer) (io.ReadCloser, error) {
			if panicking {
				panic("index out of range")
			}
			return images.OpenLayer(ctx, img, l)
		}}
	})
	img := imagetest.Image(imagetest.Layer(imagetest.Text("a", "b")))
	ref := b.reg.MustPush(t.Context(), "app:1", img)
	_, err := b.Scan(t.Context(), scan.Request{Reference: ref})
	wantError(t, err, scan.KindInternal, "image "+ref+": internal: reading layer "+firstLayer(t, img)+" panicked: index out of range",
		"look into the server's log for this image and report the fault")
	panicking = false
	b.report(t, ref) // errors are not kept
}

func TestScanHasItsOwnTimeLimit(t *testing.T) {
	t.Parallel()
	b := newBench(t, func(o *scan.Options) { o.Timeout = 50 * time.Millisecond })
	img := imagetest.Image(imagetest.Layer(imagetest.Text("a", "b")))
	ref := b.reg.MustPush(t.Context(), "app:1", img)
	b.reg.Inject(imagetest.Path(firstLayer(t, img)), imagetest.Always, b.reg.Hang())
	_, err := b.Scan(t.Context(), scan.Request{Reference: ref})
	wantError(t, err, scan.KindUnreachable, "image "+ref+": unreachable: the time for a scan is over after 50ms: 0.0 of 0.0 MB are read",
		"check how fast the registry delivers, or raise the server's setting scanTimeout")
}

func TestQueue(t *testing.T) {
	t.Parallel()
	b := newBench(t, func(o *scan.Options) { o.MaxScans, o.MaxQueued = 1, 1 })
	refs := make([]string, 3)
	for i := range refs {
		refs[i] = b.reg.MustPush(t.Context(), "app:"+itoa(int64(i)), imagetest.Image(imagetest.Layer(imagetest.Text("a", itoa(int64(i))))))
	}
	for _, ref := range refs { // resolved now, while blobs are served
		if _, err := b.puller.Resolve(t.Context(), ref, ""); err != nil {
			t.Fatal(err)
		}
	}
	open := make(chan struct{})
	b.reg.Inject(imagetest.Blob, imagetest.Always, b.reg.Gate(open))
	const goesOn = "the scan goes on; retry in a moment"
	err := b.leave(t, refs[0], "the first is being read", func() bool { return b.reg.Blobs() > len(refs) }) // beyond the configurations
	wantError(t, err, scan.KindPending, "image "+refs[0]+": pending: 0.0 of 0.0 MB are read", goesOn)
	eventually(t, "the second waits", func() bool {
		err = b.leave(t, refs[1], "the second is started", func() bool { return b.metrics.get("started") == 2 })
		return strings.Contains(err.Error(), "waits")
	})
	wantError(t, err, scan.KindPending, "image "+refs[1]+": pending: it waits until other scans are done", goesOn)
	_, err = b.Scan(t.Context(), scan.Request{Reference: refs[2]})
	wantError(t, err, scan.KindPending, "image "+refs[2]+": pending: 1 scans are waiting already",
		"the scanner is busy; retry in a minute, or raise the server's setting scanConcurrency")
	close(open)
	eventually(t, "the queued scan is done too", func() bool { return b.metrics.get("finished ok") == 2 })
	b.report(t, refs[2])
}

func TestWait(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	ref := b.reg.MustPush(t.Context(), "app:1", imagetest.Image(imagetest.Layer(imagetest.Text("a", "b"))))
	if _, err := b.puller.Resolve(t.Context(), ref, ""); err != nil {
		t.Fatal(err)
	}
	b.reg.Inject(imagetest.Blob, imagetest.Always, b.reg.Gate(nil))
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
	defer cancel()
	if _, err := b.Scan(ctx, scan.Request{Reference: ref}); err == nil {
		t.Fatal("no error")
	}
	err := b.Wait(ctx)
	if err == nil || err.Error() != "stopped 1 scans that were running: context deadline exceeded" {
		t.Errorf("wait: %v", err)
	}
	_, err = b.Scan(t.Context(), scan.Request{Reference: ref})
	wantError(t, err, scan.KindPending, "image "+ref+": pending: the server is shutting down", "the server is shutting down; retry in a moment")
	if err := b.Wait(t.Context()); err != nil {
		t.Errorf("wait again: %v", err)
	}
}

// TestNoGoroutineIsLeft is not parallel, so that it counts its own goroutines alone.
func TestNoGoroutineIsLeft(t *testing.T) { //nolint:paralleltest // see above
	before := runtime.NumGoroutine()
	func() {
		b := newBench(t)
		defer b.reg.Close()
		refs := []string{
			b.reg.MustPush(t.Context(), "nginx:1.19", imagetest.Nginx119()),
			b.reg.MustPush(t.Context(), "bad:1", imagetest.Image(imagetest.TruncatedLayer(imagetest.Text("a", "b")))),
		}
		for _, ref := range refs {
			ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
			_, _ = b.Scan(ctx, scan.Request{Reference: ref})
			cancel()
			_, _ = b.Scan(t.Context(), scan.Request{Reference: ref})
		}
		if err := b.Wait(t.Context()); err != nil {
			t.Error(err)
		}
	}()
	eventually(t, "as many goroutines as before", func() bool { return runtime.NumGoroutine() <= before })
}

// TestLayerOfAnotherVersionIsReadAnew stores a layer that this version cannot decode.
func TestLayerOfAnotherVersionIsReadAnew(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	img := imagetest.Image(imagetest.Layer(imagetest.Text("a", "b")))
	ref := b.reg.MustPush(t.Context(), "app:1", img)
	digest := firstLayer(t, img)
	b.stores.data["layer "+digest] = []byte(`{"format": 0}`)
	b.report(t, ref)
	if b.metrics.get("failed get layer") != 0 || b.metrics.get("layer") != 1 {
		t.Errorf("counts %v", b.metrics.counts)
	}
	if _, err := get[inventory.Layer](b.stores, "layer "+digest); err != nil {
		t.Errorf("it was not replaced: %v", err)
	}
}
