package auth_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/runecast/runecast/pkg/auth"
)

func alice(role auth.Role) *auth.Identity {
	return &auth.Identity{Issuer: "https://issuer.example", Subject: "1", Name: "alice", Role: role}
}

// TestLoginIdentity makes a user at the first login, and takes the role of each.
func TestLoginIdentity(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	first, err := d.LoginIdentity(t.Context(), alice(auth.RoleReadOnly))
	if err != nil || first.User.Role != auth.RoleReadOnly || first.User.Source != auth.SourceOIDC || !d.alive(first.Session) || first.Device != "" {
		t.Fatalf("%+v, %v", first, err)
	}
	renamed := alice(auth.RoleAdministrator)
	renamed.Name = "bob"
	second, err := d.LoginIdentity(t.Context(), renamed)
	if err != nil || second.User.Name != "alice" || second.User.Role != auth.RoleAdministrator || second.Session == first.Session {
		t.Fatalf("%+v, %v", second, err)
	}
	// Who has no role any more is refused, and what sessions are left may do nothing.
	_, err = d.LoginIdentity(t.Context(), alice(""))
	if refused, ok := errors.AsType[*auth.RefusedError](err); !ok || !strings.HasPrefix(refused.Reason, "None of your groups may use these pages") {
		t.Errorf("%v", err)
	}
	if user, failure := d.User(t.Context(), second.Session); failure != nil || user.Role.May(auth.ActionRead) {
		t.Errorf("%+v, %v", user, failure)
	}
	users, err := d.store.Users(t.Context())
	if err != nil || len(users) != 2 {
		t.Errorf("%+v, %v", users, err)
	}
	// They have no password, and get none.
	d.refused("a password of one without", &auth.Attempt{Name: "alice", Password: ""}, auth.ErrBadLogin)
	d.refused("a password of one without", &auth.Attempt{Name: "alice", Password: own}, auth.ErrBadLogin)
	if _, err := auth.ResetPassword(t.Context(), d.store, "alice"); !errors.Is(err, auth.ErrNoUser) {
		t.Error(err)
	}
	if err := auth.ChangeRole(t.Context(), d.store, "alice", auth.RoleReadOnly); !errors.Is(err, auth.ErrNoUser) {
		t.Error(err)
	}
	d.wait(auth.SessionAbsolute)
	if d.alive(first.Session) {
		t.Error("the session goes on after 12 hours")
	}
}

func TestLoginIdentityRefused(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	if _, err := d.LoginIdentity(t.Context(), alice(auth.RoleReadOnly)); err != nil {
		t.Fatal(err)
	}
	for what, change := range map[string]func(*auth.Identity){
		"a local user's name":      func(i *auth.Identity) { i.Subject, i.Name = "2", "admin" },
		"another identity's name":  func(i *auth.Identity) { i.Subject = "2" },
		"another issuer's subject": func(i *auth.Identity) { i.Issuer = "https://other.example" },
		"no role":                  func(i *auth.Identity) { i.Subject, i.Name, i.Role = "3", "carol", "" },
		"no subject":               func(i *auth.Identity) { i.Subject = "" },
		"no issuer":                func(i *auth.Identity) { i.Issuer = "" },
		"a long subject":           func(i *auth.Identity) { i.Subject = strings.Repeat("x", 600) },
		"a hostile name":           func(i *auth.Identity) { i.Subject, i.Name = "4", "a b" },
	} {
		identity := alice(auth.RoleAdministrator)
		change(identity)
		login, err := d.LoginIdentity(t.Context(), identity)
		if _, ok := errors.AsType[*auth.RefusedError](err); login != nil || !ok {
			t.Errorf("%s: %+v, %v", what, login, err)
		}
	}
	if user, err := d.store.User(t.Context(), "alice"); err != nil || user.Role != auth.RoleReadOnly {
		t.Errorf("%+v, %v", user, err)
	}
	for n := range 301 {
		if err := d.AdmitAnswer("192.0.2.1"); (err != nil) != (n == 300) {
			t.Errorf("answer %d: %v", n, err)
		}
	}
}

// TestLoginIdentityAtOnce makes one user, whoever is first.
func TestLoginIdentityAtOnce(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	var wait sync.WaitGroup
	for n := range 10 {
		wait.Go(func() {
			if _, err := d.LoginIdentity(t.Context(), alice(auth.RoleReadOnly)); err != nil {
				t.Errorf("login %d: %v", n, err)
			}
			stranger := alice(auth.RoleReadOnly)
			stranger.Subject, stranger.Name = fmt.Sprintf("s%d", n), fmt.Sprintf("s%d", n)
			if _, err := d.LoginIdentity(t.Context(), stranger); err != nil {
				t.Errorf("stranger %d: %v", n, err)
			}
		})
	}
	wait.Wait()
	if users, err := d.store.Users(t.Context()); err != nil || len(users) != 12 {
		t.Errorf("%d users, %v", len(users), err)
	}
}
