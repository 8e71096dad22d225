package live_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	logtest "github.com/sirupsen/logrus/hooks/test"

	"github.com/runecast/runecast/pkg/policy"
	"github.com/runecast/runecast/pkg/policy/live"
	"github.com/runecast/runecast/pkg/store/storetest"
)

// broken is a store that fails on demand.
type broken struct {
	live.Store
	fail  atomic.Bool
	texts atomic.Bool // storing texts fails
}

var errDown = errors.New("the database is down")

func (b *broken) PolicyCounter(ctx context.Context) (int64, error) {
	if b.fail.Load() {
		return 0, errDown
	}
	return b.Store.PolicyCounter(ctx)
}

func (b *broken) PutPolicyTexts(ctx context.Context, texts []live.Text) error {
	if b.texts.Load() {
		return errDown
	}
	return b.Store.PutPolicyTexts(ctx, texts)
}

func base(tb testing.TB) *policy.Set {
	tb.Helper()
	set, err := policy.NewSet(policy.BuiltInOptions{})
	if err != nil {
		tb.Fatal(err)
	}
	set, err = set.Load(strings.NewReader("{id: helm, name: Of Helm, rules: [{severity: low}]}"), "helm.yaml")
	if err != nil {
		tb.Fatal(err)
	}
	return set
}

func newSet(tb testing.TB, store live.Store, change ...func(*live.Options)) *live.Set {
	tb.Helper()
	options := live.Options{Base: base(tb), Store: store, Log: storetest.Log(), Interval: 10 * time.Millisecond}
	for _, f := range change {
		f(&options)
	}
	set := live.New(options)
	if err := set.Reload(tb.Context()); err != nil {
		tb.Fatal(err)
	}
	return set
}

func newStore(tb testing.TB) *broken {
	tb.Helper()
	return &broken{Store: storetest.Open(tb, storetest.SQLite().New(tb))}
}

// run runs a set until the test ends.
func run(tb testing.TB, set *live.Set) {
	tb.Helper()
	ctx, cancel := context.WithCancel(tb.Context())
	var wait sync.WaitGroup
	wait.Go(func() { _ = set.Run(ctx) })
	tb.Cleanup(func() { cancel(); wait.Wait() })
}

func until(tb testing.TB, what string, ok func() bool) {
	tb.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.After(15 * time.Second); !ok(); {
		select {
		case <-tick.C:
		case <-deadline:
			tb.Fatalf("not so after 15 s: %s", what)
		}
	}
}

const shop = "id: shop # ours\nname: Shop\nrules: [{severity: critical}]\n"

func reason(err error) live.Reason {
	if refused, ok := errors.AsType[*live.RefusedError](err); ok {
		return refused.Reason
	}
	return ""
}

