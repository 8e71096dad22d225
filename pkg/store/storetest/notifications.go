package storetest

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/runecast/runecast/pkg/admission"
	"github.com/runecast/runecast/pkg/notify"
	"github.com/runecast/runecast/pkg/policy"
	"github.com/runecast/runecast/pkg/rematch"
	"github.com/runecast/runecast/pkg/store"
)

// told are the destinations of the suite.
func told(change ...func(*notify.Destination)) *notify.Plan {
	list := []notify.Destination{
		{Name: "all", Events: notify.Kinds()},
		{Name: "shop", Events: []notify.Kind{notify.KindDeny}, Namespaces: []string{"sh*"}},
	}
	for _, c := range change {
		c(&list[0])
	}
	return notify.NewPlan(list, "https://runecast.example")
}

// notificationCalls are for what holds for all methods.
func notificationCalls() []call {
	return []call{
		{"ClaimNotifications", false, func(ctx context.Context, s *store.Store) error { // there is none, so nothing is written
			_, err := s.ClaimNotifications(ctx, notify.Claim{Destination: "x", Lease: "l", Now: when(), Until: when(), Limit: 1})
			return err
		}},
		{"SettleNotification", true, func(ctx context.Context, s *store.Store) error {
			_, err := s.SettleNotification(ctx, "id", "l", notify.Outcome{State: notify.StateSent, At: when()})
			return err
		}},
		{"Notifications", false, func(ctx context.Context, s *store.Store) error {
			_, _, err := s.Notifications(ctx, notify.Query{})
			return err
		}},
		{"NotificationCounts", false, func(ctx context.Context, s *store.Store) error { _, err := s.NotificationCounts(ctx); return err }},
		{"RetryNotification", true, func(ctx context.Context, s *store.Store) error {
			_, err := s.RetryNotification(ctx, "id", when())
			return err
		}},
		{"DiscardNotification", true, func(ctx context.Context, s *store.Store) error {
			_, err := s.DiscardNotification(ctx, "id")
			return err
		}},
		{"PruneNotifications", true, func(ctx context.Context, s *store.Store) error {
			_, err := s.PruneNotifications(ctx, when(), 1)
			return err
		}},
	}
}

// denial is a denied Deployment; n tells the time and, with the namespace and object, the group.
func denial(n int, namespace, name string) *admission.Decision {
	d := Decision(n)
	d.Allowed, d.Namespace, d.Name = false, namespace, name
	d.Images = d.Images[:1]
	d.Images[0].Reference, d.Images[0].Digest = "nginx:1.19", Digest(1)
	return &d
}

func decide(t *testing.T, s *store.Store, plan *notify.Plan, list ...*admission.Decision) {
	t.Helper()
	must(t, s.CreateDecisionsNotifying(t.Context(), list, plan.Decision))
}

// claim takes all that is due to a destination at a time after when().
func claim(t *testing.T, s *store.Store, destination string, after time.Duration) []notify.Notification {
	t.Helper()
	list, err := s.ClaimNotifications(t.Context(), notify.Claim{
		Destination: destination, Lease: "lease", Now: when().Add(after), Until: when().Add(after + time.Minute), Limit: 100,
	})
	must(t, err)
	return list
}

func settle(t *testing.T, s *store.Store, id string, o notify.Outcome) { //nolint:gocritic // hugeParam: written in place
	t.Helper()
	if ok, err := s.SettleNotification(t.Context(), id, "lease", o); err != nil || !ok {
		t.Fatalf("settle %s: %v %v", id, ok, err)
	}
}

