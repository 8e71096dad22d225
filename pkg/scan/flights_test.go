package scan_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/runecast/runecast/pkg/image"
	"github.com/runecast/runecast/pkg/image/imagetest"
	"github.com/runecast/runecast/pkg/scan"
)

// TestOtherRegistriesOfOneDigest names an image by its digest in a registry that hangs, beside a true one. Whoever deploys the true
// image must neither wait for the other nor share its fate.
func TestOtherRegistriesOfOneDigest(t *testing.T) {
	t.Parallel()
	for name, hostile := range map[string]func(*imagetest.Registry) imagetest.Fault{
		"hangs":   (*imagetest.Registry).Hang,
		"refuses": func(*imagetest.Registry) imagetest.Fault { return imagetest.Status(403) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t)
			other := imagetest.NewRegistry()
			t.Cleanup(other.Close)
			img := imagetest.Nginx119()
			good, digest, err := b.reg.Push(t.Context(), "nginx:1.19", img)
			if err != nil {
				t.Fatal(err)
			}
			other.MustPush(t.Context(), "x:1", img)
			evil := other.Host() + "/x@" + digest
			if _, err = b.puller.Resolve(t.Context(), evil, ""); err != nil {
				t.Fatal(err)
			}
			other.Inject(imagetest.Blob, imagetest.Always, hostile(other))
			err = b.leave(t, evil, "its layers are asked for", func() bool { return other.Blobs() > 1 })
			if err == nil {
				t.Fatal("no error")
			}
			if name == "hangs" {
				wantError(t, err, scan.KindPending, "image "+evil+": pending: 0.0 of 0.0 MB are read", "the scan goes on; retry in a moment")
			}
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			r, err := b.Scan(ctx, scan.Request{Reference: good})
			if err != nil || len(r.Findings) != 2 || r.Image != good {
				t.Fatalf("%+v %v", r, err)
			}
			if n := b.reg.Blobs(); n != 4 { // the configuration and three layers
				t.Errorf("the true registry was asked for %d blobs", n)
			}
			// What is known is known by its digest, whoever asks.
			if r, err := b.Scan(ctx, scan.Request{Reference: evil}); err != nil || len(r.Findings) != 2 || r.Image != evil {
				t.Errorf("%+v %v", r, err)
			}
			other.Close()
		})
	}
}

// TestOtherRepositoriesOfOneLayer has a layer hang in one repository while another image with it is scanned from a second one.
func TestOtherRepositoriesOfOneLayer(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	base := imagetest.Layer(imagetest.Text("etc/os-release", "ID=debian\nVERSION_ID=10\n"),
		imagetest.Text(imagetest.DpkgStatusPath, imagetest.DpkgStatus(imagetest.Nginx119Packages()...)))
	digest, err := base.Digest()
	if err != nil {
		t.Fatal(err)
	}
	slow := b.reg.MustPush(t.Context(), "slow:1", imagetest.Image(base, imagetest.Layer(imagetest.Text("slow", "1"))))
	good := b.reg.MustPush(t.Context(), "good:1", imagetest.Image(base, imagetest.Layer(imagetest.Text("good", "1"))))
	open := make(chan struct{})
	path := "/v2/slow/blobs/" + digest.String()
	b.reg.Inject(imagetest.Path(path), imagetest.Always, b.reg.Gate(open))
	if err := b.leave(t, slow, "its layer is asked for", func() bool { return b.reg.Count(path) > 0 }); err == nil {
		t.Fatal("no error")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if r, err := b.Scan(ctx, scan.Request{Reference: good}); err != nil || len(r.Findings) != 2 {
		t.Errorf("%+v %v", r, err)
	}
	close(open)
	eventually(t, "both scans are done", func() bool { return b.metrics.get("finished ok") == 2 })
	third := b.reg.MustPush(t.Context(), "third:1", imagetest.Image(base, imagetest.Layer(imagetest.Text("third", "1"))))
	if r := b.report(t, third); len(r.Findings) != 2 || b.reg.Count("/v2/third/blobs/"+digest.String()) != 0 {
		t.Errorf("a layer that is stored was asked for again: %+v", r)
	}
}

// TestRegistryThatHasNotAnsweredYet leaves while the reference is being resolved, then comes again.
func TestRegistryThatHasNotAnsweredYet(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	ref := b.reg.MustPush(t.Context(), "nginx:1.19", imagetest.Nginx119())
	open := make(chan struct{})
	b.reg.Inject(imagetest.Manifest, 1, b.reg.Gate(open))
	wantPending := func(err error) {
		t.Helper()
		wantError(t, err, scan.KindPending, "image "+ref+": pending: registry "+b.reg.Host()+" has not answered yet",
			"check that registry "+b.reg.Host()+" runs and that the server can reach it, then retry")
	}
	wantPending(b.leave(t, ref, "the manifest is asked for", func() bool { return b.reg.Manifests() == 1 }))
	for range 3 { // those that come later wait for the same answer, whatever is left of their time
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		_, err := b.Scan(ctx, scan.Request{Reference: ref})
		cancel()
		wantPending(err)
	}
	over, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := b.Scan(over, scan.Request{Reference: ref})
	wantPending(err)
	close(open)
	if r := b.report(t, ref); len(r.Findings) != 2 || b.reg.Manifests() != 1 {
		t.Errorf("%d findings, %d requests for the manifest", len(r.Findings), b.reg.Manifests())
	}
}

// late is a scan.Images that knows nothing of this product's errors.
type late struct{ scan.Images }

func (late) ResolveAs(ctx context.Context, _, _ string, _ image.Access) (*image.Image, error) {
	<-ctx.Done()
	return nil, errors.Join(errors.New("cut"), ctx.Err())
}

func TestResolverWithoutErrorsOfItsOwn(t *testing.T) {
	t.Parallel()
	b := newBench(t, func(o *scan.Options) { o.Images = late{o.Images} })
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	_, err := b.Scan(ctx, scan.Request{Reference: "app:1"})
	wantError(t, err, scan.KindPending, "image app:1: pending: the registry has not answered yet",
		"check that the registry runs and that the server can reach it, then retry")
}

// TestAnswersThatCameInTimeAreTold: a registry that did say something is not one that has not answered, although time ran out.
func TestAnswersThatCameInTimeAreTold(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	ref := b.reg.MustPush(t.Context(), "app:1", imagetest.Alpine())
	b.reg.Inject(imagetest.Manifest, 1, imagetest.TooManyRequests(5))
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	_, err := b.Scan(ctx, scan.Request{Reference: ref})
	var e *scan.Error
	if !errors.As(err, &e) || e.Kind != scan.KindRateLimited || !strings.HasPrefix(e.Remedy, "retry after 5s") {
		t.Errorf("got %v", err)
	}
}