func TestChanges(t *testing.T) {
	t.Parallel()
	s, ctx := newSet(t, newStore(t)), t.Context()
	if len(s.List()) != 6 || s.Entry("shop") != nil {
		t.Fatal(s.List())
	}
	e, err := s.Create(ctx, "user alice", []byte(shop))
	if err != nil || e.Stored.Document != shop || e.Stored.Version != 1 || e.Stored.CreatedBy != "user alice" || e.Effective.ReadOnly() {
		t.Fatalf("%+v %v", e, err)
	}
	if p, ok := s.Get("shop"); !ok || p.Name != "Shop" || len(s.List()) != 7 {
		t.Errorf("%+v", p)
	}
	for _, c := range []struct {
		what   string
		err    error
		reason live.Reason
		text   string
	}{
		{"a taken id", second(s.Create(ctx, "u", []byte(shop))), live.ReasonTaken, `"shop" is the id of a stored policy already`},
		{"a built-in's id", second(s.Create(ctx, "u", []byte(strings.Replace(shop, "shop", "2", 1)))), live.ReasonTaken, `"2" is the id of a built-in policy`},
		{"a file's id", second(s.Create(ctx, "u", []byte(strings.Replace(shop, "shop", "helm", 1)))), live.ReasonTaken, `"helm" is the id of a policy of helm.yaml already`},
		{"a mistake", second(s.Create(ctx, "u", []byte("id: x\nname: n\nrules: [{severty: high}]\n"))), "", `rules[0].severty: unknown key; did you mean severity?`},
		{"two policies", second(s.Create(ctx, "u", []byte("policies: []"))), "", "policies: has 0 policies: give one"},
		{"a built-in", second(s.Replace(ctx, "u", "2", 1, []byte(shop))), live.ReasonReadOnly, "comes with the program and cannot be changed here"},
		{"a file's", s.Delete(ctx, "u", "helm", 0), live.ReasonReadOnly, "comes from helm.yaml"},
		{"an old version", second(s.Replace(ctx, "u", "shop", 7, []byte(shop))), live.ReasonChanged, "it has version 1 now, by user alice"},
		{"another id", second(s.Replace(ctx, "u", "shop", 1, []byte(strings.Replace(shop, "shop", "other", 1)))), "", "cannot be changed"},
		{"one that is not there", s.Delete(ctx, "u", "none", 0), live.ReasonNotFound, "there is no policy"},
		{"an old version", s.Delete(ctx, "u", "shop", 7), live.ReasonChanged, "it has version 1 now"},
	} {
		if c.err == nil || reason(c.err) != c.reason || !strings.Contains(c.err.Error(), c.text) {
			t.Errorf("%s: %q %v", c.what, reason(c.err), c.err)
		}
	}
	if e, err = s.Replace(ctx, "user bob", "shop", 1, []byte(strings.Replace(shop, "Shop", "Other", 1))); err != nil || e.Stored.Version != 2 {
		t.Fatalf("%+v %v", e, err)
	}
	if p, _ := s.Get("shop"); p.Name != "Other" {
		t.Errorf("%+v", p)
	}
	if err := s.Delete(ctx, "user bob", "shop", 2); err != nil {
		t.Fatal(err)
	}
	if _, ok := s.Get("shop"); ok {
		t.Error("the policy is there still")
	}
}

func second[T any](_ T, err error) error { return err }

func TestExemptionsOfReadOnlyPolicies(t *testing.T) {
	t.Parallel()
	store := newStore(t)
	s, ctx := newSet(t, store), t.Context()
	before, _ := s.Get("2")
	one, err := s.Exempt(ctx, "user alice", "2", &policy.Exemption{IDs: []string{"CVE-1"}, Reason: "tonight", Owner: "shop"})
	if err != nil {
		t.Fatal(err)
	}
	all, err := s.Exempt(ctx, "user alice", "", &policy.Exemption{Image: "**/a/*", Reason: "tonight", Owner: "shop"})
	if err != nil {
		t.Fatal(err)
	}
	two, _ := s.Get("2")
	three, _ := s.Get("3")
	if len(two.Exemptions) != 2 || len(three.Exemptions) != 1 || len(before.Exemptions) != 0 || two.Revision() == before.Revision() || len(s.Entry("2").Defined.Exemptions) != 0 {
		t.Errorf("%+v %+v", two, three)
	}
	// What judged is found again by the revisions that decisions name, now and later.
	for _, p := range []*policy.Policy{before, two, three} {
		text, err := store.PolicyText(ctx, p.Revision())
		if err != nil || text == nil || text.PolicyID != p.ID {
			t.Fatalf("%+v %v", text, err)
		}
		again, err := live.Decode([]byte(text.Document))
		if err != nil || again.Revision() != p.Revision() {
			t.Errorf("the text of %s does not give its revision: %v", p.ID, err)
		}
	}
	if err := s.Unexempt(ctx, "user bob", one.ID); err != nil {
		t.Fatal(err)
	}
	if err := s.Unexempt(ctx, "user bob", all.ID); err != nil {
		t.Fatal(err)
	}
	if two, _ = s.Get("2"); two.Revision() != before.Revision() {
		t.Errorf("%+v", two)
	}
	if err := s.Unexempt(ctx, "user bob", one.ID); reason(err) != live.ReasonNotFound {
		t.Error(err)
	}
	for text, e := range map[string]policy.Exemption{
		"covers too much":         {Reason: "r", Owner: "o"},
		"expires: is in the past": {Image: "**/a/*", Reason: "r", Owner: "o", Expires: "2020-01-01"},
	} {
		if _, err := s.Exempt(ctx, "u", "2", &e); err == nil || !strings.Contains(err.Error(), text) {
			t.Errorf("%v, want %s", err, text)
		}
	}
	if _, err := s.Exempt(ctx, "u", "none", &policy.Exemption{Image: "**/a/*", Reason: "r", Owner: "o"}); reason(err) != live.ReasonNotFound {
		t.Error(err)
	}
}

