package auth

import (
	"hash/maphash"
	"net/netip"
	"sync"
	"time"
)

// How many attempts to log in there may be in a window; more are refused before anything is looked up or hashed. A browser in which the
// user has logged in before has a count of its own, so that nobody else's attempts lock it out; new ones wait while an attack
// goes on, and for a window after it. One password can be guessed at 9,600 times a day at most, whatever the number of addresses.
const (
	throttleWindow = 15 * time.Minute
	perAddress     = 50  // of one address, or of one IPv6 network of 64 bits, as any name
	perPair        = 10  // of one address as one user
	perUser        = 100 // as one user, of all addresses
	perDevice      = 10  // of one browser that is known
	perAnswers     = 300 // answers of a login provider that one address brings
	refusalsKept   = 500 // refused logins that the audit log keeps; the program's log has all
)

// throttleSlots is the size of each table, of 64 KiB.
const throttleSlots = 8192

// throttle counts attempts by key within a window. Keys share a fixed number of slots by a hash that nobody else can compute: its
// memory is what it is, no flood of keys makes it forget one, and what a flood costs others is the chance to share a slot.
type throttle struct {
	mu    sync.Mutex
	seed  maphash.Seed
	slots []attempts
}

type attempts struct {
	since uint32 // in seconds since 1970, until 2106
	count uint32
}

func newThrottle(slots int) *throttle {
	return &throttle{seed: maphash.MakeSeed(), slots: make([]attempts, slots)}
}

func (t *throttle) slot(key string) *attempts {
	return &t.slots[maphash.String(t.seed, key)%uint64(len(t.slots))]
}

// take counts an attempt before it is judged, so that many at once count too, and tells whether it is within the limit.
func (t *throttle) take(key string, limit uint32, now time.Time) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	a := t.slot(key)
	second := uint32(now.Unix()) //nolint:gosec // until 2106
	if second-a.since >= uint32(throttleWindow/time.Second) {
		*a = attempts{since: second}
	}
	if a.count >= limit {
		return false
	}
	a.count++
	return true
}

// forget starts a key anew, after a success.
func (t *throttle) forget(key string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	*t.slot(key) = attempts{}
}

// network is what counts as one address: whoever has an IPv6 address has 2^64 of them (RFC 6177, section 2).
func network(address string) string {
	ip, err := netip.ParseAddr(address)
	if err != nil || ip.Is4() || ip.Is4In6() {
		return address
	}
	prefix, err := ip.WithZone("").Prefix(64)
	if err != nil {
		return address
	}
	return prefix.String()
}
