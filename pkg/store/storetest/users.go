package storetest

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/runecast/runecast/pkg/auth"
	"github.com/runecast/runecast/pkg/store"
)

// localUser gives a user with a password's hash.
func localUser(name string, role auth.Role) *auth.User {
	return &auth.User{Name: name, Role: role, Source: auth.SourceLocal, Password: "$argon2id$of-" + name, MustChange: true, CreatedAt: when(), SeenAt: when().Add(time.Hour)}
}

// knownUser gives a user of a provider.
func knownUser(name string) *auth.User {
	return &auth.User{Name: name, Role: auth.RoleAdministrator, Source: auth.SourceOIDC, Identity: "https://issuer.example " + name, CreatedAt: when().Add(time.Second)}
}

func add(t *testing.T, s *store.Store, users ...*auth.User) {
	t.Helper()
	for _, u := range users {
		if created, err := s.CreateUser(t.Context(), u); err != nil || !created {
			t.Fatalf("user %s is created: %v, %v", u.Name, created, err)
		}
	}
}

func testUserRoundTrip(t *testing.T, b Backend) {
	t.Helper()
	s := Open(t, b.New(t))
	admin, reader, known := localUser("admin", auth.RoleAdministrator), localUser("reader", auth.RoleReadOnly), knownUser("known@example.com")
	reader.SeenAt, reader.MustChange = time.Time{}, false
	all := *admin
	all.Identity = known.Identity
	complete(t, all)
	add(t, s, reader, known, admin)
	list, err := s.Users(t.Context())
	must(t, err)
	equal(t, "users by name", list, []auth.User{*admin, *known, *reader})
	one, err := s.User(t.Context(), "known@example.com")
	must(t, err)
	equal(t, "user", one, known)
	utc(t, one.CreatedAt)
	one, err = s.Identity(t.Context(), known.Identity)
	must(t, err)
	equal(t, "user by identity", one, known)
	for _, identity := range []string{"", "https://issuer.example nobody"} {
		if one, err = s.Identity(t.Context(), identity); one != nil || err != nil {
			t.Errorf("the identity %q is that of %v, %v", identity, one, err)
		}
	}
	for _, name := range []string{"", "Admin", "nobody", "admin\x00", "' OR 1=1 --"} {
		if one, err = s.User(t.Context(), name); one != nil || err != nil {
			t.Errorf("there is a user %q: %v, %v", name, one, err)
		}
	}
}

func testUserOnce(t *testing.T, b Backend) {
	t.Helper()
	s := Open(t, b.New(t))
	add(t, s, localUser("admin", auth.RoleAdministrator), knownUser("known"))
	same := knownUser("other")
	same.Identity = knownUser("known").Identity
	for _, u := range []*auth.User{localUser("admin", auth.RoleReadOnly), knownUser("admin"), localUser("known", auth.RoleReadOnly), same} {
		if created, err := s.CreateUser(t.Context(), u); err != nil || created {
			t.Errorf("a second %s %s is created: %v, %v", u.Source, u.Name, created, err)
		}
	}
	for _, u := range []*auth.User{
		{},
		{Name: "x"},
		{Name: "x", Source: auth.SourceLocal},
		{Name: "x", Source: auth.SourceOIDC},
		{Name: "x", Source: auth.SourceOIDC, Identity: "i", Password: "p"},
		{Name: "x", Source: auth.SourceLocal, Identity: "i", Password: "p"},
		{Source: auth.SourceLocal, Password: "p"},
	} {
		if _, err := s.CreateUser(t.Context(), u); err == nil {
			t.Errorf("the user %+v is created", u)
		}
	}
	list, err := s.Users(t.Context())
	must(t, err)
	equal(t, "users", list, []auth.User{*localUser("admin", auth.RoleAdministrator), *knownUser("known")})
}

func testUserChanges(t *testing.T, b Backend) {
	t.Helper()
	s := Open(t, b.New(t))
	add(t, s, localUser("admin", auth.RoleAdministrator), localUser("reader", auth.RoleReadOnly), knownUser("known"))
	for _, c := range []struct {
		what string
		do   func() (bool, error)
		want bool
	}{
		{"role of a local user", func() (bool, error) { return s.SetRole(t.Context(), "reader", auth.RoleAdministrator) }, true},
		{"role of one of a provider", func() (bool, error) { return s.SetRole(t.Context(), "known", auth.RoleReadOnly) }, false},
		{"role of nobody", func() (bool, error) { return s.SetRole(t.Context(), "nobody", auth.RoleReadOnly) }, false},
		{"password of a local user", func() (bool, error) { return s.SetPassword(t.Context(), "reader", "new", false) }, true},
		{"password of one of a provider", func() (bool, error) { return s.SetPassword(t.Context(), "known", "new", false) }, false},
		{"password of nobody", func() (bool, error) { return s.SetPassword(t.Context(), "nobody", "new", false) }, false},
		{"deletion of one of a provider", func() (bool, error) { return s.DeleteUser(t.Context(), "known") }, true},
		{"deletion of nobody", func() (bool, error) { return s.DeleteUser(t.Context(), "known") }, false},
	} {
		if got, err := c.do(); err != nil || got != c.want {
			t.Errorf("%s: %v, %v", c.what, got, err)
		}
	}
	reader := localUser("reader", auth.RoleAdministrator)
	reader.Password, reader.MustChange = "new", false
	got, err := s.User(t.Context(), "reader")
	must(t, err)
	equal(t, "the changed user", got, reader)
	// A login is noted, and brings a role only to those of a provider.
	add(t, s, knownUser("again"))
	later := when().Add(48 * time.Hour)
	for _, name := range []string{"reader", "again", "nobody"} {
		must(t, s.SeeUser(t.Context(), name, auth.RoleReadOnly, later))
	}
	list, err := s.Users(t.Context())
	must(t, err)
	again := knownUser("again")
	again.Role, again.SeenAt, reader.SeenAt = auth.RoleReadOnly, later, later
	equal(t, "after logins", list, []auth.User{*localUser("admin", auth.RoleAdministrator), *again, *reader})
}

