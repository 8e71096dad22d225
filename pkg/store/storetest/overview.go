package storetest

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/runecast/runecast/pkg/admission"
	"github.com/runecast/runecast/pkg/policy"
	"github.com/runecast/runecast/pkg/rematch"
	"github.com/runecast/runecast/pkg/store"
	"github.com/runecast/runecast/pkg/web"
)

// overviewOf counts decisions plainly.
func overviewOf(q *web.OverviewQuery, list []admission.Decision) *web.Overview {
	o := &web.Overview{}
	for from := q.Now.Add(-q.Span).Truncate(q.Step); !from.After(q.Now); from = from.Add(q.Step) {
		o.Verdicts = append(o.Verdicts, web.VerdictBucket{From: from})
	}
	denied := [3]map[string]int{{}, {}, {}}
	for i := range list {
		d := &list[i]
		if len(d.Images) == 0 {
			continue
		}
		for j := range o.Verdicts {
			if b := &o.Verdicts[j]; !d.At.Before(b.From) && d.At.Before(b.From.Add(q.Step)) {
				countVerdict(&b.VerdictCounts, d.Verdict)
			}
		}
		if !d.At.Before(q.Now.Truncate(24 * time.Hour)) {
			countVerdict(&o.Today, d.Verdict)
		}
		if d.Verdict != policy.VerdictDeny || d.At.Before(q.Now.Truncate(24*time.Hour).AddDate(0, 0, -30)) {
			continue
		}
		for name, kind := range namesOf(d) {
			denied[kind][name]++
		}
	}
	for kind, into := range []*[]web.DeniedCount{&o.Rules, &o.Vulnerabilities, &o.Packages} {
		*into = []web.DeniedCount{}
		for name, scans := range denied[kind] {
			*into = append(*into, web.DeniedCount{Name: name, Scans: scans})
		}
		slices.SortFunc(*into, func(a, b web.DeniedCount) int {
			return cmp.Or(cmp.Compare(b.Scans, a.Scans), strings.Compare(a.Name, b.Name))
		})
		*into = (*into)[:min(len(*into), q.Top)]
	}
	return o
}

// namesOf gives what denied: rules are 0, vulnerabilities 1, packages 2.
func namesOf(d *admission.Decision) map[string]int {
	names := map[string]int{}
	for j := range d.Images {
		for _, v := range d.Images[j].Violations {
			names[v.Rule] = 0
			if v.Finding != nil {
				names[v.Finding.ID], names[v.Finding.Package.Name] = 1, 2
			}
		}
	}
	return names
}

func countVerdict(c *web.VerdictCounts, verdict policy.Verdict) {
	for is, n := range map[policy.Verdict]*int{policy.VerdictAllow: &c.Allow, policy.VerdictDeny: &c.Deny, policy.VerdictUnknown: &c.Unknown} {
		if is == verdict {
			*n++
		}
	}
}

func testOverview(t *testing.T, b Backend) {
	t.Helper()
	dsn := b.New(t)
	s := Open(t, dsn)
	r := random(31)
	now := time.Now().UTC().Truncate(time.Microsecond)
	var list []admission.Decision
	for n := range 300 {
		d := RandomScan(r, n)
		d.At = now.Add(-time.Duration(r.IntN(40*24*60)) * time.Minute)
		for i := range d.Images {
			d.Images[i].Violations = []policy.Violation{
				{Rule: pick(r, "severity", "registry")}, {Rule: "severity", Finding: new(Finding(r.IntN(9)))}, {Rule: "severity", Finding: new(Finding(r.IntN(9)))},
			}
		}
		list = append(list, d)
		must(t, s.CreateDecision(t.Context(), d))
		if n%3 == 0 {
			must(t, s.CreateDecisions(t.Context(), []*admission.Decision{&d, &list[n/2]})) // as a retry does
		}
	}
	compare := func(what string) {
		t.Helper()
		fresh := Open(t, dsn) // which remembers no list
		for _, q := range []*web.OverviewQuery{
			{Now: now, Span: 30 * 24 * time.Hour, Step: 24 * time.Hour, Top: 5},
			{Now: now, Span: 48 * time.Hour, Step: time.Hour, Top: 100},
			{Now: now, Span: time.Hour, Step: 6 * time.Hour, Top: 1},
		} {
			got, err := fresh.Overview(t.Context(), q)
			must(t, err)
			want := overviewOf(q, list)
			want.AtRisk = got.AtRisk
			equal(t, fmt.Sprintf("%s: %+v", what, *q), got, want)
		}
	}
	compare("all")
	before := now.Add(-10 * 24 * time.Hour)
	for {
		gone, err := s.PruneDecisions(t.Context(), before, 50)
		must(t, err)
		if gone == 0 {
			break
		}
	}
	list = slices.DeleteFunc(list, func(d admission.Decision) bool { return d.At.Before(before) })
	compare("after pruning")
	defaults, err := s.Overview(t.Context(), &web.OverviewQuery{Now: now})
	must(t, err)
	if len(defaults.Verdicts) != 31 || defaults.Verdicts[30].From != now.Truncate(24*time.Hour) || defaults.Today.Sum() == 0 {
		t.Errorf("by default %d buckets, the last %v, today %d", len(defaults.Verdicts), defaults.Verdicts[len(defaults.Verdicts)-1], defaults.Today.Sum())
	}
	for _, step := range []time.Duration{time.Minute, 5 * time.Hour, 48 * time.Hour, -time.Hour} {
		if _, err := s.Overview(t.Context(), &web.OverviewQuery{Now: now, Step: step}); err == nil {
			t.Errorf("a step of %s is taken", step)
		}
	}
}

