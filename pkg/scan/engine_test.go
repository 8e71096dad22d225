package scan_test

import (
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/runecast/runecast/pkg/advisory"
	"github.com/runecast/runecast/pkg/image/imagetest"
	"github.com/runecast/runecast/pkg/scan"
)

func TestColdScan(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	ref, digest, err := b.reg.Push(t.Context(), "library/nginx:1.19", imagetest.Nginx119())
	if err != nil {
		t.Fatal(err)
	}
	r := b.report(t, ref)
	if r.Image != ref || r.Digest != digest || r.Platform != "linux/amd64" || r.OS.ID != "debian" || r.OS.VersionID != "10" || r.Layers != 3 {
		t.Errorf("report %+v", r)
	}
	if want := len(imagetest.Nginx119Packages()); r.Packages != want {
		t.Errorf("%d packages, want %d", r.Packages, want)
	}
	if r.Feed.Revision == "" || !r.Feed.Date.Equal(time.Date(2026, 8, 1, 0, 0, 0, 0, time.UTC)) || r.ScannedAt.IsZero() || r.Seconds <= 0 || r.Size <= 0 {
		t.Errorf("feed %+v, scanned at %s in %g s, %d bytes", r.Feed, r.ScannedAt, r.Seconds, r.Size)
	}
	if n := r.Counts()[advisory.SeverityCritical]; n != 2 || len(r.Findings) != 2 {
		t.Fatalf("%d critical of %d findings, want openssl's in its two packages", n, len(r.Findings))
	}
	f := r.Findings[0]
	if f.ID != "CVE-2021-3711" || f.Package.Name != "libssl1.1" || f.Package.Version != "1.1.1d-0+deb10u6" || f.FixedVersion != "1.1.1d-0+deb10u7" {
		t.Errorf("finding %+v", f)
	}
	if b.metrics.get("started") != 1 || b.metrics.get("finished ok") != 1 || b.metrics.get("layer") != 3 {
		t.Errorf("counts %v", b.metrics.counts)
	}
}

func TestFixedImageHasNoFinding(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	if r := b.report(t, b.reg.MustPush(t.Context(), "nginx:fixed", imagetest.Nginx119Fixed())); len(r.Findings) != 0 {
		t.Errorf("findings %+v", r.Findings)
	}
}

func TestDeletedPackagesAreNotFound(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	if r := b.report(t, b.reg.MustPush(t.Context(), "two:1", imagetest.TwoLayer())); len(r.Findings) != 0 || r.Packages == 0 {
		t.Errorf("%d packages, findings %+v", r.Packages, r.Findings)
	}
}

func TestWarmScanAsksNobody(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	ref := b.reg.MustPush(t.Context(), "nginx:1.19", imagetest.Nginx119())
	other := b.reg.MustPush(t.Context(), "nginx:stable", imagetest.Nginx119())
	first := b.report(t, ref)
	b.report(t, other)
	b.reg.ResetCounts()
	b.stores.breakWith(errors.New("must not be asked"))
	if again := b.report(t, ref); again != first {
		t.Error("another report")
	}
	if r := b.report(t, other); r.Image != other || r.Digest != first.Digest || len(r.Findings) != len(first.Findings) {
		t.Errorf("by another name: %+v", r)
	}
	if n := b.reg.Requests(); n != 0 || b.metrics.get("failed get report") != 0 || b.metrics.get("started") != 1 {
		t.Errorf("%d requests, counts %v", n, b.metrics.counts)
	}
}

func TestStoredReportOutlivesTheProcess(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	ref := b.reg.MustPush(t.Context(), "nginx:1.19", imagetest.Nginx119())
	first := b.report(t, ref)
	eventually(t, "the report is stored", func() bool { return b.stores.has("report " + first.Digest + " " + first.Feed.Revision) })
	b.restart(t)
	b.reg.ResetCounts()
	r := b.report(t, ref)
	if len(r.Findings) != len(first.Findings) || b.reg.Requests() != 0 || b.metrics.get("hit report") != 1 {
		t.Errorf("%d findings, %d requests, counts %v", len(r.Findings), b.reg.Requests(), b.metrics.counts)
	}
}

func TestNewFeedNeedsNoPull(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	ref := b.reg.MustPush(t.Context(), "nginx:1.19", imagetest.Nginx119())
	old := b.report(t, ref)
	eventually(t, "the inventory is stored", func() bool { return b.stores.has("inventory " + old.Digest) })
	b.reg.ResetCounts()
	b.feed.set(newFeed(t, opensslFeed("2")))
	r := b.report(t, ref)
	if r.Feed.Revision == old.Feed.Revision || r.Findings[0].Summary != "SM2 decryption overflow, revision 2" {
		t.Errorf("feed %s, %q", r.Feed.Revision, r.Findings[0].Summary)
	}
	if !r.ScannedAt.Equal(old.ScannedAt) || r.Packages != old.Packages || r.OS != old.OS {
		t.Errorf("report %+v", r)
	}
	if n := b.reg.Requests(); n != 0 || b.metrics.get("hit inventory") != 1 {
		t.Errorf("%d requests, counts %v", n, b.metrics.counts)
	}
}

