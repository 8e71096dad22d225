package storetest

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/runecast/runecast/pkg/admission"
	"github.com/runecast/runecast/pkg/policy"
	"github.com/runecast/runecast/pkg/rematch"
	"github.com/runecast/runecast/pkg/store"
)

// Flip gives a flip with every field set.
func Flip(n int) rematch.Flip {
	return rematch.Flip{
		At: when().Add(time.Duration(n) * time.Hour), Digest: Digest(n), Reference: "nginx:1.19", PolicyID: "2", From: policy.VerdictAllow,
		To: policy.VerdictDeny, FromRevision: "f1", ToRevision: "f2", Since: when(),
		Causes: []rematch.Cause{{ID: "CVE-2021-3711", Package: "libssl1.1", Version: "1.1.1d-0+deb10u6", Fixed: "1.1.1d-0+deb10u7"}},
	}
}

func testInventories(t *testing.T, b Backend) {
	t.Helper()
	s := Open(t, b.New(t))
	for n := 1; n <= 5; n++ {
		must(t, s.PutInventory(t.Context(), Digest(n), Contents()))
	}
	must(t, s.CreateDecision(t.Context(), Decision(2)))
	allowed := Decision(3)
	allowed.Images[0].Digest, allowed.Images[0].Verdict = Digest(2), policy.VerdictAllow
	must(t, s.CreateDecision(t.Context(), allowed))
	var digests []string
	for q := (rematch.Query{Revision: "f2", Limit: 2}); ; {
		page, err := s.Inventories(t.Context(), q)
		must(t, err)
		if len(page) == 0 {
			break
		}
		for i := range page {
			digests = append(digests, page[i].Digest)
			contents, err := page[i].Load()
			must(t, err)
			equal(t, "contents", contents, Contents())
			if page[i].Late != 0 {
				t.Error("an inventory is late before any re-match")
			}
		}
		q.After = page[len(page)-1].Digest
	}
	equal(t, "digests", digests, []string{Digest(1), Digest(2), Digest(3), Digest(4), Digest(5)})
	judged := func(revision string) []rematch.Judged {
		page, err := s.Inventories(t.Context(), rematch.Query{After: Digest(1), Revision: revision, Limit: 1})
		must(t, err)
		return page[0].Judged
	}
	last := rematch.Judged{PolicyID: "2", Reference: "nginx:1.19", Verdict: policy.VerdictAllow, Revision: "f1", At: allowed.At}
	equal(t, "verdicts", judged("f2"), []rematch.Judged{last})
	if got := judged("f1"); len(got) != 0 {
		t.Errorf("decisions at the new revision count as earlier: %v", got)
	}
	flip := Flip(2)
	_, err := s.PutFlips(t.Context(), nil, []rematch.Flip{flip})
	must(t, err)
	flipped := []rematch.Judged{{PolicyID: "2", Reference: "nginx:1.19", Verdict: policy.VerdictDeny, Revision: "f2", At: flip.At}}
	equal(t, "verdicts after a flip", judged("f3"), flipped)
	behind := Decision(1e6) // of a server that has the old feed still, after the flip
	behind.Images[0].Digest = Digest(2)
	must(t, s.CreateDecision(t.Context(), behind))
	equal(t, "verdicts at the flip's revision", judged("f2"), flipped)
}

func testFlips(t *testing.T, b Backend) {
	t.Helper()
	s := Open(t, b.New(t))
	first, second := Flip(1), Flip(2)
	second.PolicyID = "3"
	complete(t, first)
	fresh, err := s.PutFlips(t.Context(), nil, []rematch.Flip{first, second})
	must(t, err)
	equal(t, "new flips", fresh, []rematch.Flip{first, second})
	fresh, err = s.PutFlips(t.Context(), nil, []rematch.Flip{first})
	must(t, err)
	if len(fresh) != 0 {
		t.Errorf("a flip was stored twice: %v", fresh)
	}
	all, err := s.Flips(t.Context(), "", 0)
	must(t, err)
	equal(t, "flips", all, []rematch.Flip{second, first})
	of, err := s.Flips(t.Context(), "2", 1)
	must(t, err)
	equal(t, "flips of policy 2", of, []rematch.Flip{first})
}

