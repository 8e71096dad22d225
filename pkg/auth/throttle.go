package auth

import (
	"sync"
	"time"
)

const (
	throttleWindow = 15 * time.Minute
	perUser        = 10     // attempts to log in as one user in a window
	perAddress     = 50     // attempts of one address in a window
	maxThrottled   = 10_000 // keys that are remembered
)

// throttle counts attempts by key within a window. Its memory is bounded: when it is full the oldest key is forgotten.
type throttle struct {
	mu   sync.Mutex
	seen map[string]attempts
}

type attempts struct {
	since time.Time
	count int
}

// take counts an attempt before it is judged, so that many at once count too, and tells whether it is within the limit.
func (t *throttle) take(key string, limit int, now time.Time) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	a, known := t.seen[key]
	if !known || now.Sub(a.since) >= throttleWindow {
		if !known && len(t.seen) >= maxThrottled {
			t.makeRoom(now)
		}
		a = attempts{since: now}
	}
	if a.count >= limit {
		return false
	}
	a.count++
	if t.seen == nil {
		t.seen = map[string]attempts{}
	}
	t.seen[key] = a
	return true
}

// makeRoom forgets what is past its window, or else the oldest.
func (t *throttle) makeRoom(now time.Time) {
	oldest, first := "", true
	for key, a := range t.seen {
		if now.Sub(a.since) >= throttleWindow {
			delete(t.seen, key)
			continue
		}
		if first || a.since.Before(t.seen[oldest].since) {
			oldest, first = key, false
		}
	}
	if len(t.seen) >= maxThrottled {
		delete(t.seen, oldest)
	}
}

// forget starts a key anew, after a success.
func (t *throttle) forget(key string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.seen, key)
}
