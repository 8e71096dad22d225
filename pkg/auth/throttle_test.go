package auth_test

import (
	"errors"
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/runecast/runecast/pkg/auth"
)

const window = 15 * time.Minute

// TestThrottlePair refuses the 11th attempt of one address as one user, the right password too, until the window is over.
func TestThrottlePair(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	for range 10 {
		d.refused("a wrong password", wrong("192.0.2.1"), auth.ErrBadLogin)
	}
	d.refused("the right password after 10 wrong ones", right("192.0.2.1"), auth.ErrThrottled)
	d.logIn(right("192.0.2.2")) // of another address it goes on
	d.wait(window - time.Second)
	d.refused("the right password within the window", right("192.0.2.1"), auth.ErrThrottled)
	d.wait(time.Second)
	d.logIn(right("192.0.2.1"))
	// A success forgets the failures before it.
	for range 3 {
		for range 9 {
			d.refused("a wrong password", wrong("192.0.2.1"), auth.ErrBadLogin)
		}
		d.logIn(right("192.0.2.1"))
		d.wait(window)
	}
}

// TestThrottleAddress refuses the 51st attempt of one address, whatever the names, and takes an IPv6 network for one.
func TestThrottleAddress(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	for n := range 50 {
		d.refused("nobody", &auth.Attempt{Name: fmt.Sprintf("nobody%d", n), Password: own, Address: fmt.Sprintf("2001:db8::%x", n)}, auth.ErrBadLogin)
	}
	d.refused("the right password of that network", right("2001:db8::ffff"), auth.ErrThrottled)
	d.logIn(right("2001:db8:0:1::1"))
	d.wait(window)
	d.logIn(right("2001:db8::ffff"))
}

// TestThrottleUser lets one password be guessed 100 times in a window, whatever the number of addresses. Who has logged in with a
// browser before still gets in with it, and others after the window.
func TestThrottleUser(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	device := d.logIn(right("198.51.100.1")).Device
	d.wait(window)
	guesses := 0
	for n := range 400 {
		_, err := d.Login(t.Context(), wrong(fmt.Sprintf("192.0.%d.%d", n/100, n%100)))
		if errors.Is(err, auth.ErrBadLogin) {
			guesses++
		} else if !errors.Is(err, auth.ErrThrottled) {
			t.Fatal(err)
		}
	}
	if guesses > 100 || guesses < 95 { // a slot that two addresses share takes a guess or two away
		t.Errorf("%d passwords were looked at", guesses)
	}
	d.refused("a new browser during an attack", right("198.51.100.1"), auth.ErrThrottled)
	known := right("198.51.100.1")
	known.Device = device
	d.logIn(known)
	// Another server of the same database knows the browser too.
	if _, err := d.another().Login(t.Context(), known); err != nil {
		t.Error(err)
	}
	// What is no proof of this user counts as none.
	for _, forged := range []string{"x", device + "x", "x" + device, ".", device[:len(device)-2] + "AA"} {
		a := right("198.51.100.1")
		a.Device = forged
		d.refused("a forged device "+forged, a, auth.ErrThrottled)
	}
	// A browser that was stolen guesses no faster.
	for range 10 {
		a := wrong("198.51.100.9")
		a.Device = device
		d.refused("a wrong password of a known browser", a, auth.ErrBadLogin)
	}
	d.refused("the 11th", known, auth.ErrThrottled)
	d.wait(window)
	d.logIn(right("198.51.100.1"))
	// With the password the proof ends.
	if err := d.ChangePassword(t.Context(), right("198.51.100.1"), own); err != nil {
		t.Fatal(err)
	}
	auth.Guess(d.Sessions, "admin", 400, time.Unix(0, d.now.Load()))
	d.refused("the device of the old password", &auth.Attempt{Name: "admin", Password: own, Address: "198.51.100.1", Device: device}, auth.ErrThrottled)
}

// TestThrottleOfOtherDevices: the proof of one user is none of another.
func TestThrottleOfOtherDevices(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	if _, err := auth.AddUser(t.Context(), d.store, "reader", auth.RoleReadOnly, own); err != nil {
		t.Fatal(err)
	}
	device := d.logIn(&auth.Attempt{Name: "reader", Password: own, Address: "192.0.2.1"}).Device
	for range 10 {
		a := wrong("192.0.2.1")
		a.Device = device
		d.refused("a wrong password", a, auth.ErrBadLogin)
	}
	a := right("192.0.2.1")
	a.Device = device
	d.refused("the 11th attempt", a, auth.ErrThrottled)
}

// TestThrottleMemory floods it with a million keys: its memory is what it was, and what it counted before is counted still.
func TestThrottleMemory(t *testing.T) { //nolint:paralleltest // it measures memory
	d := newDesk(t)
	for range 10 {
		d.refused("a wrong password", wrong("192.0.2.1"), auth.ErrBadLogin)
	}
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	auth.Flood(d.Sessions, 1_000_000, time.Unix(0, d.now.Load()))
	runtime.GC()
	runtime.ReadMemStats(&after)
	if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > 1<<20 {
		t.Errorf("a million keys take %d bytes", grown)
	}
	d.refused("the 11th attempt", right("192.0.2.1"), auth.ErrThrottled)
}

// TestRefusalsKept bounds what the audit log keeps of refused logins.
func TestRefusalsKept(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	for _, window := range []time.Duration{0, window} {
		d.wait(window)
		kept := 0
		for range 2000 {
			if d.KeepRefusal() {
				kept++
			}
		}
		if kept != 500 {
			t.Errorf("%d refusals are kept", kept)
		}
	}
}

// TestLoginTiming takes as long for names that are not there, or cannot be, as for those that are: nobody learns names by the clock. The
// least of several tries counts, as the machine may be busy.
func TestLoginTiming(t *testing.T) { //nolint:paralleltest // it measures time
	d := newDesk(t)
	if _, err := d.store.CreateUser(t.Context(), &auth.User{Name: "known", Role: auth.RoleReadOnly, Source: auth.SourceOIDC, Identity: "issuer known", CreatedAt: time.Now()}); err != nil {
		t.Fatal(err)
	}
	least := map[string]time.Duration{}
	for n := range 8 {
		for _, name := range []string{"admin", "nobody", "known", "<not a name>"} {
			began := time.Now()
			d.refused(name, &auth.Attempt{Name: name, Password: "nonsense", Address: fmt.Sprintf("192.0.2.%d", n)}, auth.ErrBadLogin)
			if took := time.Since(began); least[name] == 0 || took < least[name] {
				least[name] = took
			}
		}
	}
	for name, took := range least {
		if took < least["admin"]/2 || took > 2*least["admin"] {
			t.Errorf("a wrong password takes %s as %s and %s as admin", took, name, least["admin"])
		}
	}
}
