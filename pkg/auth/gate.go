package auth

import (
	"context"
	"sync/atomic"
	"time"
)

const (
	maxHashing = 2  // passwords hashed at a time: each takes 19 MiB
	maxWaiting = 16 // attempts of unknown browsers that wait for their turn
)

// gate holds what attempts to log in may cost.
type gate struct {
	addresses, pairs, users, devices, answers, refusals *throttle

	hashing chan struct{}
	waiting atomic.Int32
	nobody  string // a hash to compare with where there is no such user, so that both take as long
}

func newGate() *gate {
	return &gate{
		addresses: newThrottle(throttleSlots), pairs: newThrottle(throttleSlots), users: newThrottle(throttleSlots), devices: newThrottle(throttleSlots),
		answers: newThrottle(throttleSlots), refusals: newThrottle(1),
		hashing: make(chan struct{}, maxHashing), nobody: HashPassword(randomText(passwordBytes)),
	}
}

// admit counts an attempt and tells whether it may be judged.
func (g *gate) admit(name, address, device string, now time.Time) bool {
	if device != "" {
		return g.devices.take(name+" "+device, perDevice, now)
	}
	address = network(address)
	return g.addresses.take(address, perAddress, now) && g.pairs.take(address+" "+name, perPair, now) && g.users.take(name, perUser, now)
}

// passed forgets the failures of one who got in. Those of the address and of the user at other addresses stay.
func (g *gate) passed(name, address, device string) {
	if device != "" {
		g.devices.forget(name + " " + device)
		return
	}
	g.pairs.forget(network(address) + " " + name)
}

// verify is VerifyPassword, for few at a time. Known browsers wait however many others do.
func (g *gate) verify(ctx context.Context, hash, password string, known bool) (bool, error) {
	if waiting := g.waiting.Add(1); waiting > maxWaiting && !known {
		g.waiting.Add(-1)
		return false, ErrBusy
	}
	select {
	case g.hashing <- struct{}{}:
		g.waiting.Add(-1)
	case <-ctx.Done():
		g.waiting.Add(-1)
		return false, ctx.Err()
	}
	defer func() { <-g.hashing }()
	return VerifyPassword(hash, password)
}
