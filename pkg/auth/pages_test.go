package auth_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/runecast/runecast/pkg/auth"
	"github.com/runecast/runecast/pkg/store"
	"github.com/runecast/runecast/pkg/store/storetest"
)

const (
	oneTime = "one-time-password"
	own     = "a password of my own"
)

// desk is a Sessions on a real database, with a clock that the test sets.
type desk struct {
	*auth.Sessions
	t     *testing.T
	store *store.Store
	now   atomic.Int64 // nanoseconds
}

func newDesk(t *testing.T) *desk {
	t.Helper()
	d := &desk{t: t, store: storetest.Open(t, storetest.SQLite().New(t))}
	d.now.Store(time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC).UnixNano())
	d.Sessions = d.another()
	if _, err := auth.AddUser(t.Context(), d.store, "admin", auth.RoleAdministrator, oneTime); err != nil {
		t.Fatal(err)
	}
	return d
}

// another is that of another server of the same database.
func (d *desk) another() *auth.Sessions {
	return auth.NewSessions(d.store, func() time.Time { return time.Unix(0, d.now.Load()) })
}

func (d *desk) wait(duration time.Duration) { d.now.Add(int64(duration)) }

func (d *desk) logIn(a *auth.Attempt) *auth.Login {
	d.t.Helper()
	login, err := d.Login(d.t.Context(), a)
	if err != nil {
		d.t.Fatal(err)
	}
	return login
}

func (d *desk) refused(what string, a *auth.Attempt, want error) {
	d.t.Helper()
	if login, err := d.Login(d.t.Context(), a); login != nil || !errors.Is(err, want) {
		d.t.Errorf("%s: %v, %v, want %v", what, login, err, want)
	}
}

// alive tells whether a session lasts.
func (d *desk) alive(id string) bool {
	d.t.Helper()
	user, err := d.User(d.t.Context(), id)
	if err != nil && !errors.Is(err, auth.ErrNoSession) {
		d.t.Fatal(err)
	}
	return user != nil
}

func right(address string) *auth.Attempt {
	return &auth.Attempt{Name: "admin", Password: oneTime, Address: address}
}

func wrong(address string) *auth.Attempt {
	return &auth.Attempt{Name: "admin", Password: "nonsense", Address: address}
}

func TestSessionsEndByIdleness(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	id := d.logIn(right("192.0.2.1")).Session
	for range 5 { // each look keeps it
		d.wait(auth.SessionIdle - time.Second)
		if !d.alive(id) {
			t.Fatal("the session has ended though it was used")
		}
	}
	d.wait(30 * time.Second) // too short to be noted, and so not counted
	if !d.alive(id) {
		t.Fatal("the session has ended though it was used")
	}
	d.wait(auth.SessionIdle - 30*time.Second)
	if d.alive(id) {
		t.Error("the session goes on after 30 minutes without a request")
	}
}

func TestSessionsEndAbsolutely(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	id := d.logIn(right("192.0.2.1")).Session
	for spent := time.Duration(0); spent < auth.SessionAbsolute-20*time.Minute; spent += 20 * time.Minute {
		d.wait(20 * time.Minute)
		if !d.alive(id) {
			t.Fatalf("the session has ended after %s", spent)
		}
	}
	d.wait(20*time.Minute + time.Second)
	if d.alive(id) {
		t.Error("the session goes on after 12 hours")
	}
	// The next login deletes what has ended.
	d.logIn(right("192.0.2.1"))
	d.now.Store(d.now.Load() - int64(time.Hour))
	if d.alive(id) {
		t.Error("the session is still stored")
	}
}

// TestSessionsEndWithWhatTheyRestOn ends them by logout, new password, reset and deletion, also those of other servers.
func TestSessionsEndWithWhatTheyRestOn(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	if _, err := auth.AddUser(t.Context(), d.store, "second", auth.RoleAdministrator, oneTime); err != nil {
		t.Fatal(err)
	}
	other := d.logIn(&auth.Attempt{Name: "second", Password: oneTime}).Session
	for _, c := range []struct {
		what string
		end  func(id string) error
		both bool // ends all sessions of the user
	}{
		{"logout", func(id string) error { return d.Logout(t.Context(), id) }, false},
		{"new password", func(string) error { return d.ChangePassword(t.Context(), right(""), own) }, true},
		{"reset", func(string) error {
			_, err := auth.ResetPassword(t.Context(), d.store, "admin")
			return err
		}, true},
		{"deletion", func(string) error { _, err := d.store.DeleteUser(t.Context(), "admin"); return err }, true},
	} {
		if _, err := d.store.SetPassword(t.Context(), "admin", auth.HashPassword(oneTime), false); err != nil {
			t.Fatal(err)
		}
		first, second := d.logIn(right("")).Session, d.logIn(right("")).Session
		if first == second || !d.alive(first) || !d.alive(second) {
			t.Fatalf("%s: the sessions are %s, %s", c.what, first, second)
		}
		if err := c.end(first); err != nil {
			t.Fatal(err)
		}
		if d.alive(first) || d.alive(second) == c.both {
			t.Errorf("%s: the first goes on: %v, the second: %v", c.what, d.alive(first), d.alive(second))
		}
	}
	if !d.alive(other) {
		t.Error("the session of another user has ended")
	}
	for _, id := range []string{"", "x", strings.Repeat("x", 1<<20), other + "x"} {
		if d.alive(id) {
			t.Errorf("%.20q is a session", id)
		}
	}
}

