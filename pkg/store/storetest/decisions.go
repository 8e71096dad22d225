package storetest

import (
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/runecast/runecast/pkg/admission"
	"github.com/runecast/runecast/pkg/policy"
	"github.com/runecast/runecast/pkg/store"
)

func testDecisionRoundTrip(t *testing.T, b Backend) {
	t.Helper()
	s := Open(t, b.New(t))
	want := Decision(1)
	complete(t, want)
	complete(t, want.Images[0])
	complete(t, want.Images[0].Violations[0])
	complete(t, want.Images[0].Exempted[0])
	local := want
	local.At = want.At.In(time.FixedZone("elsewhere", 7200))
	must(t, s.CreateDecision(t.Context(), local))
	got, err := s.Decision(t.Context(), want.ID)
	must(t, err)
	equal(t, "decision", got, &want)
	utc(t, got.At)

	bare := admission.Decision{ID: "bare", At: when()}
	must(t, s.CreateDecision(t.Context(), bare))
	got, err = s.Decision(t.Context(), "bare")
	must(t, err)
	bare.Images = []admission.DecisionImage{} // never null in JSON
	equal(t, "decision without images", got, &bare)
}

func testDecisionOnce(t *testing.T, b Backend) {
	t.Helper()
	s := Open(t, b.New(t))
	first := Decision(1)
	again := Decision(2)
	again.ID = first.ID
	must(t, s.CreateDecision(t.Context(), first))
	must(t, s.CreateDecision(t.Context(), again))
	got, _, err := s.Decisions(t.Context(), store.DecisionFilter{})
	must(t, err)
	equal(t, "decisions", got, []admission.Decision{first})
}

func testDecisionsTogether(t *testing.T, b Backend) {
	t.Helper()
	s := Open(t, b.New(t))
	one, two, three := Decision(1), Decision(2), Decision(3)
	must(t, s.CreateDecision(t.Context(), one))
	must(t, s.CreateDecisions(t.Context(), []*admission.Decision{&one, &two, &three}))
	must(t, s.CreateDecisions(t.Context(), nil))
	nameless := Decision(5)
	nameless.ID = ""
	four := Decision(4)
	if err := s.CreateDecisions(t.Context(), []*admission.Decision{&four, &nameless}); err == nil || err.Error() != "create decision: it has no id" {
		t.Errorf("a decision without an id among others gives %v", err)
	}
	got, _, err := s.Decisions(t.Context(), store.DecisionFilter{})
	must(t, err)
	if len(got) != 3 {
		t.Errorf("%d decisions are stored, want 3: all or none", len(got))
	}
}

func testDecisionManyImages(t *testing.T, b Backend) {
	t.Helper()
	s := Open(t, b.New(t))
	want := Decision(1)
	want.Images = nil
	for n := range 1234 {
		want.Images = append(want.Images, admission.DecisionImage{Reference: fmt.Sprintf("app:%d", n), Digest: Digest(n), Verdict: policy.VerdictAllow})
	}
	must(t, s.CreateDecision(t.Context(), want))
	got, err := s.Decision(t.Context(), want.ID)
	must(t, err)
	equal(t, "decision", got, &want)
}

func testDecisionHostileTexts(t *testing.T, b Backend) {
	t.Helper()
	s := Open(t, b.New(t))
	sent := Decision(1)
	sent.Name, sent.User = "a\x00b", "c\xff\xfed"
	sent.Namespace = strings.Repeat("é", 1<<19)
	sent.Message = strings.Repeat("m", 1<<20)
	sent.Images[0].Reference = `x'); DROP TABLE decisions; --` + "\x00"
	sent.Images[0].Violations[1].Detail = "nul \x00 in JSON"
	must(t, s.CreateDecision(t.Context(), sent))

	want := sent
	want.Name, want.User = "a\uFFFDb", "c\uFFFDd"
	want.Namespace = strings.Repeat("é", 256)
	want.Images[0].Reference = `x'); DROP TABLE decisions; --` + "\uFFFD"
	list, _, err := s.Decisions(t.Context(), store.DecisionFilter{Namespace: sent.Namespace})
	must(t, err)
	equal(t, "decisions", list, []admission.Decision{want})
}

// seed stores decisions of which always three have the same time, and gives them newest first.
func seed(t *testing.T, s *store.Store, count int) []admission.Decision {
	t.Helper()
	list := make([]admission.Decision, count)
	for n := range list {
		d := Decision(n / 3)
		d.ID = fmt.Sprintf("%08d", n)
		d.PolicyID = strconv.Itoa(n%2 + 1)
		d.Namespace = []string{"shop", "bank", "shop-2"}[n%3]
		d.Verdict = []policy.Verdict{policy.VerdictAllow, policy.VerdictDeny, policy.VerdictUnknown, policy.VerdictAllow}[n%4]
		must(t, s.CreateDecision(t.Context(), d))
		list[count-1-n] = d
	}
	return list
}