func testLastAdministrator(t *testing.T, b Backend) {
	t.Helper()
	s := Open(t, b.New(t))
	add(t, s, localUser("admin", auth.RoleAdministrator), localUser("reader", auth.RoleReadOnly), knownUser("known"))
	if _, err := s.DeleteUser(t.Context(), "admin"); !errors.Is(err, auth.ErrLastAdministrator) {
		t.Errorf("the last administrator is deleted: %v", err)
	}
	if _, err := s.SetRole(t.Context(), "admin", auth.RoleReadOnly); !errors.Is(err, auth.ErrLastAdministrator) {
		t.Errorf("the last administrator is one no more: %v", err)
	}
	if _, err := s.SetRole(t.Context(), "admin", auth.RoleAdministrator); err != nil {
		t.Error(err)
	}
	if _, err := s.DeleteUser(t.Context(), "reader"); err != nil {
		t.Error(err)
	}
	// Many delete and demote each other at once, from several stores: one is left.
	dsn := b.New(t)
	stores := []*store.Store{Open(t, dsn), Open(t, dsn)}
	const all = 12
	for n := range all {
		add(t, stores[0], localUser(fmt.Sprintf("admin%02d", n), auth.RoleAdministrator))
	}
	var wait sync.WaitGroup
	refused := make(chan error, all)
	for n := range all {
		wait.Go(func() {
			name, mine := fmt.Sprintf("admin%02d", n), stores[n%2]
			var err error
			if n%3 == 0 {
				_, err = mine.SetRole(t.Context(), name, auth.RoleReadOnly)
			} else {
				_, err = mine.DeleteUser(t.Context(), name)
			}
			if err != nil {
				refused <- err
			}
		})
	}
	wait.Wait()
	close(refused)
	count := 0
	for err := range refused {
		if count++; !errors.Is(err, auth.ErrLastAdministrator) {
			t.Error(err)
		}
	}
	list, err := stores[0].Users(t.Context())
	must(t, err)
	left := 0
	for i := range list {
		if list[i].Role == auth.RoleAdministrator {
			left++
		}
	}
	if left != 1 || count != 1 {
		t.Errorf("%d administrators are left, %d changes were refused", left, count)
	}
}

func sampleSession(n byte, user string) *auth.Session {
	return &auth.Session{Hash: []byte{n, 0, 255}, User: user, Stamp: "stamp", CreatedAt: when(), SeenAt: when().Add(time.Duration(n) * time.Minute)}
}

func testSessions(t *testing.T, b Backend) {
	t.Helper()
	s := Open(t, b.New(t))
	add(t, s, localUser("admin", auth.RoleAdministrator), localUser("reader", auth.RoleReadOnly))
	first, second, other := sampleSession(1, "admin"), sampleSession(2, "admin"), sampleSession(3, "reader")
	complete(t, *first)
	for _, session := range []*auth.Session{first, second, other} {
		must(t, s.CreateSession(t.Context(), session))
	}
	has := func(want ...*auth.Session) {
		t.Helper()
		for _, session := range []*auth.Session{first, second, other} {
			got, err := s.Session(t.Context(), session.Hash)
			must(t, err)
			expected := (*auth.Session)(nil)
			for _, w := range want {
				if w == session {
					expected = w
				}
			}
			equal(t, fmt.Sprintf("session %x", session.Hash), got, expected)
		}
	}
	has(first, second, other)
	if err := s.CreateSession(t.Context(), first); err == nil {
		t.Error("the same session is created twice")
	}
	if err := s.CreateSession(t.Context(), sampleSession(4, "nobody")); err == nil {
		t.Error("nobody has a session")
	}
	for _, at := range []time.Time{when().Add(time.Hour), when()} {
		must(t, s.TouchSession(t.Context(), first.Hash, at))
	}
	must(t, s.TouchSession(t.Context(), []byte("none"), when()))
	first.SeenAt = when().Add(time.Hour)
	has(first, second, other)
	must(t, s.DeleteSession(t.Context(), second.Hash))
	must(t, s.DeleteSession(t.Context(), second.Hash))
	has(first, other)
	_, err := s.SetPassword(t.Context(), "admin", "new", false)
	must(t, err)
	has(other)
	_, err = s.DeleteUser(t.Context(), "reader")
	must(t, err)
	has()
}

func testPruneSessions(t *testing.T, b Backend) {
	t.Helper()
	s := Open(t, b.New(t))
	add(t, s, localUser("admin", auth.RoleAdministrator))
	for n := range byte(6) {
		session := sampleSession(n, "admin")
		if n >= 4 {
			session.CreatedAt = when().Add(-time.Hour)
		}
		must(t, s.CreateSession(t.Context(), session))
	}
	must(t, s.PruneSessions(t.Context(), when(), when().Add(2*time.Minute)))
	for n := range byte(6) {
		got, err := s.Session(t.Context(), sampleSession(n, "").Hash)
		if want := n == 2 || n == 3; err != nil || (got != nil) != want {
			t.Errorf("session %d: %v, %v", n, got, err)
		}
	}
}
