package storetest

import (
	"context"
	"testing"
	"time"

	"github.com/runecast/runecast/pkg/policy"
	"github.com/runecast/runecast/pkg/rematch"
	"github.com/runecast/runecast/pkg/scan"
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
	for after := ""; ; {
		page, err := s.Inventories(t.Context(), after, "f2", 2)
		must(t, err)
		if len(page) == 0 {
			break
		}
		for i := range page {
			digests = append(digests, page[i].Digest)
			contents, err := page[i].Load()
			must(t, err)
			equal(t, "contents", contents, Contents())
		}
		after = page[len(page)-1].Digest
	}
	equal(t, "digests", digests, []string{Digest(1), Digest(2), Digest(3), Digest(4), Digest(5)})
	judged := func(revision string) []rematch.Judged {
		page, err := s.Inventories(t.Context(), Digest(1), revision, 1)
		must(t, err)
		return page[0].Judged
	}
	last := rematch.Judged{PolicyID: "2", Reference: "nginx:1.19", Verdict: policy.VerdictAllow, Revision: "f1", At: allowed.At}
	equal(t, "verdicts", judged("f2"), []rematch.Judged{last})
	if got := judged("f1"); len(got) != 0 {
		t.Errorf("decisions at the new revision count as earlier: %v", got)
	}
	flip := Flip(2)
	_, err := s.PutRematched(t.Context(), nil, []rematch.Flip{flip})
	must(t, err)
	equal(t, "verdicts after a flip", judged("f3"), []rematch.Judged{{PolicyID: "2", Reference: "nginx:1.19", Verdict: policy.VerdictDeny, Revision: "f2", At: flip.At}})
}

func testFlips(t *testing.T, b Backend) {
	t.Helper()
	s := Open(t, b.New(t))
	first, second := Flip(1), Flip(2)
	second.PolicyID = "3"
	complete(t, first)
	fresh, err := s.PutRematched(t.Context(), []*scan.Report{Report(1, 1)}, []rematch.Flip{first, second})
	must(t, err)
	equal(t, "new flips", fresh, []rematch.Flip{first, second})
	fresh, err = s.PutRematched(t.Context(), nil, []rematch.Flip{first})
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
	report, err := s.Report(t.Context(), Digest(1), "f1")
	must(t, err)
	equal(t, "report", report, Report(1, 1))
}

func testPrune(t *testing.T, b Backend) {
	t.Helper()
	s := Open(t, b.New(t))
	for _, revision := range []string{"f1", "f2", "f3"} {
		r := Report(1, 1)
		r.Feed.Revision = revision
		must(t, s.PutReport(t.Context(), r))
		must(t, s.FinishRematch(t.Context(), revision))
		must(t, s.FinishRematch(t.Context(), revision))
		done, err := s.Rematched(t.Context())
		must(t, err)
		equal(t, "revision", done, revision)
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