func testNotificationGroups(t *testing.T, b Backend) { //nolint:gocyclo // long, not complex: one step after the other
	t.Helper()
	s, plan := Open(t, b.New(t)), told()
	decide(t, s, plan, denial(0, "bank", "web-5d8f7c-"))
	decide(t, s, plan, denial(2, "bank", "web-5d8f7c-"), denial(1, "bank", "web-77aaf1b-"), denial(1, "bank", "other"))
	list := claim(t, s, "all", 3*time.Second)
	if len(list) != 2 || len(claim(t, s, "shop", time.Hour)) != 0 {
		t.Fatalf("%d notifications: %+v", len(list), list)
	}
	first := list[0]
	if first.Content.Object.Name != "web-5d8f7c-" {
		first = list[1]
	}
	c := first.Content
	if first.Kind != notify.KindDeny || first.Attempts != 1 || c.Count != 3 || !c.First.Equal(when()) || !c.Last.Equal(when().Add(2*time.Second)) ||
		c.Scan == nil || c.Scan.URL != "https://runecast.example/scans/"+c.Scan.ID || len(c.Images) != 1 || len(c.Images[0].Vulnerabilities) != 1 || c.Images[0].Violations != 2 {
		t.Errorf("%+v", first)
	}
	// It is being sent, so its content stays; what follows is collected until the window of an hour ends.
	decide(t, s, plan, denial(60, "bank", "web-5d8f7c-"))
	for n := range 50 {
		decide(t, s, plan, denial(61+n, "bank", "web-5d8f7c-"))
	}
	settle(t, s, list[0].ID, notify.Outcome{State: notify.StateSent, At: when()})
	settle(t, s, list[1].ID, notify.Outcome{State: notify.StateSent, At: when()})
	if early := claim(t, s, "all", 59*time.Minute); len(early) != 0 {
		t.Errorf("told before the window's end: %+v", early)
	}
	list = claim(t, s, "all", time.Hour)
	if len(list) != 1 || list[0].Content.Count != 51 {
		t.Fatalf("%+v", list)
	}
	settle(t, s, list[0].ID, notify.Outcome{State: notify.StateSent, At: when()})
	decide(t, s, plan, denial(3*3600, "bank", "web-5d8f7c-"))
	if list = claim(t, s, "all", 3*time.Hour); len(list) != 1 || list[0].Content.Count != 1 {
		t.Errorf("after the window an event is not told at once: %+v", list)
	}
}

func testNotificationOnce(t *testing.T, b Backend) {
	t.Helper()
	s, plan := Open(t, b.New(t)), told()
	d := denial(1, "shop", "web")
	decide(t, s, plan, d)
	decide(t, s, plan, d) // as a recorder does that does not know whether the first try came through
	flip := Flip(1)
	for range 2 {
		_, err := s.PutFlipsNotifying(t.Context(), nil, []rematch.Flip{flip}, plan.Flip)
		must(t, err)
	}
	warned, unknown, pending, compliant, asked := denial(2, "x", "a"), denial(2, "x", "b"), denial(2, "x", "c"), denial(2, "x", "d"), denial(2, "x", "e")
	warned.Allowed, unknown.Verdict, pending.Verdict, pending.Reason = true, policy.VerdictUnknown, policy.VerdictUnknown, admission.ReasonPending
	compliant.Verdict, asked.Trigger = policy.VerdictAllow, admission.TriggerAPI
	decide(t, s, plan, warned, unknown, pending, compliant, asked)
	got := map[string]int{}
	for _, destination := range []string{"all", "shop"} {
		list := claim(t, s, destination, 24*time.Hour)
		for i := range list {
			got[destination+" "+string(list[i].Kind)] += list[i].Content.Count
		}
	}
	equal(t, "notifications", got, map[string]int{"all deny": 1, "all flip": 1, "all warn": 1, "all unknown": 1, "shop deny": 1})
}

func testNotificationLimit(t *testing.T, b Backend) {
	t.Helper()
	s, plan := Open(t, b.New(t)), told(func(d *notify.Destination) { d.MaxPerHour = 3 })
	for n := range 10 {
		decide(t, s, plan, denial(n, "bank", fmt.Sprintf("web%d", n)), denial(n, "bank", fmt.Sprintf("api%d", n)))
	}
	got := map[notify.Kind]int{}
	list := claim(t, s, "all", 10*time.Minute)
	for i := range list {
		n := &list[i]
		got[n.Kind] += n.Content.Count
		if n.Kind == notify.KindMore && n.Content.Limit != 3 {
			t.Errorf("%+v", n)
		}
	}
	equal(t, "events", got, map[notify.Kind]int{notify.KindDeny: 3, notify.KindMore: 17})
	decide(t, s, plan, denial(3700, "bank", "later")) // an hour after
	if list = claim(t, s, "all", 3700*time.Second); len(list) == 0 || list[len(list)-1].Kind != notify.KindDeny {
		t.Errorf("%+v", list)
	}
}