func testPrune(t *testing.T, b Backend) {
	t.Helper()
	s := Open(t, b.New(t))
	begin := time.Now().Add(-time.Minute)
	for i, revision := range []string{"f1", "f2", "f3"} {
		r := Report(1, 1)
		r.Feed.Revision = revision
		must(t, s.PutReport(t.Context(), r))
		must(t, s.BeginRematch(t.Context(), revision))
		must(t, s.FinishRematch(t.Context(), revision))
		must(t, s.FinishRematch(t.Context(), revision))
		done, err := s.Rematched(t.Context())
		must(t, err)
		if done.At.Before(begin) || done.At.After(time.Now().Add(time.Minute)) {
			t.Errorf("it was done at %s", done.At)
		}
		done.At = time.Time{}
		equal(t, "progress", done, rematch.Progress{Revision: revision, Previous: []string{"", "f1", "f2"}[i]})
	}
	for revision, kept := range map[string]bool{"f1": false, "f2": true, "f3": true} {
		r, err := s.Report(t.Context(), Digest(1), revision)
		must(t, err)
		if (r != nil) != kept {
			t.Errorf("the report at %s: kept is %v, want %v", revision, r != nil, kept)
		}
	}
}

func testExclusively(t *testing.T, b Backend) {
	t.Helper()
	dsn := b.New(t)
	s, other := Open(t, dsn), Open(t, dsn)
	_, file := b.Raw(t, dsn).ExecContext(t.Context(), "SELECT pg_backend_pid()")
	ran, err := s.Exclusively(t.Context(), func(ctx context.Context) error {
		second, err := other.Exclusively(ctx, func(context.Context) error { return nil })
		if second != (file != nil) { // an SQLite file has one server
			t.Errorf("the other ran: %v", second)
		}
		return err
	})
	if !ran || err != nil {
		t.Errorf("ran %v, %v", ran, err)
	}
	if ran, err := other.Exclusively(t.Context(), func(context.Context) error { return nil }); !ran || err != nil {
		t.Errorf("afterwards: ran %v, %v", ran, err)
	}
}

// lateOnes gives the late inventories.
func lateOnes(t *testing.T, s *store.Store) (page []rematch.Stored, digests []string) {
	t.Helper()
	page, err := s.Inventories(t.Context(), rematch.Query{Revision: "f2", Late: true, Limit: 100})
	must(t, err)
	for i := range page {
		digests = append(digests, page[i].Digest)
	}
	return page, digests
}

func testLate(t *testing.T, b Backend) {
	t.Helper()
	s := Open(t, b.New(t))
	decide := func(digest int, revision string) {
		d := Decision(digest)
		d.Images[0].FeedRevision = revision
		must(t, s.CreateDecision(t.Context(), d))
	}
	must(t, s.PutInventory(t.Context(), Digest(1), Contents()))
	must(t, s.PutInventory(t.Context(), Digest(2), Contents()))
	decide(1, "f1")
	if _, late := lateOnes(t, s); late != nil {
		t.Errorf("before any re-match %v are late", late)
	}
	must(t, s.BeginRematch(t.Context(), "f2"))
	decide(1, "f2")
	decide(2, "")
	if _, late := lateOnes(t, s); late != nil {
		t.Errorf("without a verdict by another feed %v are late", late)
	}
	decide(2, "f1")
	decide(3, "f1") // whose inventory comes later
	page, late := lateOnes(t, s)
	equal(t, "late", late, []string{Digest(2)})
	if len(page[0].Judged) != 1 || page[0].Judged[0].Revision != "f1" {
		t.Errorf("verdicts of the late one: %v", page[0].Judged)
	}
	must(t, s.PutInventory(t.Context(), Digest(3), Contents()))
	decide(2, "f1") // meanwhile
	_, err := s.PutFlips(t.Context(), page, nil)
	must(t, err)
	page, late = lateOnes(t, s)
	equal(t, "late after what came meanwhile", late, []string{Digest(2), Digest(3)})
	_, err = s.PutFlips(t.Context(), page, []rematch.Flip{Flip(3)})
	must(t, err)
	if _, late = lateOnes(t, s); late != nil {
		t.Errorf("%v are late still", late)
	}
	must(t, s.FinishRematch(t.Context(), "f2"))
	must(t, s.PutInventory(t.Context(), Digest(4), Contents()))
	_, late = lateOnes(t, s)
	equal(t, "late", late, []string{Digest(4)})
}

