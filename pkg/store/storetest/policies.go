package storetest

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/runecast/runecast/pkg/admission"
	"github.com/runecast/runecast/pkg/policy"
	"github.com/runecast/runecast/pkg/policy/live"
	"github.com/runecast/runecast/pkg/store"
	"github.com/runecast/runecast/pkg/web"
)

// storedPolicy gives a policy with every field.
func storedPolicy(id string, version int64) *live.Policy {
	return &live.Policy{
		ID: id, Document: "id: " + id + " # “" + id + "”\nname: N\n", Version: version, CreatedAt: when(), CreatedBy: "user alice",
		UpdatedAt: when().Add(time.Duration(version) * time.Minute), UpdatedBy: "token pipeline",
	}
}

// storedExemption gives an exemption with every field but those of its removal.
func storedExemption(n int) *live.Exemption {
	return &live.Exemption{
		ID: fmt.Sprintf("exemption-%04d", n), PolicyID: "2", CreatedAt: when().Add(time.Duration(n) * time.Second), CreatedBy: "user alice",
		Exemption: policy.Exemption{
			IDs: []string{"CVE-2021-3711"}, Package: "openssl", Ecosystem: "Debian:10", Image: "shop/*", Reason: "not reachable", Owner: "shop",
			Expires: "2027-01-31", UntilFix: true,
		},
	}
}

// policyCalls are the methods about policies and exemptions.
func policyCalls() []call {
	return []call{
		{"PolicyCounter", false, func(ctx context.Context, s *store.Store) error { _, err := s.PolicyCounter(ctx); return err }},
		{"Policies", false, func(ctx context.Context, s *store.Store) error { _, err := s.Policies(ctx); return err }},
		{"CreatePolicy", true, func(ctx context.Context, s *store.Store) error {
			_, err := s.CreatePolicy(ctx, storedPolicy("x", 0))
			return err
		}},
		{"ReplacePolicy", true, func(ctx context.Context, s *store.Store) error {
			_, err := s.ReplacePolicy(ctx, storedPolicy("x", 1))
			return err
		}},
		{"DeletePolicy", true, func(ctx context.Context, s *store.Store) error {
			_, err := s.DeletePolicy(ctx, storedPolicy("x", 0))
			return err
		}},
		{"PolicyChanges", false, func(ctx context.Context, s *store.Store) error { _, err := s.PolicyChanges(ctx, "x"); return err }},
		{"PutPolicyTexts", true, func(ctx context.Context, s *store.Store) error {
			return s.PutPolicyTexts(ctx, []live.Text{{Revision: "r"}})
		}},
		{"PolicyText", false, func(ctx context.Context, s *store.Store) error { _, err := s.PolicyText(ctx, "r"); return err }},
		{"Exemptions", false, func(ctx context.Context, s *store.Store) error { _, err := s.Exemptions(ctx, true); return err }},
		{"Exemption", false, func(ctx context.Context, s *store.Store) error { _, err := s.Exemption(ctx, "x"); return err }},
		{"CreateExemption", true, func(ctx context.Context, s *store.Store) error {
			return s.CreateExemption(ctx, storedExemption(900))
		}},
		{"RemoveExemption", true, func(ctx context.Context, s *store.Store) error {
			_, err := s.RemoveExemption(ctx, "x", "user a", when())
			return err
		}},
	}
}

func testPolicies(t *testing.T, b Backend) {
	t.Helper()
	for name, test := range map[string]func(*testing.T, Backend){
		"policies are created, replaced and deleted by version":       testPolicyVersions,
		"of two who change a policy one is told":                      testPolicyConflicts,
		"exemptions are created and removed":                          testExemptions,
		"an exemption with a field that is not known is not believed": testExemptionUnknownField,
		"the text of a policy is found by its revision":               testPolicyTexts,
		"decisions are found by every field":                          testFindDecisions,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, b)
		})
	}
}