// TestExemptionEnds wants the end to come by the clock, and those that ended long ago to be left out at the next reload.
func TestExemptionEnds(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 5, 1, 0, 0, 0, 0, time.UTC)
	s := newSet(t, newStore(t), func(o *live.Options) { o.Now = func() time.Time { return now } })
	e, err := s.Exempt(t.Context(), "u", "4", &policy.Exemption{Image: "docker.io/library/nginx", Reason: "r", Owner: "o", Expires: "2026-05-02"})
	if err != nil {
		t.Fatal(err)
	}
	p, _ := s.Get("4")
	image := policy.Subject{Reference: "nginx:1", Outcome: policy.OutcomeScanned}
	if !p.Evaluate(image, now).Allowed || p.Evaluate(image, now.Add(48*time.Hour)).Allowed {
		t.Error("the exemption does not end by the clock")
	}
	if got := []live.Status{e.StatusAt(now), e.StatusAt(now.Add(48 * time.Hour))}; got[0] != live.StatusActive || got[1] != live.StatusExpired {
		t.Error(got)
	}
	now = now.Add(60 * 24 * time.Hour)
	if err := s.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	if p, _ = s.Get("4"); len(p.Exemptions) != 0 || len(s.ActiveExemptions()) != 1 {
		t.Errorf("%+v", p.Exemptions)
	}
}

func TestOthersSeeChanges(t *testing.T) {
	t.Parallel()
	dsn := storetest.SQLite().New(t)
	s, other := newSet(t, storetest.Open(t, dsn)), newSet(t, storetest.Open(t, dsn))
	run(t, other)
	if _, err := s.Create(t.Context(), "u", []byte(shop)); err != nil {
		t.Fatal(err)
	}
	until(t, "the other sees it", func() bool { _, ok := other.Get("shop"); return ok })
	if err := s.Delete(t.Context(), "u", "shop", 0); err != nil {
		t.Fatal(err)
	}
	until(t, "the other sees that it is gone", func() bool { _, ok := other.Get("shop"); return !ok })
}

// TestWithoutDatabase wants the last known set to hold, and the fault to be told.
func TestWithoutDatabase(t *testing.T) {
	t.Parallel()
	store := newStore(t)
	log, hook := logtest.NewNullLogger()
	s := newSet(t, store, func(o *live.Options) { o.Log = log })
	if _, err := s.Create(t.Context(), "u", []byte(shop)); err != nil {
		t.Fatal(err)
	}
	store.fail.Store(true)
	run(t, s)
	until(t, "it fails again and again", func() bool { return s.Failures() > 3 })
	if _, ok := s.Get("shop"); !ok || !errors.Is(s.Err(), errDown) || len(s.List()) != 7 {
		t.Errorf("%v", s.Err())
	}
	if n := logged(hook, "error", "the last known ones hold"); n != 1 {
		t.Errorf("%d lines", n)
	}
	store.fail.Store(false)
	until(t, "it is well again", func() bool { return s.Err() == nil })
	if n := logged(hook, "info", "can be read from the database again"); n != 1 {
		t.Errorf("%d lines", n)
	}
	if err := live.New(live.Options{Base: base(t), Store: &broken{Store: store}, Log: log}).Reload(t.Context()); err != nil {
		t.Error(err)
	}
}

func logged(hook *logtest.Hook, level, text string) (n int) {
	for _, e := range hook.AllEntries() {
		if e.Level.String() == level && strings.Contains(e.Message, text) {
			n++
		}
	}
	return n
}

// TestTextsThatCannotBeStored wants a change to judge at once, and its text to be stored later.
func TestTextsThatCannotBeStored(t *testing.T) {
	t.Parallel()
	store := newStore(t)
	s := newSet(t, store)
	store.texts.Store(true)
	if e, err := s.Create(t.Context(), "u", []byte(shop)); err != nil || e == nil || s.Err() == nil {
		t.Fatalf("%v %v", err, s.Err())
	}
	p, ok := s.Get("shop")
	if !ok {
		t.Fatal("the policy does not judge")
	}
	run(t, s)
	store.texts.Store(false)
	until(t, "the text is stored", func() bool {
		text, err := store.PolicyText(t.Context(), p.Revision())
		return err == nil && text != nil && s.Err() == nil
	})
}