// testPrunedTerms shows that what is searched by goes with the last scan that has it.
func testPrunedTerms(t *testing.T, b Backend) {
	t.Helper()
	dsn := b.New(t)
	s := Open(t, dsn)
	list := seed(t, s, 30)
	for {
		gone, err := s.PruneDecisions(t.Context(), list[10].At, 4)
		must(t, err)
		if gone == 0 {
			break
		}
	}
	other := Open(t, b.New(t))
	for i := range list {
		if !list[i].At.Before(list[10].At) {
			must(t, other.CreateDecision(t.Context(), list[i]))
		}
	}
	db := b.Raw(t, dsn)
	got := derived(t, db)
	for i := range list {
		list[i].Images = nil
	}
	equal(t, "terms with the scans that are left", len(got["scan terms"]) > 0 && len(got["scans"]) > 0, true)
	uses := map[string]int{}
	for _, row := range got["scan terms"] {
		uses[row[:strings.LastIndex(row, "|")]]++
	}
	var want []string
	for term, n := range uses {
		want = append(want, fmt.Sprintf("%s|%d", term, n))
	}
	slices.Sort(want)
	slices.Sort(got["terms"])
	equal(t, "terms", got["terms"], want)
}

// atRisk reads all pages.
func atRisk(t *testing.T, s *store.Store, q web.RiskQuery) []string {
	t.Helper()
	list := []string{}
	for q.Limit = 2; ; {
		page, next, err := s.ImagesAtRisk(t.Context(), &q)
		must(t, err)
		for i := range page {
			p := &page[i]
			list = append(list, fmt.Sprintf("%s %s %s %v %s %s", p.Digest[len(p.Digest)-1:], p.PolicyID, p.Verdict, p.Flipped, p.Since.Sub(when()), strings.Join(p.Namespaces, ",")))
		}
		if q.After = next; next == "" {
			return list
		}
	}
}

func testAtRisk(t *testing.T, b Backend) {
	t.Helper()
	s := Open(t, b.New(t))
	decide := func(hour, digest int, id, namespace string, verdict policy.Verdict, allowed bool, revision string) {
		d := Decision(0)
		d.At, d.PolicyID, d.Namespace, d.Verdict, d.Allowed = when().Add(time.Duration(hour)*time.Hour), id, namespace, verdict, allowed
		d.Images = []admission.DecisionImage{{Reference: "app:1", Digest: Digest(digest), FeedRevision: revision, Verdict: verdict, Outcome: policy.OutcomeScanned}}
		must(t, s.CreateDecision(t.Context(), d))
	}
	flip := func(hour, digest int, id string, to policy.Verdict) {
		f := Flip(0)
		f.At, f.Digest, f.PolicyID, f.To, f.ToRevision = when().Add(time.Duration(hour)*time.Hour), Digest(digest), id, to, "f2"
		_, err := s.PutFlips(t.Context(), nil, []rematch.Flip{f})
		must(t, err)
	}
	check := func(what string, want ...string) {
		t.Helper()
		equal(t, what, atRisk(t, s, web.RiskQuery{}), append([]string{}, want...))
		o, err := s.Overview(t.Context(), &web.OverviewQuery{Now: when()})
		must(t, err)
		flipped := atRisk(t, s, web.RiskQuery{Flipped: true})
		equal(t, what+": counts", o.AtRisk, web.RiskCounts{Images: len(want), Flipped: len(flipped)})
	}
	const allow, deny, unknown = policy.VerdictAllow, policy.VerdictDeny, policy.VerdictUnknown
	decide(1, 1, "1", "shop", allow, true, "f1")
	decide(2, 1, "1", "bank", allow, true, "f1")
	decide(1, 2, "1", "shop", allow, true, "f1")
	decide(3, 2, "1", "shop", deny, false, "f1") // denied meanwhile: whatever runs was let in before, and is known
	decide(4, 3, "5", "shop", deny, true, "f1")  // a policy that only warns
	decide(5, 4, "1", "shop", allow, true, "f1")
	check("one that a policy let pass", "3 5 deny false 4h0m0s shop")
	flip(10, 1, "1", deny)
	flip(10, 2, "1", unknown)
	flip(11, 4, "1", unknown)
	flip(12, 4, "9", deny) // a policy that never judged it
	check("flips", "4 1 unknown true 11h0m0s shop", "1 1 deny true 10h0m0s bank,shop", "3 5 deny false 4h0m0s shop")
	decide(13, 1, "1", "shop", allow, true, "f3")
	decide(2, 1, "1", "old", deny, true, "f1") // stored late
	check("a later decision", "4 1 unknown true 11h0m0s shop", "3 5 deny false 4h0m0s shop")
	must(t, s.BeginRematch(t.Context(), "f2"))
	decide(14, 4, "1", "late", allow, true, "f1") // by a server that has the old feed: the flip holds
	check("behind the re-match", "4 1 unknown true 11h0m0s late,shop", "3 5 deny false 4h0m0s shop")
	flip(15, 4, "1", allow)
	check("back again", "4 1 unknown true 11h0m0s late,shop", "3 5 deny false 4h0m0s shop")
	for {
		gone, err := s.PruneDecisions(t.Context(), when().Add(5*time.Hour), 3)
		must(t, err)
		if gone == 0 {
			break
		}
	}
	check("after pruning", "4 1 unknown true 11h0m0s late,shop")
	if _, _, err := s.ImagesAtRisk(t.Context(), &web.RiskQuery{After: "MTIz"}); !errors.Is(err, store.ErrBadCursor) {
		t.Errorf("another cursor gives %v", err)
	}
}