func testDecisionPages(t *testing.T, b Backend) {
	t.Helper()
	s := Open(t, b.New(t))
	want := seed(t, s, 50)
	var got []admission.Decision
	filter := store.DecisionFilter{Limit: 7}
	for pages := 1; ; pages++ {
		page, next, err := s.Decisions(t.Context(), filter)
		must(t, err)
		got = append(got, page...)
		if next == "" {
			if pages != 8 {
				t.Errorf("50 decisions are %d pages of 7", pages)
			}
			break
		}
		if len(page) != 7 {
			t.Fatalf("page %d has %d decisions", pages, len(page))
		}
		filter.Before = next
		newer := Decision(1000 + pages) // comes in between: it belongs to no later page
		must(t, s.CreateDecision(t.Context(), newer))
	}
	equal(t, "all pages", got, want)

	page, next, err := s.Decisions(t.Context(), store.DecisionFilter{Limit: 57})
	must(t, err)
	if len(page) != 57 || next != "" {
		t.Errorf("a page that just holds all has %d decisions and the cursor %q", len(page), next)
	}
	seedMore := 60
	for n := range seedMore {
		must(t, s.CreateDecision(t.Context(), Decision(2000+n)))
	}
	if page, next, err = s.Decisions(t.Context(), store.DecisionFilter{}); err != nil || len(page) != 100 || next == "" {
		t.Errorf("a page without a limit has %d decisions, cursor %q, %v", len(page), next, err)
	}
}

func testDecisionFilters(t *testing.T, b Backend) {
	t.Helper()
	s := Open(t, b.New(t))
	all := seed(t, s, 24)
	for _, filter := range []*store.DecisionFilter{
		{},
		{PolicyID: "1"},
		{Namespace: "shop"},
		{Verdict: policy.VerdictDeny},
		{PolicyID: "2", Namespace: "bank", Verdict: policy.VerdictDeny},
		{PolicyID: "2", Verdict: policy.VerdictUnknown},
		{Namespace: "nowhere"},
	} {
		is := func(wanted, value string) bool { return wanted == "" || wanted == value }
		want := []admission.Decision{}
		for i := range all {
			if d := &all[i]; is(filter.PolicyID, d.PolicyID) && is(filter.Namespace, d.Namespace) && is(string(filter.Verdict), string(d.Verdict)) {
				want = append(want, *d)
			}
		}
		got := []admission.Decision{}
		for paged := *filter; ; {
			paged.Limit = 2
			page, next, err := s.Decisions(t.Context(), paged)
			must(t, err)
			got = append(got, page...)
			if paged.Before = next; next == "" {
				break
			}
		}
		equal(t, fmt.Sprintf("%+v", *filter), got, want)
	}
}

func testDecisionCursors(t *testing.T, b Backend) {
	t.Helper()
	s := Open(t, b.New(t))
	for _, cursor := range []string{"?", "MTIz", "MTIzIA", "eCB5", "LTE"} { // not base64; "123"; "123 "; "x y"; "-1"
		_, _, err := s.Decisions(t.Context(), store.DecisionFilter{Before: cursor})
		if want := "list decisions: the cursor is not valid: start again without one"; err == nil || err.Error() != want {
			t.Errorf("cursor %q gives %v, want %s", cursor, err, want)
		}
	}
}

// testDecisionWriters has two stores, as two processes would, write different and the same decisions while others read.
func testDecisionWriters(t *testing.T, b Backend) {
	t.Helper()
	const writers, each, shared = 4, 20, 10
	dsn := b.New(t)
	stores := []*store.Store{Open(t, dsn), Open(t, dsn)}
	same := make([]admission.Decision, shared)
	for n := range same {
		same[n] = Decision(n)
	}
	var all sync.WaitGroup
	for n := range writers {
		s := stores[n%len(stores)]
		all.Go(func() {
			for i := range each {
				if err := s.CreateDecision(t.Context(), Decision(i)); err != nil {
					t.Error(err)
				}
				if err := s.CreateDecision(t.Context(), same[i%shared]); err != nil {
					t.Error(err)
				}
			}
		})
		all.Go(func() {
			for range each {
				list, _, err := s.Decisions(t.Context(), store.DecisionFilter{Limit: 20})
				if err != nil {
					t.Error(err)
				}
				for i := range list {
					if len(list[i].Images) != 2 {
						t.Errorf("a reader saw half a decision: %d images", len(list[i].Images))
					}
				}
			}
		})
	}
	all.Wait()
	list, _, err := stores[0].Decisions(t.Context(), store.DecisionFilter{Limit: 1000})
	must(t, err)
	if want := writers*each + shared; len(list) != want {
		t.Errorf("%d decisions are stored, want %d", len(list), want)
	}
}
