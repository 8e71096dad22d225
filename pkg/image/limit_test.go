package image_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/runecast/runecast/pkg/image"
	"github.com/runecast/runecast/pkg/image/imagetest"
)

// TestRegistryThatAsksToWait is not asked by anybody until then; others are.
func TestRegistryThatAsksToWait(t *testing.T) {
	t.Parallel()
	busy, other := newRegistry(t), newRegistry(t)
	first := busy.MustPush(t.Context(), "app:1", imagetest.Alpine())
	second := busy.MustPush(t.Context(), "another:1", imagetest.Alpine())
	elsewhere := other.MustPush(t.Context(), "app:1", imagetest.Alpine())
	busy.Inject(imagetest.Manifest, 1, imagetest.TooManyRequests(90))
	var ahead atomic.Int64
	p := newPuller(t, func(o *image.Options) {
		o.Now = func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
	})
	_, err := p.Resolve(t.Context(), first, "")
	wantError(t, err, image.KindRateLimited, "image "+first+": registry "+busy.Host()+" answers 429 Too Many Requests to the request for manifest 1 and asks to wait 1m30s")
	asked := busy.Requests()
	ahead.Store(int64(80 * time.Second))
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	_, err = p.Resolve(ctx, second, "")
	e, ok := err.(*image.Error) //nolint:errorlint // Resolve's own
	if !ok || e.Kind != image.KindRateLimited || e.RetryAfter <= 0 || e.RetryAfter > 10*time.Second {
		t.Errorf("asked in the meantime: %v", err)
	}
	if n := busy.Requests(); n != asked {
		t.Errorf("%d requests in the meantime", n-asked)
	}
	resolve(t, p, elsewhere)
	ahead.Store(int64(91 * time.Second))
	resolve(t, p, second)
}

func TestRequestsPerSecond(t *testing.T) {
	t.Parallel()
	slowly, freely := newRegistry(t), newRegistry(t)
	ref := slowly.MustPush(t.Context(), "app:1", imagetest.Alpine()) // ping, manifest, configuration
	elsewhere := freely.MustPush(t.Context(), "app:1", imagetest.Alpine())
	p := newPuller(t, func(o *image.Options) { o.MaxRate = 1 })
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	begin := time.Now()
	var group sync.WaitGroup
	group.Go(func() {
		if _, err := p.Resolve(ctx, ref, ""); err != nil {
			t.Error(err)
		}
		if n, least := slowly.Requests(), time.Since(begin); least < time.Duration(n-1)*900*time.Millisecond {
			t.Errorf("%d requests in %s", n, least)
		}
	})
	group.Go(func() {
		if _, err := p.Resolve(ctx, elsewhere, ""); err != nil {
			t.Error(err)
		}
	})
	group.Wait()
	_, err := newPuller(t, func(o *image.Options) { o.MaxRate, o.Attempts, o.ResolveTimeout = 0.01, 1, time.Second }).Resolve(t.Context(), ref, "")
	wantError(t, err, image.KindRateLimited, "image "+ref+": the request for manifest 1 to registry "+slowly.Host()+
		" is not made: there is no time left to wait for a turn among 0.01 requests a second (the setting registryRateLimit)")
}

// TestConnectionsAtATime has one registry take all of its own connections, and another one answer.
func TestConnectionsAtATime(t *testing.T) {
	t.Parallel()
	silent, well := newRegistry(t), newRegistry(t)
	ref := well.MustPush(t.Context(), "app:1", imagetest.Alpine())
	open := make(chan struct{})
	silent.Inject(imagetest.Manifest, imagetest.Always, silent.Gate(open))
	p := newPuller(t, func(o *image.Options) { o.MaxConnections, o.Attempts = 2, 1 })
	var group sync.WaitGroup
	for _, name := range []string{"a", "b", "c", "d"} {
		group.Go(func() {
			named := silent.MustPush(t.Context(), name+":1", imagetest.Alpine())
			if _, err := p.Resolve(t.Context(), named, ""); err != nil {
				t.Error(err)
			}
		})
	}
	for begin := time.Now(); silent.Manifests() < 2; time.Sleep(time.Millisecond) {
		if time.Since(begin) > 10*time.Second {
			t.Fatal("no two requests")
		}
	}
	resolve(t, p, ref)
	if n := silent.Manifests(); n != 2 {
		t.Errorf("%d requests at a time", n)
	}
	close(open)
	group.Wait()
	if n := silent.Manifests(); n != 4 {
		t.Errorf("%d requests in all", n)
	}
}
