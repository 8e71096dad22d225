package auth

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

const (
	touchEvery   = time.Minute     // at least between two notes of one token's last use
	touchTimeout = 2 * time.Second // for storing all notes of one round
)

// usage is when a token was last used, and when that was last handed to the store; microseconds since 1970, 0 for never. It
// outlives snapshots.
type usage struct {
	seen, stored atomic.Int64
}

// note remembers a use. Most of the time it only reads, so that reviews on many cores do not fight over the value.
func (u *usage) note(at time.Time) {
	now := at.UnixMicro()
	if seen := u.seen.Load(); now-seen >= time.Second.Microseconds() {
		u.seen.CompareAndSwap(seen, now)
	}
}

// due gives the use to store, if there is one that the store may hear of by now.
func (u *usage) due() (time.Time, bool) {
	seen, stored := u.seen.Load(), u.stored.Load()
	if seen == 0 || seen-stored < touchEvery.Microseconds() {
		return time.Time{}, false
	}
	return time.UnixMicro(seen).UTC(), true
}

// usageTable holds the usage of every token by id.
type usageTable struct {
	mu   sync.Mutex
	byID map[string]*usage
}

// of gives a token's usage; stored is the last use that the store knows.
func (t *usageTable) of(id string, stored time.Time) *usage {
	t.mu.Lock()
	defer t.mu.Unlock()
	if u := t.byID[id]; u != nil {
		return u
	}
	u := &usage{}
	if !stored.IsZero() {
		u.stored.Store(stored.UnixMicro())
	}
	if t.byID == nil {
		t.byID = map[string]*usage{}
	}
	t.byID[id] = u
	return u
}

// due lists the uses to store.
func (t *usageTable) due() map[string]time.Time {
	t.mu.Lock()
	defer t.mu.Unlock()
	list := map[string]time.Time{}
	for id, u := range t.byID {
		if at, is := u.due(); is {
			list[id] = at
			// Said before it is done: a store that fails is asked again in a minute, not at every tick.
			u.stored.Store(at.UnixMicro())
		}
	}
	return list
}

// touch stores last uses. A failure costs nothing but the note, so it is logged and forgotten.
func (a *Authenticator) touch(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, touchTimeout)
	defer cancel()
	for id, at := range a.usage.due() {
		if err := a.store.TouchToken(ctx, id, at); err != nil {
			a.log.WithError(err).WithField("token", id).Debug("the last use of an API token was not stored")
		}
	}
}
