package storetest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/runecast/runecast/pkg/admission"
	"github.com/runecast/runecast/pkg/policy"
	"github.com/runecast/runecast/pkg/store"
	"github.com/runecast/runecast/pkg/web"
)

// random gives the same numbers each time.
func random(seed uint64) *rand.Rand {
	return rand.New(rand.NewPCG(seed, 0)) //nolint:gosec // a test that can be repeated
}

// pick gives one of some values.
func pick[T any](r *rand.Rand, values ...T) T { return values[r.IntN(len(values))] }

// hostileTexts are what searches must take literally.
func hostileTexts() []string {
	return []string{
		"%", "_", `\`, `\%`, "50%_off", "'", `"`, "'; DROP TABLE scans; --", "?", "$1", "*", "é", "É", "ß", "İ", "日本", "\x00", "\xff", "a\tb",
		strings.Repeat("x", 512), strings.Repeat("é", 256), strings.Repeat("%", 512), strings.Repeat("_", 300), strings.Repeat(`\`, 511),
	}
}

// RandomScan gives the n-th of some scans that have much in common: times, images, words.
func RandomScan(r *rand.Rand, n int) admission.Decision {
	d := Decision(r.IntN(40))
	d.ID = fmt.Sprintf("%08x-%d", r.Uint32(), n)
	d.Trigger = pick(r, admission.TriggerAdmission, admission.TriggerAdmission, admission.TriggerAPI, admission.TriggerUI)
	d.PolicyID, d.Namespace = pick(r, "1", "2", "3"), pick(r, "shop", "shop-2", "bank", "")
	d.Name = pick(r, "Web-"+pick(r, "a", "b", "c"), "job", "", pick(r, hostileTexts()...))
	d.User = pick(r, "alice", "system:serviceaccount:ci:Deployer", "", pick(r, hostileTexts()...))
	d.Verdict = pick(r, policy.VerdictAllow, policy.VerdictDeny, policy.VerdictUnknown)
	d.Allowed, d.Images = d.Verdict == policy.VerdictAllow || r.IntN(4) == 0, []admission.DecisionImage{}
	for range r.IntN(3) {
		image := admission.DecisionImage{
			Reference: pick(r, "nginx:1.", "registry.example.com/Team/app:", "ghcr.io/o/tool@") + strconv.Itoa(r.IntN(20)), Digest: Digest(r.IntN(12)),
			FeedRevision: "f1", Outcome: policy.OutcomeScanned, Verdict: d.Verdict,
		}
		if r.IntN(5) == 0 {
			image.Reference = pick(r, hostileTexts()...)
		}
		if image.Outcome = pick(r, policy.OutcomeScanned, policy.OutcomeScanned, policy.OutcomePending, policy.OutcomeUnscannable); image.Outcome == policy.OutcomeScanned {
			image.Counts = &admission.Counts{Critical: r.IntN(3), High: r.IntN(3), Medium: r.IntN(2), Low: r.IntN(2), Unknown: r.IntN(2)}
		} else {
			image.Digest, image.FeedRevision = "", ""
		}
		d.Images = append(d.Images, image)
	}
	return d
}

// storable is a text as both databases keep it.
func storable(s string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "\uFFFD")
}

// chosen is what a query says, told plainly.
func chosen(q *web.ScanQuery, d *admission.Decision) bool {
	has := func(wanted, value string) bool {
		return strings.Contains(strings.ToLower(storable(value)), strings.ToLower(storable(wanted)))
	}
	named := slices.ContainsFunc(d.Images, func(i admission.DecisionImage) bool {
		if strings.HasPrefix(q.Image, "sha256:") {
			return i.Digest == q.Image
		}
		return has(q.Image, i.Reference)
	})
	within := (q.From.IsZero() || !d.At.Before(q.From)) && (q.To.IsZero() || d.At.Before(q.To))
	return named && within && has(q.Name, d.Name) && has(q.User, d.User) && equals(q, d)
}

// equals is the part of chosen that compares words.
func equals(q *web.ScanQuery, d *admission.Decision) bool {
	c, complies := d.Counts(), "no"
	if d.Verdict == policy.VerdictAllow {
		complies = "yes"
	}
	for _, word := range [][2]string{
		{q.PolicyID, d.PolicyID},
		{q.Namespace, d.Namespace},
		{string(q.Verdict), string(d.Verdict)},
		{string(q.Trigger), string(d.Trigger)},
		{q.Status, web.StatusOf(d)},
		{q.Complies, complies},
	} {
		if word[0] != "" && word[0] != word[1] {
			return false
		}
	}
	worst := map[string]int{"critical": c.Critical, "high": c.High, "medium": c.Medium, "low": c.Low, "unknown": c.Unknown}
	return q.Worst == "" || worst[q.Worst] > 0
}

// inOrder sorts as a query asks.
func inOrder(sort string, list []admission.Decision) {
	newest := func(a, b *admission.Decision) int { return cmp.Or(b.At.Compare(a.At), strings.Compare(b.ID, a.ID)) }
	slices.SortFunc(list, func(a, b admission.Decision) int {
		switch x, y := a.Counts(), b.Counts(); sort {
		case web.SortOldest:
			return newest(&b, &a)
		case web.SortWorst:
			return cmp.Or(y.Critical-x.Critical, y.High-x.High, y.Medium-x.Medium, y.Low-x.Low, y.Unknown-x.Unknown, newest(&a, &b))
		default:
			return newest(&a, &b)
		}
	})
}

// allScans reads all pages of a query.
func allScans(t *testing.T, s *store.Store, from *web.ScanQuery) []string {
	t.Helper()
	q := *from
	ids := []string{}
	for {
		page, next, err := s.Scans(t.Context(), &q)
		if err != nil {
			t.Fatalf("%+v: %v", q, err)
		}
		for i := range page {
			ids = append(ids, page[i].ID)
		}
		if next == "" {
			return ids
		}
		if len(page) != q.Limit {
			t.Fatalf("%+v: a page of %d before the last has %d", q, q.Limit, len(page))
		}
		q.Before = next
	}
}

// randomQuery combines filters.
func randomQuery(r *rand.Rand) web.ScanQuery {
	q := web.ScanQuery{Limit: 1 + r.IntN(30), Sort: pick(r, "", web.SortNewest, web.SortOldest, web.SortWorst)}
	for range 1 + r.IntN(3) {
		switch r.IntN(12) {
		case 0:
			q.Trigger = pick(r, admission.TriggerAPI, admission.TriggerAdmission, admission.TriggerCLI)
		case 1:
			q.PolicyID = pick(r, "1", "2", "9")
		case 2:
			q.Namespace = pick(r, "shop", "bank", "none")
		case 3:
			q.Verdict = pick(r, policy.VerdictAllow, policy.VerdictDeny, policy.VerdictUnknown)
		case 4:
			q.Image = pick(r, "nginx", "TEAM/app", ":1", "1.1", "@", Digest(r.IntN(14)), "nowhere")
		case 5:
			q.Name = pick(r, "web", "B", "job", "nobody")
		case 6:
			q.User = pick(r, "ci:dep", "A", "nobody")
		case 7:
			q.From = when().Add(time.Duration(r.IntN(40)) * time.Second)
		case 8:
			q.To = when().Add(time.Duration(r.IntN(40)) * time.Second)
		case 9:
			q.Status = pick(r, web.StatusSuccess, web.StatusFailed, web.StatusRunning)
		case 10:
			q.Worst = pick(r, "critical", "high", "medium", "low", "unknown")
		case 11:
			q.Complies = pick(r, "yes", "no")
		}
	}
	return q
}

func testScanFilters(t *testing.T, b Backend) {
	t.Helper()
	s := Open(t, b.New(t))
	r := random(1)
	var all []admission.Decision
	var batch []*admission.Decision
	for n := range 400 {
		d := RandomScan(r, n)
		all = append(all, d)
		batch = append(batch, &d)
	}
	must(t, s.CreateDecisions(t.Context(), batch))
	check := func(q *web.ScanQuery) {
		t.Helper()
		var want []admission.Decision
		for i := range all {
			if len(all[i].Images) > 0 && chosen(q, &all[i]) {
				want = append(want, all[i])
			}
		}
		inOrder(q.Sort, want)
		ids := []string{}
		for i := range want {
			ids = append(ids, want[i].ID)
		}
		equal(t, fmt.Sprintf("%+v", *q), allScans(t, s, q), ids)
	}
	for _, sort := range []string{web.SortNewest, web.SortOldest, web.SortWorst} {
		check(&web.ScanQuery{Limit: 7, Sort: sort})
	}
	for range 200 {
		q := randomQuery(r)
		check(&q)
	}
	for _, text := range hostileTexts() {
		check(&web.ScanQuery{Limit: 50, Image: text})
		check(&web.ScanQuery{Limit: 50, Name: text})
		check(&web.ScanQuery{Limit: 50, User: text, Image: "nginx"})
	}
	for _, q := range []*web.ScanQuery{{Status: "none"}, {Complies: "maybe"}, {Worst: "worse"}, {Verdict: "none"}} {
		if got, next, err := s.Scans(t.Context(), q); err != nil || got == nil || len(got) != 0 || next != "" {
			t.Errorf("%+v gives %v, %q, %v", *q, got, next, err)
		}
	}
}

// testScansWhole shows what a list has of a scan.
func testScansWhole(t *testing.T, b Backend) {
	t.Helper()
	s := Open(t, b.New(t))
	d := Decision(1)
	must(t, s.CreateDecision(t.Context(), d))
	got, _, err := s.Scans(t.Context(), &web.ScanQuery{})
	must(t, err)
	want := d
	want.Images = slices.Clone(d.Images)
	want.Images[0].Violations, want.Images[0].Exempted = nil, nil
	equal(t, "scans", got, []admission.Decision{want})
}

// testScanPages has scans come in while pages are read: what was there at the beginning is on one page each.
func testScanPages(t *testing.T, b Backend) {
	t.Helper()
	s := Open(t, b.New(t))
	r := random(2)
	var before []string
	for n := range 120 {
		d := RandomScan(r, n)
		must(t, s.CreateDecision(t.Context(), d))
		if len(d.Images) > 0 {
			before = append(before, d.ID)
		}
	}
	slices.Sort(before)
	for _, sort := range []string{web.SortNewest, web.SortOldest, web.SortWorst} {
		ctx, stop := context.WithCancel(t.Context())
		var writer sync.WaitGroup
		writer.Go(func() {
			own := random(3)
			for n := 1000; ctx.Err() == nil; n++ {
				d := RandomScan(own, n)
				d.ID += sort
				if err := s.CreateDecision(ctx, d); err != nil && ctx.Err() == nil {
					t.Error(err)
				}
			}
		})
		seen := map[string]int{}
		for _, id := range allScans(t, s, &web.ScanQuery{Limit: 9, Sort: sort, To: when().Add(time.Hour)}) {
			seen[id]++
		}
		stop()
		writer.Wait()
		for _, id := range before {
			if seen[id] != 1 {
				t.Errorf("%s: a scan that was there is on %d pages", sort, seen[id])
			}
		}
		for id, times := range seen {
			if times != 1 {
				t.Errorf("%s: scan %s is on %d pages", sort, id, times)
			}
		}
	}
}

func testScanCursors(t *testing.T, b Backend) {
	t.Helper()
	s := Open(t, b.New(t))
	for n := range 3 {
		must(t, s.CreateDecision(t.Context(), Decision(n)))
	}
	cursors := map[string]string{}
	for _, sort := range []string{web.SortNewest, web.SortOldest, web.SortWorst} {
		_, next, err := s.Scans(t.Context(), &web.ScanQuery{Limit: 1, Sort: sort})
		must(t, err)
		cursors[sort] = next
	}
	for sort := range cursors {
		for _, cursor := range append([]string{"?", "MTIz", "MTIzIA", "eCB5", "LTE", "b2xkZXN0", "d29yc3QgMSAyIDMgNCA1IHggaWQ", "b2xkZXN0IDEg"}, cursors[web.SortOldest], cursors[web.SortWorst]) {
			if cursor == cursors[sort] {
				continue
			}
			_, _, err := s.Scans(t.Context(), &web.ScanQuery{Sort: sort, Before: cursor})
			if !errors.Is(err, store.ErrBadCursor) {
				t.Errorf("%s: cursor %q gives %v", sort, cursor, err)
			}
		}
	}
	if _, _, err := s.Scans(t.Context(), &web.ScanQuery{Sort: "name"}); err == nil || err.Error() != `list scans: there is no order "name"` {
		t.Errorf("another order gives %v", err)
	}
}