func testNotificationLease(t *testing.T, b Backend) { //nolint:gocyclo // long, not complex: one step after the other
	t.Helper()
	s, plan := Open(t, b.New(t)), told()
	decide(t, s, plan, denial(0, "bank", "web"))
	first := claim(t, s, "all", 0)
	if again := claim(t, s, "all", 30*time.Second); len(first) != 1 || len(again) != 0 {
		t.Fatalf("%d, then %d while the lease lasts", len(first), len(again))
	}
	// Its worker was killed: it comes back with the same id and content.
	decide(t, s, plan, denial(10, "bank", "web"))
	second, err := s.ClaimNotifications(t.Context(), notify.Claim{Destination: "all", Lease: "another", Now: when().Add(2 * time.Minute), Until: when().Add(3 * time.Minute), Limit: 9})
	must(t, err)
	if len(second) != 1 || second[0].ID != first[0].ID || second[0].Attempts != 2 {
		t.Fatalf("%+v", second)
	}
	equal(t, "content", second[0].Content, first[0].Content)
	ok, err := s.SettleNotification(t.Context(), first[0].ID, "lease", notify.Outcome{State: notify.StateSent, At: when()})
	if err != nil || ok {
		t.Errorf("a worker that lost its lease settles: %v %v", ok, err)
	}
	ok, err = s.SettleNotification(t.Context(), first[0].ID, "another", notify.Outcome{State: notify.StateWaiting, At: when(), DueAt: when().Add(50 * time.Minute), Error: "away"})
	if err != nil || !ok {
		t.Errorf("%v %v", ok, err)
	}
	if early := claim(t, s, "all", 49*time.Minute); len(early) != 0 {
		t.Errorf("tried again too early: %+v", early)
	}
	third := claim(t, s, "all", time.Hour)
	if len(third) != 2 || third[0].ID != first[0].ID || third[0].Error != "away" || third[0].Attempts != 3 {
		t.Errorf("%+v", third)
	}
	settle(t, s, third[0].ID, notify.Outcome{State: notify.StateWaiting, DueAt: when(), Again: true})
	if list := claim(t, s, "all", time.Hour); len(list) != 1 || list[0].Attempts != 3 {
		t.Errorf("an attempt that was not made counts: %+v", list)
	}
}

// testNotificationServers has four servers deny the same Deployments and send what comes of it, all at once.
func testNotificationServers(t *testing.T, b Backend) {
	t.Helper()
	const servers, batches, names = 4, 15, 5
	dsn, plan := b.New(t), told()
	var writers, senders sync.WaitGroup
	var mu sync.Mutex
	sent, events := map[string]int{}, 0
	done := make(chan struct{})
	for i := range servers {
		s := Open(t, dsn)
		writers.Go(func() {
			for n := range batches {
				var batch []*admission.Decision
				for j := range names {
					batch = append(batch, denial(n, "bank", fmt.Sprintf("web%d", (i+j)%names))) // each in an order of its own
				}
				if err := s.CreateDecisionsNotifying(t.Context(), batch, plan.Decision); err != nil {
					t.Errorf("store decisions: %v", err)
				}
			}
		})
		senders.Go(func() {
			for last := false; ; {
				now := when().Add(10_000 * time.Hour) // whatever the windows
				list, err := s.ClaimNotifications(t.Context(), notify.Claim{Destination: "all", Lease: uuid.NewString(), Now: now, Until: now.Add(time.Hour), Limit: 3})
				if err != nil {
					t.Errorf("claim: %v", err)
					return
				}
				mu.Lock()
				for i := range list {
					sent[list[i].ID]++
					events += list[i].Content.Count
				}
				mu.Unlock()
				if len(list) > 0 {
					continue
				}
				if last {
					return
				}
				select {
				case <-done:
					last = true
				case <-time.After(time.Millisecond):
				}
			}
		})
	}
	writers.Wait()
	close(done)
	senders.Wait()
	for id, times := range sent {
		if times != 1 {
			t.Errorf("%s was sent %d times", id, times)
		}
	}
	if want := servers * batches * names; events != want {
		t.Errorf("%d events were told of %d, in %d notifications", events, want, len(sent))
	}
}