func testPolicyVersions(t *testing.T, b Backend) {
	t.Helper()
	s := Open(t, b.New(t))
	ctx := t.Context()
	counter := int64(0)
	moved := func(what string, moves bool) {
		t.Helper()
		now, err := s.PolicyCounter(ctx)
		must(t, err)
		if (now > counter) != moves {
			t.Errorf("%s: the counter went from %d to %d", what, counter, now)
		}
		counter = now
	}
	yes := func(what string, want bool) func(bool, error) {
		return func(got bool, err error) {
			t.Helper()
			if err != nil || got != want {
				t.Errorf("%s: %v %v", what, got, err)
			}
			moved(what, want)
		}
	}
	counter, err := s.PolicyCounter(ctx)
	must(t, err)
	first := storedPolicy("shop", 0)
	complete(t, *storedPolicy("shop", 1))
	yes("create", true)(s.CreatePolicy(ctx, first))
	yes("create another", true)(s.CreatePolicy(ctx, storedPolicy("Shop", 0)))
	yes("create again", false)(s.CreatePolicy(ctx, storedPolicy("shop", 0)))
	second := storedPolicy("shop", 1)
	second.Document, second.CreatedBy, second.CreatedAt = "id: shop\nname: other", "", time.Time{}
	yes("replace", true)(s.ReplacePolicy(ctx, second))
	yes("replace a version of before", false)(s.ReplacePolicy(ctx, storedPolicy("shop", 1)))
	yes("replace what is not there", false)(s.ReplacePolicy(ctx, storedPolicy("none", 1)))
	list, err := s.Policies(ctx)
	must(t, err)
	want := *second
	want.Version, want.CreatedAt, want.CreatedBy = 2, when(), "user alice"
	other := *storedPolicy("Shop", 0)
	other.Version = 1
	equal(t, "policies by id", list, []live.Policy{other, want})
	utc(t, list[1].UpdatedAt)

	yes("delete a version of before", false)(s.DeletePolicy(ctx, storedPolicy("shop", 1)))
	yes("delete", true)(s.DeletePolicy(ctx, storedPolicy("shop", 2)))
	yes("delete again", false)(s.DeletePolicy(ctx, storedPolicy("shop", 0)))
	yes("replace what is deleted", false)(s.ReplacePolicy(ctx, storedPolicy("shop", 3)))
	again := storedPolicy("shop", 0)
	yes("create what was deleted", true)(s.CreatePolicy(ctx, again))
	yes("delete whichever version", true)(s.DeletePolicy(ctx, storedPolicy("Shop", 0)))
	if list, err = s.Policies(ctx); err != nil || len(list) != 1 || list[0].Version != 4 || again.Version != 4 {
		t.Errorf("%+v %v", list, err)
	}
	changes, err := s.PolicyChanges(ctx, "shop")
	must(t, err)
	equal(t, "history", changes, []live.Change{
		{Version: 4, Action: live.ActionCreated, At: again.UpdatedAt, By: "token pipeline", Document: again.Document},
		{Version: 3, Action: live.ActionDeleted, At: storedPolicy("", 2).UpdatedAt, By: "token pipeline"},
		{Version: 2, Action: live.ActionReplaced, At: second.UpdatedAt, By: "token pipeline", Document: second.Document},
		{Version: 1, Action: live.ActionCreated, At: first.UpdatedAt, By: "token pipeline", Document: first.Document},
	})
}

func testPolicyConflicts(t *testing.T, b Backend) {
	t.Helper()
	dsn := b.New(t)
	s, other := Open(t, dsn), Open(t, dsn)
	_, err := s.CreatePolicy(t.Context(), storedPolicy("shop", 0))
	must(t, err)
	var all sync.WaitGroup
	var replaced, created atomic.Int64
	for n := range 8 {
		on := s
		if n%2 == 0 {
			on = other
		}
		all.Go(func() {
			if ok, err := on.ReplacePolicy(t.Context(), storedPolicy("shop", 1)); err != nil {
				t.Error(err)
			} else if ok {
				replaced.Add(1)
			}
			if ok, err := on.CreatePolicy(t.Context(), storedPolicy("new", 0)); err != nil {
				t.Error(err)
			} else if ok {
				created.Add(1)
			}
		})
	}
	all.Wait()
	if replaced.Load() != 1 || created.Load() != 1 {
		t.Errorf("%d replaced, %d created", replaced.Load(), created.Load())
	}
	if counter, err := s.PolicyCounter(t.Context()); err != nil || counter != 3 {
		t.Errorf("the counter is %d: %v", counter, err)
	}
}

func testExemptions(t *testing.T, b Backend) {
	t.Helper()
	s := Open(t, b.New(t))
	ctx := t.Context()
	first, second := storedExemption(1), storedExemption(2)
	complete(t, first.Exemption)
	second.PolicyID, second.Exemption = "", policy.Exemption{Image: "a/*", Reason: "“why”", Owner: "who"}
	must(t, s.CreateExemption(ctx, second))
	must(t, s.CreateExemption(ctx, first))
	list, err := s.Exemptions(ctx, false)
	must(t, err)
	equal(t, "exemptions, oldest first", list, []live.Exemption{*first, *second})
	before, err := s.PolicyCounter(ctx)
	must(t, err)
	at := when().Add(time.Hour)
	for _, want := range []bool{true, false} {
		if removed, failure := s.RemoveExemption(ctx, first.ID, "user bob", at); failure != nil || removed != want {
			t.Errorf("%v %v", removed, failure)
		}
	}
	if after, failure := s.PolicyCounter(ctx); failure != nil || before != 2 || after != 3 {
		t.Errorf("the counter goes from %d to %d: %v", before, after, failure)
	}
	first.RemovedAt, first.RemovedBy = at, "user bob"
	complete(t, func() live.Exemption { e := *first; e.Problem = "-"; return e }())
	if list, err = s.Exemptions(ctx, true); err != nil || len(list) != 1 {
		t.Fatalf("%v %v", list, err)
	}
	equal(t, "a removed one", list[0], *first)
	one, err := s.Exemption(ctx, second.ID)
	must(t, err)
	equal(t, "one", *one, *second)
	if one, err = s.Exemption(ctx, "none"); one != nil || err != nil {
		t.Errorf("%v %v", one, err)
	}
}

