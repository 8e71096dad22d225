package live

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/runecast/runecast/pkg/policy"
)

// build makes a state. What cannot be used is in its problems.
func (s *Set) build(counter int64, stored []Policy, exemptions []Exemption) *state {
	b := &builder{now: s.Now(), state: &state{counter: counter, byID: map[string]*Entry{}, exemptions: exemptions}}
	b.checkExemptions()
	for _, p := range s.Base.List() {
		b.add(&Entry{Defined: p})
	}
	for i := range stored {
		p := &stored[i]
		if taken := s.Base.Taken(p.ID); taken != "" {
			b.problem("the stored policy %s is not used: %s", p.ID, taken)
			continue
		}
		defined, err := Decode([]byte(p.Document))
		if err == nil && defined.ID != p.ID {
			err = fmt.Errorf("its text has the id %q", defined.ID)
		}
		if err != nil {
			cause := strings.ReplaceAll(err.Error(), "\n", "; ")
			b.problem("the stored policy %s cannot be used, so that it denies all: %s", p.ID, cause)
			defined = policy.Unusable(p.ID, "", cause)
		}
		b.add(&Entry{Defined: defined, Stored: p})
	}
	return b.state
}

// builder makes one state.
type builder struct {
	*state
	now    time.Time
	usable []Exemption
}

func (b *builder) problem(format string, args ...any) {
	b.problems = append(b.problems, fmt.Sprintf(format, args...))
}

// checkExemptions finds those that can be used.
func (b *builder) checkExemptions() {
	for i := range b.exemptions {
		e := &b.exemptions[i]
		cause := e.Problem
		if err := e.Check(); cause == "" && err != nil {
			cause = strings.ReplaceAll(err.Error(), "\n", "; ")
		}
		if cause != "" {
			b.problem("the stored exemption %s cannot be used, so that it exempts nothing: %s", e.ID, cause)
			continue
		}
		b.usable = append(b.usable, *e)
	}
}

// add adds a policy with the exemptions that belong to it.
func (b *builder) add(e *Entry) {
	e.Effective = e.Defined
	for i := range b.usable {
		if b.usable[i].Covers(e.Defined.ID) {
			e.Exemptions = append(e.Exemptions, b.usable[i])
		}
	}
	if e.Defined.Unusable() == "" {
		effective, err := e.Defined.WithExemptions(b.lasting(e.Exemptions)...)
		if err != nil { // each was checked, and so was the policy
			b.problem("the stored exemptions of policy %s cannot be used, so that they exempt nothing: %s", e.Defined.ID, strings.ReplaceAll(err.Error(), "\n", "; "))
		} else {
			e.Effective = effective
		}
	}
	b.byID[e.Defined.ID] = e
	b.entries, b.list = append(b.entries, e), append(b.list, e.Effective)
}

// lasting leaves out what ended long ago, as each exemption costs time in each review.
func (b *builder) lasting(list []Exemption) []policy.Exemption {
	var out []policy.Exemption
	for i := range list {
		if end := list[i].End(); end.IsZero() || b.now.Before(end.Add(keepEnded)) {
			out = append(out, list[i].Exemption)
		}
	}
	return out
}

// Decode reads the text of one policy, in YAML or JSON: the policy itself, or a list policies that has it alone. Every mistake is told, as
// a *policy.Error with lines.
func Decode(content []byte) (*policy.Policy, error) {
	set, err := (&policy.Set{}).Load(bytes.NewReader(content), "")
	if err != nil {
		return nil, err //nolint:wrapcheck // it says all there is to say
	}
	list := set.List()
	if len(list) != 1 {
		return nil, &policy.Error{Problems: []policy.Problem{{Path: "policies", Text: fmt.Sprintf("has %d policies: give one", len(list))}}}
	}
	return list[0], nil
}

// keepTexts stores the texts of the effective policies that were not stored yet.
func (s *Set) keepTexts(ctx context.Context, next *state) error {
	var texts []Text
	for _, p := range next.list {
		revision := p.Revision()
		if revision == "" || s.kept[revision] || slices.ContainsFunc(texts, func(t Text) bool { return t.Revision == revision }) {
			continue
		}
		document, err := json.Marshal(p)
		if err != nil {
			return fmt.Errorf("write policy %s as JSON: %w", p.ID, err)
		}
		texts = append(texts, Text{Revision: revision, PolicyID: p.ID, Document: string(document), Since: s.Now().UTC()})
	}
	if len(texts) == 0 {
		return nil
	}
	if err := s.Store.PutPolicyTexts(ctx, texts); err != nil {
		return err //nolint:wrapcheck // it says all there is to say
	}
	for i := range texts {
		s.kept[texts[i].Revision] = true
	}
	return nil
}
