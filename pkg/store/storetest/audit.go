package storetest

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/runecast/runecast/pkg/auth"
	"github.com/runecast/runecast/pkg/store"
)

// sampleEntry gives an entry of the audit log with every field.
func sampleEntry(n int) auth.AuditEntry {
	return auth.AuditEntry{
		ID: fmt.Sprintf("entry-%04d", n), At: when().Add(time.Duration(n) * time.Second), Actor: auth.Actor{Kind: auth.ActorToken, Name: "pipeline “a”", ID: "3f9c"},
		Address: "2001:db8::1", Action: "policy changed", Subject: "strict", Details: map[string]any{"mode": "warn", "rules": 2.0, "hostile": "<b>\x00"},
	}
}

func testAudit(t *testing.T, b Backend) {
	t.Helper()
	for name, test := range map[string]func(*testing.T, Backend){
		"an entry comes back with every field": testAuditRoundTrip,
		"it is listed in pages":                testAuditPages,
		"it is filtered":                       testAuditFilters,
		"old entries are pruned":               testPruneAudit,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, b)
		})
	}
}

func testAuditRoundTrip(t *testing.T, b Backend) {
	t.Helper()
	s := Open(t, b.New(t))
	full := sampleEntry(1)
	complete(t, full)
	bare := auth.AuditEntry{ID: "bare", At: when(), Actor: auth.Actor{Kind: auth.ActorSystem, Name: "server"}, Action: "user created"}
	hostile := sampleEntry(2)
	hostile.Actor.Name, hostile.Subject, hostile.Details = "a\x00b\xff", string(make([]byte, 5000)), nil
	must(t, s.CreateAuditEntry(t.Context(), &full))
	must(t, s.CreateAuditEntry(t.Context(), &bare))
	must(t, s.CreateAuditEntry(t.Context(), &hostile))
	again := full
	again.Action = "something else"
	must(t, s.CreateAuditEntry(t.Context(), &again))
	list, next, err := s.AuditEntries(t.Context(), &auth.AuditQuery{})
	must(t, err)
	if len(list) != 3 || next != "" || list[0].Actor.Name != "a\uFFFDb\uFFFD" {
		t.Fatalf("%d entries, next %q: %v", len(list), next, list)
	}
	equal(t, "entries, newest first", list[1:], []auth.AuditEntry{full, bare})
	utc(t, list[1].At)
}

func testAuditPages(t *testing.T, b Backend) {
	t.Helper()
	s := Open(t, b.New(t))
	const all = 25
	for n := range all {
		e := sampleEntry(n)
		e.At = when().Add(time.Duration(n/10) * time.Second) // many at the same time
		must(t, s.CreateAuditEntry(t.Context(), &e))
	}
	seen := map[string]bool{}
	last, cursor := "~", ""
	for page := 0; ; page++ {
		list, next, err := s.AuditEntries(t.Context(), &auth.AuditQuery{Limit: 7, Before: cursor})
		must(t, err)
		for i := range list {
			if seen[list[i].ID] || list[i].ID >= last {
				t.Errorf("%s comes after %s", list[i].ID, last)
			}
			seen[list[i].ID], last = true, list[i].ID
		}
		late := sampleEntry(1000 + page) // those that come in meanwhile are not of these pages
		must(t, s.CreateAuditEntry(t.Context(), &late))
		if cursor = next; next == "" {
			break
		}
	}
	if len(seen) != all {
		t.Errorf("%d entries were listed, want %d", len(seen), all)
	}
	for _, bad := range []string{"x", "!!", "eA", "MTIz"} {
		if _, _, err := s.AuditEntries(t.Context(), &auth.AuditQuery{Before: bad}); !errors.Is(err, store.ErrBadCursor) {
			t.Errorf("the cursor %q gives %v", bad, err)
		}
	}
}

func testAuditFilters(t *testing.T, b Backend) {
	t.Helper()
	s := Open(t, b.New(t))
	for n, change := range []func(*auth.AuditEntry){
		func(*auth.AuditEntry) {},
		func(e *auth.AuditEntry) { e.Actor.Kind = auth.ActorUser },
		func(e *auth.AuditEntry) { e.Actor.Name = "admin" },
		func(e *auth.AuditEntry) { e.Action = "logged in" },
		func(e *auth.AuditEntry) { e.Subject = "2" },
	} {
		e := sampleEntry(n)
		change(&e)
		must(t, s.CreateAuditEntry(t.Context(), &e))
	}
	for _, c := range []*struct {
		query auth.AuditQuery
		want  string
	}{
		{auth.AuditQuery{}, "43210"},
		{auth.AuditQuery{Kind: auth.ActorUser}, "1"},
		{auth.AuditQuery{Actor: "admin"}, "2"},
		{auth.AuditQuery{Actor: "' OR 1=1 --"}, ""},
		{auth.AuditQuery{Action: "logged in"}, "3"},
		{auth.AuditQuery{Subject: "2"}, "4"},
		{auth.AuditQuery{Subject: "strict", Kind: auth.ActorToken}, "320"},
		{auth.AuditQuery{From: when().Add(3 * time.Second)}, "43"},
		{auth.AuditQuery{To: when().Add(2 * time.Second)}, "10"},
		{auth.AuditQuery{From: when().Add(time.Second), To: when().Add(2 * time.Second), Action: "policy changed"}, "1"},
	} {
		list, _, err := s.AuditEntries(t.Context(), &c.query)
		must(t, err)
		var got strings.Builder
		for i := range list {
			n, err := strconv.Atoi(list[i].ID[len("entry-"):])
			must(t, err)
			got.WriteString(strconv.Itoa(n))
		}
		if got.String() != c.want {
			t.Errorf("%+v gives %s, want %s", c.query, &got, c.want)
		}
	}
}

func testPruneAudit(t *testing.T, b Backend) {
	t.Helper()
	s := Open(t, b.New(t))
	for n := range 5 {
		e := sampleEntry(n)
		must(t, s.CreateAuditEntry(t.Context(), &e))
	}
	before := when().Add(3 * time.Second)
	for _, want := range []int64{2, 1, 0} {
		if gone, err := s.PruneAudit(t.Context(), before, 2); err != nil || gone != want {
			t.Errorf("%d are gone, want %d: %v", gone, want, err)
		}
	}
	list, _, err := s.AuditEntries(t.Context(), &auth.AuditQuery{})
	must(t, err)
	equal(t, "what is left", list, []auth.AuditEntry{sampleEntry(4), sampleEntry(3)})
}