// TestWhatThisVersionCannotUse stores what another version would.
func TestWhatThisVersionCannotUse(t *testing.T) {
	t.Parallel()
	store, ctx := newStore(t), t.Context()
	for id, text := range map[string]string{"future": "{id: future, name: F, rules: [{newCondition: 1}]}", "fine": "{id: fine, name: F, rules: [{kev: true}]}", "mixed": "{id: other, name: F, rules: [{kev: true}]}", "3": "{id: '3', name: Mine, rules: [{cvss: 1}]}"} {
		if _, err := store.CreatePolicy(ctx, &live.Policy{ID: id, Document: text}); err != nil {
			t.Fatal(err)
		}
	}
	if err := store.CreateExemption(ctx, &live.Exemption{ID: "e", CreatedAt: time.Now(), Exemption: policy.Exemption{Image: "["}}); err != nil {
		t.Fatal(err)
	}
	s := newSet(t, store)
	for _, id := range []string{"future", "mixed"} {
		p, ok := s.Get(id)
		if !ok {
			t.Fatal("nothing denies")
		}
		r := p.Evaluate(policy.Subject{Reference: "nginx:1", Outcome: policy.OutcomeScanned}, time.Now())
		if r.Allowed || !strings.Contains(r.Unknown[0].Cause, "policy "+id+" cannot be used: ") {
			t.Errorf("%+v", r)
		}
	}
	if p, _ := s.Get("fine"); p.Unusable() != "" || p.Revision() == "" {
		t.Errorf("%+v", p)
	}
	if p, _ := s.Get("3"); p.Source != policy.SourceBuiltIn { // the stored one came first, an update brought the built-in one
		t.Errorf("%+v", p)
	}
	problems := strings.Join(s.Problems(), "\n")
	for _, text := range []string{"the stored policy future cannot be used, so that it denies all: rules[0].newCondition: unknown key", "the stored policy 3 is not used: ", "the stored exemption e cannot be used", `its text has the id "other"`} {
		if !strings.Contains(problems, text) {
			t.Errorf("%q lacks %q", problems, text)
		}
	}
	if p, _ := s.Get("1"); len(p.Exemptions) != 0 {
		t.Errorf("%+v", p.Exemptions)
	}
	if e, err := s.Replace(ctx, "u", "future", 1, []byte("{id: future, name: F, rules: [{kev: true}]}")); err != nil || e.Effective.Unusable() != "" {
		t.Errorf("%+v %v", e, err)
	}
}

func TestCandidates(t *testing.T) {
	t.Parallel()
	s, ctx := newSet(t, newStore(t)), t.Context()
	if _, err := s.Exempt(ctx, "u", "", &policy.Exemption{Image: "**/a/*", Reason: "r", Owner: "o"}); err != nil {
		t.Fatal(err)
	}
	p, err := live.Decode([]byte(shop))
	if err != nil {
		t.Fatal(err)
	}
	if got := s.Candidate(p); len(got.Exemptions) != 1 || len(p.Exemptions) != 0 {
		t.Errorf("%+v", got)
	}
	before, after, err := s.Exempted("", &policy.Exemption{Image: "**/b/*", Reason: "r", Owner: "o"})
	if err != nil || len(before) != 6 || len(after) != 6 || len(after[0].Exemptions) != 2 || len(before[0].Exemptions) != 1 {
		t.Errorf("%v", err)
	}
	if before, after, err = s.Exempted("helm", &policy.Exemption{Image: "**/b/*", Reason: "r", Owner: "o"}); err != nil || len(before) != 1 || after[0].ID != "helm" {
		t.Errorf("%v", err)
	}
}

// TestReadersMeanwhile has reviews read while others change.
func TestReadersMeanwhile(t *testing.T) {
	t.Parallel()
	s, ctx := newSet(t, newStore(t)), t.Context()
	var done atomic.Bool
	var wait sync.WaitGroup
	for range 2 {
		wait.Go(func() {
			for !done.Load() {
				if p, ok := s.Get("2"); !ok || p.Revision() == "" {
					t.Error("policy 2 is away")
					return
				}
				_ = s.List()
			}
		})
	}
	for range 10 {
		if _, err := s.Exempt(ctx, "u", "2", &policy.Exemption{Image: "**/a/*", Reason: "r", Owner: "o"}); err != nil {
			t.Error(err)
		}
	}
	done.Store(true)
	wait.Wait()
}