func TestSharedLayerIsReadOnce(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	base := imagetest.Layer(imagetest.Text("etc/os-release", "ID=debian\nVERSION_ID=10\n"),
		imagetest.Text(imagetest.DpkgStatusPath, imagetest.DpkgStatus(imagetest.Nginx119Packages()...)))
	one := b.reg.MustPush(t.Context(), "app:1", imagetest.Image(base, imagetest.Layer(imagetest.Text("one", "1"))))
	two := b.reg.MustPush(t.Context(), "app:2", imagetest.Image(base, imagetest.Layer(imagetest.Text("two", "2")), base))
	digest, err := base.Digest()
	if err != nil {
		t.Fatal(err)
	}
	open := make(chan struct{})
	b.reg.Inject(imagetest.Path("/blobs/"+digest.String()), imagetest.Always, b.reg.Gate(open))
	var callers sync.WaitGroup
	for _, ref := range []string{one, two} {
		callers.Go(func() {
			if r, err := b.Scan(t.Context(), scan.Request{Reference: ref}); err != nil || len(r.Findings) != 2 {
				t.Errorf("%s: %+v %v", ref, r, err)
			}
		})
	}
	eventually(t, "both scans run", func() bool { return b.metrics.get("started") == 2 })
	close(open)
	callers.Wait()
	if n := b.reg.Count("/blobs/" + digest.String()); n != 1 {
		t.Errorf("the shared layer was asked for %d times", n)
	}
	b.restart(t)
	b.reg.ResetCounts()
	three := b.reg.MustPush(t.Context(), "three:1", imagetest.Image(base, imagetest.Layer(imagetest.Text("three", "3"))))
	if r := b.report(t, three); len(r.Findings) != 2 || b.reg.Count("/blobs/"+digest.String()) != 0 {
		t.Errorf("a stored layer was asked for: %+v", r)
	}
}

func TestManyScansOfOneColdImagePullOnce(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	img := imagetest.Nginx119()
	ref := b.reg.MustPush(t.Context(), "nginx:1.19", img)
	open := make(chan struct{})
	b.reg.Inject(imagetest.Blob, imagetest.Always, b.reg.Gate(open))
	const callers = 50
	var group sync.WaitGroup
	for range callers {
		group.Go(func() {
			if r, err := b.Scan(t.Context(), scan.Request{Reference: ref}); err != nil || len(r.Findings) != 2 {
				t.Errorf("%+v %v", r, err)
			}
		})
	}
	eventually(t, "the pull has begun", func() bool { return b.reg.Blobs() > 0 })
	close(open)
	group.Wait()
	if m, blobs := b.reg.Manifests(), b.reg.Blobs(); m != 1 || blobs != 4 { // the configuration and three layers
		t.Errorf("%d manifests, %d blobs, want 1 and 4", m, blobs)
	}
	if b.metrics.get("started") != 1 {
		t.Errorf("counts %v", b.metrics.counts)
	}
}

func TestPendingThenReady(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	img := imagetest.Nginx119()
	ref := b.reg.MustPush(t.Context(), "nginx:1.19", img)
	layer := firstLayer(t, img)
	open := make(chan struct{})
	b.reg.Inject(imagetest.Path(layer), imagetest.Always, b.reg.Gate(open))
	err := b.leave(t, ref, "the layer is asked for", func() bool { return b.reg.Count(layer) > 0 })
	wantError(t, err, scan.KindPending, "image "+ref+": pending: 0.0 of 0.0 MB are read", "the scan goes on; retry in a moment")
	close(open)
	eventually(t, "the scan finishes by itself", func() bool { return b.metrics.get("finished ok") == 1 })
	b.reg.ResetCounts()
	if r := b.report(t, ref); len(r.Findings) != 2 || b.reg.Requests() != 0 {
		t.Errorf("retry: %d findings, %d requests", len(r.Findings), b.reg.Requests())
	}
}

func TestNoFeed(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	ref := b.reg.MustPush(t.Context(), "nginx:1.19", imagetest.Nginx119())
	b.feed.set(nil)
	_, err := b.Scan(t.Context(), scan.Request{Reference: ref})
	wantError(t, err, scan.KindNoFeed, "image "+ref+": no-feed: no file feed.index",
		"give the server a feed: make one with runecast feed build, or load one with runecast feed import")
	if n := b.reg.Requests(); n != 0 {
		t.Errorf("%d requests without a feed", n)
	}
	b.feed.set(newFeed(t, opensslFeed("1")))
	if r := b.report(t, ref); len(r.Findings) != 2 {
		t.Errorf("%d findings", len(r.Findings))
	}
}

func TestMissingEcosystemIsTold(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	r := b.report(t, b.reg.MustPush(t.Context(), "alpine:3.8", imagetest.Alpine()))
	if len(r.Uncovered) != 1 || r.Uncovered[0].Ecosystem != "Alpine:v3.8" || r.Uncovered[0].Packages != len(imagetest.AlpinePackages()) {
		t.Errorf("uncovered %+v", r.Uncovered)
	}
}

func TestProgress(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var last scan.Progress
	b := newBench(t, func(o *scan.Options) {
		o.Progress = func(p scan.Progress) {
			mu.Lock()
			defer mu.Unlock()
			last = p
		}
	})
	ref := b.reg.MustPush(t.Context(), "nginx:1.19", imagetest.Nginx119())
	r := b.report(t, ref)
	mu.Lock()
	defer mu.Unlock()
	if !last.Finished || last.Done != r.Size || last.Total != r.Size || last.Image != ref || last.Digest != r.Digest {
		t.Errorf("progress %+v of %d bytes", last, r.Size)
	}
}

func TestNewEngineChecksOptions(t *testing.T) {
	t.Parallel()
	_, err := scan.NewEngine(scan.Options{Timeout: -1, MaxScans: -2})
	const want = "scan options: there is no Images\nthere is no Feeds\nTimeout is -1ns, less than zero\nMaxScans is -2, less than zero"
	if err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}