// testLateConcurrently stores decisions by the old feed while a re-match begins: each is seen by the re-match or late.
func testLateConcurrently(t *testing.T, b Backend) {
	t.Helper()
	dsn := b.New(t)
	s, other := Open(t, dsn), Open(t, dsn)
	const images = 40
	for n := range images {
		must(t, s.PutInventory(t.Context(), Digest(n), Contents()))
	}
	must(t, s.BeginRematch(t.Context(), "f1"))
	var writer sync.WaitGroup
	writer.Go(func() {
		for n := range images {
			d := Decision(n)
			d.Images[0].Digest = Digest(n)
			if err := other.CreateDecisions(t.Context(), []*admission.Decision{&d}); err != nil {
				t.Error(err)
			}
		}
	})
	must(t, s.BeginRematch(t.Context(), "f2"))
	seen, err := s.Inventories(t.Context(), rematch.Query{Revision: "f2", Limit: images})
	must(t, err)
	writer.Wait()
	_, late := lateOnes(t, s)
	for i := range seen {
		if len(seen[i].Judged) == 0 && !slices.Contains(late, seen[i].Digest) {
			t.Errorf("%s is neither seen nor late", seen[i].Digest)
		}
	}
}

func testPruneDecisions(t *testing.T, b Backend) {
	t.Helper()
	dsn := b.New(t)
	s := Open(t, dsn)
	want := seed(t, s, 9) // three at each time
	for _, step := range []struct{ limit, gone int64 }{{2, 2}, {500, 1}, {500, 0}} {
		gone, err := s.PruneDecisions(t.Context(), Decision(1).At, int(step.limit))
		if err != nil || gone != step.gone {
			t.Errorf("%d are deleted, want %d: %v", gone, step.gone, err)
		}
	}
	left, _, err := s.Decisions(t.Context(), store.DecisionFilter{})
	must(t, err)
	equal(t, "decisions", left, want[:6])
	var images int
	must(t, b.Raw(t, dsn).QueryRowContext(t.Context(), `SELECT count(*) FROM decision_images`).Scan(&images))
	if images != 12 {
		t.Errorf("%d images of decisions are left", images)
	}
}

func testPruneFlips(t *testing.T, b Backend) {
	t.Helper()
	s := Open(t, b.New(t))
	flip := func(digest, hour int) rematch.Flip {
		f := Flip(hour)
		f.Digest, f.ToRevision = Digest(digest), "f"+time.Duration(hour).String()
		return f
	}
	decide := func(digest int, at time.Time) {
		d := Decision(0)
		d.At, d.Images[0].Digest = at, Digest(digest)
		must(t, s.CreateDecision(t.Context(), d))
	}
	superseded, last := flip(1, 1), flip(1, 5)  // the last verdict of an image
	overtaken, orphan := flip(2, 2), flip(3, 3) // a decision came later; there is none any more
	older, newer, newest := flip(4, 10), flip(4, 11), flip(4, 12)
	decide(1, when())
	decide(2, when())
	decide(2, overtaken.At.Add(time.Minute))
	decide(4, when())
	_, err := s.PutFlips(t.Context(), nil, []rematch.Flip{superseded, last, overtaken, orphan, older, newer, newest})
	must(t, err)
	left := func(what string, want ...rematch.Flip) {
		t.Helper()
		got, err := s.Flips(t.Context(), "", 0)
		must(t, err)
		equal(t, what, got, want)
	}
	prune := func(most int64, limit int, want int64) {
		t.Helper()
		if gone, err := s.PruneFlips(t.Context(), Flip(9).At, most, limit); err != nil || gone != want {
			t.Errorf("%d are deleted, want %d: %v", gone, want, err)
		}
	}
	prune(0, 1, 1)
	left("after one", newest, newer, older, last, orphan, overtaken)
	prune(0, 100, 2)
	left("after the old ones", newest, newer, older, last)
	prune(3, 100, 1)
	left("at most three", newest, newer, last)
	prune(1, 100, 1)
	left("the last verdicts stay", newest, last)
	prune(1, 100, 0)
}
