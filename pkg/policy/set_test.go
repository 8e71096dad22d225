package policy_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/runecast/runecast/pkg/policy"
)

func TestSet(t *testing.T) {
	t.Parallel()
	base, err := policy.NewSet(policy.BuiltInOptions{})
	if err != nil {
		t.Fatal(err)
	}
	more, err := base.Load(strings.NewReader(full), "full.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := base.Get("10"); ok || len(base.List()) != 5 {
		t.Error("loading changed the set it was called on")
	}
	if p, ok := more.Get("10"); !ok || p.Name != "Team A" || p.Source != "full.yaml" {
		t.Errorf("policy 10 is %+v, %v", p, ok)
	}
	var ids []string
	for _, p := range more.List() {
		ids = append(ids, p.ID)
	}
	if want := []string{"1", "2", "3", "4", "5", "10", "team-b"}; !slices.Equal(ids, want) {
		t.Errorf("policies %q, want %q", ids, want)
	}
	list := more.List()
	list[0] = nil
	if more.List()[0] == nil {
		t.Error("the list is the set's own")
	}
}

func TestSetWith(t *testing.T) {
	t.Parallel()
	more, err := policy.NewSet(policy.BuiltInOptions{})
	if err != nil {
		t.Fatal(err)
	}
	p, err := policy.New(&policy.Policy{ID: "ui", Name: "From the UI", Rules: []policy.Rule{{CVSS: 7}}})
	if err != nil {
		t.Fatal(err)
	}
	with, err := more.With(p)
	if err != nil || len(with.List()) != 6 || p.ReadOnly() {
		t.Errorf("adding a policy: %v", err)
	}
	_, err = with.With(p)
	if err == nil || err.Error() != `id: "ui" is the id of a policy of this server already: choose another` {
		t.Errorf("adding it again: %v", err)
	}
	_, err = with.With(&policy.Policy{ID: "raw"})
	if err == nil || err.Error() != `id: policy "raw" was not made with New` {
		t.Errorf("adding one that was not prepared: %v", err)
	}
}
