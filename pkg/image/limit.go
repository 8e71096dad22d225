package image

import (
	"context"
	"fmt"
	"math"
	"net/http"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// maxHosts is how many registries' limits are kept; the one that was not asked for longest is forgotten.
const maxHosts = 1024

// hostLimit is what one registry may be asked.
type hostLimit struct {
	rate  *rate.Limiter // nil: no limit
	slots chan struct{}

	mu    sync.Mutex
	until time.Time // no request before it, as the registry asked
}

// limits holds back requests: so many in a second and so many at a time to each registry, and none to one that has asked to
// wait. One registry that is slow or near its quota does not hold up the others.
type limits struct {
	perSecond float64
	atOnce    int
	now       func() time.Time

	mu    sync.Mutex // so that two requests make one hostLimit
	hosts *lru[*hostLimit]
}

// crowded is a request for which there was no time until its turn.
type crowded struct{ text string }

func (c *crowded) Error() string { return c.text }

func newLimits(perSecond float64, atOnce int, now func() time.Time) *limits {
	return &limits{perSecond: perSecond, atOnce: atOnce, now: now, hosts: newLRU[*hostLimit](maxHosts)}
}

func (l *limits) of(host string) *hostLimit {
	l.mu.Lock()
	defer l.mu.Unlock()
	if known, ok := l.hosts.get(host); ok {
		return known
	}
	h := &hostLimit{slots: make(chan struct{}, l.atOnce)}
	if l.perSecond > 0 {
		h.rate = rate.NewLimiter(rate.Limit(l.perSecond), max(1, int(math.Ceil(l.perSecond))))
	}
	l.hosts.put(host, h, 1)
	return h
}

// enter waits for a request's turn; release ends it, once its body is read. A registry that has asked to wait is not waited for
// here, but by whoever has the time to: the answer is the one that it would give.
func (l *limits) enter(ctx context.Context, req *http.Request) (release func(), err error) {
	if err := l.paused(req.URL.Host); err != nil {
		return nil, err
	}
	host, known := ctx.Value(registryKey{}).(string)
	if !known {
		host = req.URL.Host
	}
	h := l.of(host)
	select {
	case h.slots <- struct{}{}:
	case <-ctx.Done():
		return nil, &crowded{fmt.Sprintf("all %d connections that it may have (the setting registryMaxConnections) are in use", l.atOnce)}
	}
	release = sync.OnceFunc(func() { <-h.slots })
	if h.rate != nil {
		if h.rate.Wait(ctx) != nil {
			release()
			return nil, &crowded{fmt.Sprintf("there is no time left to wait for a turn among %g requests a second (the setting registryRateLimit)", l.perSecond)}
		}
	}
	if err := l.paused(req.URL.Host); err != nil {
		release()
		return nil, err
	}
	return release, nil
}

func (l *limits) paused(host string) error {
	h := l.of(host)
	h.mu.Lock()
	defer h.mu.Unlock()
	if left := h.until.Sub(l.now()); left > 0 {
		return &throttled{http.StatusTooManyRequests, left.Round(time.Millisecond)}
	}
	return nil
}

// pause keeps a host from being asked for a while.
func (l *limits) pause(host string, wait time.Duration) {
	h := l.of(host)
	h.mu.Lock()
	defer h.mu.Unlock()
	if until := l.now().Add(min(wait, time.Hour)); until.After(h.until) {
		h.until = until
	}
}