func testExemptionUnknownField(t *testing.T, b Backend) {
	t.Helper()
	dsn := b.New(t)
	s := Open(t, dsn)
	must(t, s.CreateExemption(t.Context(), storedExemption(1)))
	_, err := b.Raw(t, dsn).ExecContext(t.Context(), `UPDATE exemptions SET document = '{"image": "*", "onlyOn": "friday", "reason": "r", "owner": "o"}'`)
	must(t, err)
	list, err := s.Exemptions(t.Context(), false)
	if err != nil || len(list) != 1 || list[0].StatusAt(when()) != live.StatusUnusable || list[0].Problem != `its stored fields cannot be read: json: unknown field "onlyOn"` {
		t.Errorf("%+v %v", list, err)
	}
}

func testPolicyTexts(t *testing.T, b Backend) {
	t.Helper()
	s := Open(t, b.New(t))
	text := live.Text{Revision: "6f1c", PolicyID: "2", Document: `{"id":"2"}`, Since: when()}
	complete(t, text)
	must(t, s.PutPolicyTexts(t.Context(), []live.Text{text, {Revision: "other", Since: when()}}))
	again := text
	again.Document, again.Since = "{}", when().Add(time.Hour)
	must(t, s.PutPolicyTexts(t.Context(), []live.Text{again}))
	got, err := s.PolicyText(t.Context(), "6f1c")
	must(t, err)
	equal(t, "text", *got, text)
	if got, err = s.PolicyText(t.Context(), "none"); got != nil || err != nil {
		t.Errorf("%v %v", got, err)
	}
	if err := s.PutPolicyTexts(t.Context(), []live.Text{{PolicyID: "2"}}); err == nil {
		t.Error("a text without a revision was stored")
	}
}

// testFindDecisions looks for one decision among others by each field.
func testFindDecisions(t *testing.T, b Backend) {
	t.Helper()
	s := Open(t, b.New(t))
	one, other, bare := Decision(1), Decision(2), Decision(3)
	other.PolicyID, other.PolicyRevision, other.Namespace, other.Verdict, other.Trigger = "9", "other", "bank", policy.VerdictAllow, admission.TriggerAPI
	other.Reason, other.Kind, other.Name, other.User, other.Allowed = "compliant", "Pod", "x", "y", false
	bare.Images, bare.PolicyID, bare.Allowed = nil, "9", false // a decision that names no image
	must(t, s.CreateDecisions(t.Context(), []*admission.Decision{&one, &other, &bare}))
	for _, c := range []*struct {
		query web.DecisionQuery
		want  []string
	}{
		{web.DecisionQuery{}, []string{bare.ID, other.ID, one.ID}},
		{web.DecisionQuery{PolicyID: "9"}, []string{bare.ID, other.ID}},
		{web.DecisionQuery{PolicyRevision: "other"}, []string{other.ID}},
		{web.DecisionQuery{Namespace: "bank"}, []string{other.ID}},
		{web.DecisionQuery{Verdict: policy.VerdictAllow}, []string{other.ID}},
		{web.DecisionQuery{Trigger: admission.TriggerAPI}, []string{other.ID}},
		{web.DecisionQuery{Reason: "compliant"}, []string{other.ID}},
		{web.DecisionQuery{Kind: "Pod"}, []string{other.ID}},
		{web.DecisionQuery{Name: "x"}, []string{other.ID}},
		{web.DecisionQuery{User: "y"}, []string{other.ID}},
		{web.DecisionQuery{Allowed: "yes"}, []string{one.ID}},
		{web.DecisionQuery{Allowed: "no", From: bare.At}, []string{bare.ID}},
		{web.DecisionQuery{To: other.At}, []string{one.ID}},
		{web.DecisionQuery{User: "y", Kind: "Deployment"}, nil},
	} {
		list, _, err := s.FindDecisions(t.Context(), &c.query)
		must(t, err)
		var got []string
		for i := range list {
			got = append(got, list[i].ID)
		}
		equal(t, fmt.Sprintf("%+v", c.query), got, c.want)
	}
}