// lateLogin is a store in which the password is changed between the check of the old one and the session that comes of it.
type lateLogin struct {
	*store.Store
	change func(context.Context) error
}

func (l *lateLogin) CreateSession(ctx context.Context, s *auth.Session) error {
	if err := l.change(ctx); err != nil {
		return err
	}
	return l.Store.CreateSession(ctx, s) //nolint:wrapcheck // a test
}

// TestLoginDuringPasswordChange begins no session by the old password.
func TestLoginDuringPasswordChange(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	late := &lateLogin{d.store, func(ctx context.Context) error { return d.ChangePassword(ctx, right(""), own) }}
	login, err := auth.NewSessions(late, nil).Login(t.Context(), right(""))
	if err != nil {
		t.Fatal(err)
	}
	if d.alive(login.Session) {
		t.Error("a session of the old password goes on")
	}
}

func TestChangePassword(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	for _, c := range []struct {
		old, password string
		want          string
	}{
		{"nonsense", own, "the name or the password is wrong"},
		{oneTime, "short", "a password has 12 to 256 characters"},
		{oneTime, strings.Repeat("x", 257), "a password has 12 to 256 characters"},
		{oneTime, oneTime, "choose another password than the one before"},
		{oneTime, own, ""},
		{oneTime, own, "the name or the password is wrong"},
	} {
		err := d.ChangePassword(t.Context(), &auth.Attempt{Name: "admin", Password: c.old}, c.password)
		if (err == nil) != (c.want == "") || err != nil && err.Error() != c.want {
			t.Errorf("%q to %q: %v, want %q", c.old, c.password, err, c.want)
		}
	}
	user, err := d.store.User(t.Context(), "admin")
	if err != nil || user.MustChange || strings.Contains(user.Password, own) {
		t.Errorf("%+v, %v", user, err)
	}
}

func TestUsers(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	for _, c := range []struct {
		name     string
		role     auth.Role
		password string
		want     string
	}{
		{"admin", auth.RoleReadOnly, "", "add user admin: there is a user of that name already"},
		{"", auth.RoleReadOnly, "", "a user's name has 1 to 63"},
		{"<script>", auth.RoleReadOnly, "", "a user's name has 1 to 63"},
		{"a\nb", auth.RoleReadOnly, "", "a user's name has 1 to 63"},
		{"../etc", auth.RoleReadOnly, "", "a user's name has 1 to 63"},
		{strings.Repeat("x", 64), auth.RoleReadOnly, "", "a user's name has 1 to 63"},
		{"x", "Root", "", `the role "Root" is none of`},
		{"x", "", "short", "a password has 12 to 256"},
	} {
		if _, err := auth.AddUser(t.Context(), d.store, c.name, c.role, c.password); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: %v, want %s", c.name, err, c.want)
		}
	}
	password, err := auth.AddUser(t.Context(), d.store, "alice@example.com", auth.RoleReadOnly, "")
	if err != nil || len(password) != 22 {
		t.Fatalf("%q, %v", password, err)
	}
	login := d.logIn(&auth.Attempt{Name: "alice@example.com", Password: password})
	if !login.User.MustChange || login.User.Role != auth.RoleReadOnly {
		t.Errorf("%+v", login.User)
	}
	if _, err := auth.ResetPassword(t.Context(), d.store, "nobody"); !errors.Is(err, auth.ErrNoUser) {
		t.Error(err)
	}
	if err := auth.ChangeRole(t.Context(), d.store, "nobody", auth.RoleReadOnly); !errors.Is(err, auth.ErrNoUser) {
		t.Error(err)
	}
	if err := auth.ChangeRole(t.Context(), d.store, "admin", auth.RoleReadOnly); !errors.Is(err, auth.ErrLastAdministrator) {
		t.Error(err)
	}
	if err := auth.ChangeRole(t.Context(), d.store, "admin", "Root"); err == nil {
		t.Error("there is a role Root")
	}
	if err := auth.ChangeRole(t.Context(), d.store, "alice@example.com", auth.RoleAdministrator); err != nil {
		t.Error(err)
	}
	if user, err := d.User(t.Context(), login.Session); err != nil || user.Role != auth.RoleAdministrator {
		t.Errorf("the session has the role of before: %+v, %v", user, err)
	}
}

// TestEmergency lets local administrators in and nobody else.
func TestEmergency(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	if _, err := auth.AddUser(t.Context(), d.store, "reader", auth.RoleReadOnly, oneTime); err != nil {
		t.Fatal(err)
	}
	d.refused("a reader in an emergency", &auth.Attempt{Name: "reader", Password: oneTime, Emergency: true}, auth.ErrBadLogin)
	d.logIn(&auth.Attempt{Name: "admin", Password: oneTime, Emergency: true})
}

// TestLoginsAtOnce begins many sessions at the same time, each of its own.
func TestLoginsAtOnce(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	var seen sync.Map
	var wait sync.WaitGroup
	for n := range 12 {
		wait.Go(func() {
			login, err := d.Login(t.Context(), right(fmt.Sprintf("192.0.2.%d", n)))
			if err != nil {
				t.Errorf("login %d: %v", n, err)
				return
			}
			if _, twice := seen.LoadOrStore(login.Session, true); twice || !d.alive(login.Session) {
				t.Errorf("the session of login %d is another's, or has ended", n)
			}
		})
	}
	wait.Wait()
}