func testNotificationMailbox(t *testing.T, b Backend) { //nolint:gocyclo // long, not complex: one step after the other
	t.Helper()
	s, plan := Open(t, b.New(t)), told()
	for n := range 7 {
		decide(t, s, plan, denial(n, "shop", fmt.Sprintf("web%d", n)))
	}
	list := claim(t, s, "all", time.Minute)
	for i := range list[:3] {
		settle(t, s, list[i].ID, notify.Outcome{State: notify.StateDead, At: when().Add(time.Minute), Error: "410 Gone"})
	}
	settle(t, s, list[3].ID, notify.Outcome{State: notify.StateSent, At: when().Add(time.Minute)})
	counts, err := s.NotificationCounts(t.Context())
	must(t, err)
	equal(t, "counts", counts, map[notify.State]int64{notify.StateDead: 3, notify.StateSent: 1, notify.StateWaiting: 10})
	pages := func(q notify.Query) (ids []string) {
		for q.Limit = 2; ; {
			page, next, failure := s.Notifications(t.Context(), q)
			must(t, failure)
			for i := range page {
				ids = append(ids, page[i].ID)
				utc(t, page[i].CreatedAt)
			}
			if q.Before = next; next == "" {
				return ids
			}
		}
	}
	if ids := pages(notify.Query{}); len(ids) != 14 {
		t.Errorf("%d of 14: %v", len(ids), ids)
	}
	equal(t, "the dead, newest first", pages(notify.Query{State: notify.StateDead, Destination: "all"}), []string{list[2].ID, list[1].ID, list[0].ID})
	if _, _, err = s.Notifications(t.Context(), notify.Query{Before: "nonsense"}); err == nil || !strings.Contains(err.Error(), "the cursor is not valid") {
		t.Errorf("%v", err)
	}
	page, _, err := s.Notifications(t.Context(), notify.Query{State: notify.StateDead, Limit: 1})
	must(t, err)
	if n := page[0]; n.Error != "410 Gone" || !n.SettledAt.Equal(when().Add(time.Minute)) || !n.DueAt.IsZero() || n.Attempts != 1 {
		t.Errorf("%+v", n)
	}
	retryAndDiscard(t, s, list)
	again := claim(t, s, "all", time.Hour)
	if len(again) != 4 || again[len(again)-1].ID != list[0].ID || again[len(again)-1].Attempts != 1 {
		t.Errorf("%+v", again)
	}
	equal(t, "content", again[len(again)-1].Content, list[0].Content)
	if gone, err := s.PruneNotifications(t.Context(), when().Add(30*time.Second), 100); err != nil || gone != 11 { // those that nobody settled
		t.Errorf("%d %v", gone, err)
	}
	if gone, err := s.PruneNotifications(t.Context(), when().Add(2*time.Minute), 1); err != nil || gone != 1 {
		t.Errorf("%d %v", gone, err)
	}
}

// retryAndDiscard is what a person may do, and may not.
func retryAndDiscard(t *testing.T, s *store.Store, list []notify.Notification) {
	t.Helper()
	for _, c := range []struct {
		what string
		do   func() (bool, error)
		want bool
	}{
		{"retry one that was sent", func() (bool, error) { return s.RetryNotification(t.Context(), list[3].ID, when()) }, false},
		{"retry", func() (bool, error) { return s.RetryNotification(t.Context(), list[0].ID, when().Add(time.Hour)) }, true},
		{"retry it twice", func() (bool, error) { return s.RetryNotification(t.Context(), list[0].ID, when()) }, false},
		{"discard one that waits", func() (bool, error) { return s.DiscardNotification(t.Context(), list[0].ID) }, false},
		{"discard", func() (bool, error) { return s.DiscardNotification(t.Context(), list[1].ID) }, true},
		{"discard it twice", func() (bool, error) { return s.DiscardNotification(t.Context(), list[1].ID) }, false},
	} {
		if got, err := c.do(); err != nil || got != c.want {
			t.Errorf("%s: %v %v", c.what, got, err)
		}
	}
}

func testNotificationHostileTexts(t *testing.T, b Backend) {
	t.Helper()
	s, plan := Open(t, b.New(t)), told()
	d := denial(0, "shop\x00\xff", strings.Repeat("name\r\n", 1000))
	d.User, d.Images[0].Reference = "ann\x00", "nginx:1.19\r\nBcc: everybody@example.com\xff"
	decide(t, s, plan, d)
	list := claim(t, s, "all", 0)
	if len(list) != 1 || len([]rune(list[0].Content.Object.Name)) > 300 || !strings.Contains(list[0].Content.Images[0].Reference, "\r\nBcc: ") {
		t.Errorf("%+v", list)
	}
}
