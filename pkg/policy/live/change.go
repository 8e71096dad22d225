package live

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/runecast/runecast/pkg/policy"
)

// What is stored at most: each policy is compiled and each exemption compared in every server.
const (
	maxPolicies   = 1000
	maxExemptions = 5000 // that were not removed
)

// Reason says why a change is refused.
type Reason string

// The reasons.
const (
	ReasonNotFound Reason = "not found"
	ReasonReadOnly Reason = "read-only"
	ReasonTaken    Reason = "taken"   // the id
	ReasonChanged  Reason = "changed" // by somebody else meanwhile
	ReasonTooMany  Reason = "too many"
)

// RefusedError is a change that is refused, worded for whoever asked for it. Mistakes in what they gave are *policy.Error instead.
type RefusedError struct {
	Reason Reason
	Text   string
}

// Error gives the text.
func (e *RefusedError) Error() string { return e.Text }

func refuse(reason Reason, format string, args ...any) error {
	return &RefusedError{reason, fmt.Sprintf(format, args...)}
}

// Create stores a new policy. by is who does it.
func (s *Set) Create(ctx context.Context, by string, content []byte) (*Entry, error) {
	p, err := Decode(content)
	if err != nil {
		return nil, err
	}
	if taken := s.Base.Taken(p.ID); taken != "" {
		return nil, refuse(ReasonTaken, "%s", taken)
	}
	if len(s.current.Load().entries)-len(s.Base.List()) >= maxPolicies {
		return nil, refuse(ReasonTooMany, "there are %d stored policies already: delete one first", maxPolicies)
	}
	now := s.moment()
	stored := &Policy{ID: p.ID, Document: string(content), CreatedAt: now, CreatedBy: by, UpdatedAt: now, UpdatedBy: by}
	created, err := s.Store.CreatePolicy(ctx, stored)
	if err != nil {
		return nil, err //nolint:wrapcheck // it says all there is to say
	}
	if !created {
		return nil, refuse(ReasonTaken, "%q is the id of a stored policy already: choose another", p.ID)
	}
	return orGiven(s.after(ctx, p.ID), p, stored), nil
}

// orGiven gives a policy as it was stored, where it could not be read again.
func orGiven(e *Entry, p *policy.Policy, stored *Policy) *Entry {
	if e != nil && e.Stored != nil && e.Stored.Version >= stored.Version {
		return e
	}
	return &Entry{Defined: p, Effective: p, Stored: stored}
}

// Replace stores a new text over a version of a policy.
func (s *Set) Replace(ctx context.Context, by, id string, version int64, content []byte) (*Entry, error) {
	if err := s.changeable(id); err != nil {
		return nil, err
	}
	p, err := Decode(content)
	if err != nil {
		return nil, err
	}
	if p.ID != id {
		return nil, &policy.Error{Problems: []policy.Problem{{Path: "id", Text: fmt.Sprintf("%q is not the policy's id, %q, which cannot be changed", p.ID, id)}}}
	}
	stored := &Policy{ID: id, Document: string(content), Version: version, UpdatedAt: s.moment(), UpdatedBy: by}
	replaced, err := s.Store.ReplacePolicy(ctx, stored)
	if err != nil {
		return nil, err //nolint:wrapcheck // it says all there is to say
	}
	entry := s.after(ctx, id)
	if !replaced {
		return nil, changed(id, entry)
	}
	return orGiven(entry, p, stored), nil
}

// Delete deletes a version of a policy; 0: whichever it is.
func (s *Set) Delete(ctx context.Context, by, id string, version int64) error {
	if err := s.changeable(id); err != nil {
		return err
	}
	deleted, err := s.Store.DeletePolicy(ctx, &Policy{ID: id, Version: version, UpdatedAt: s.moment(), UpdatedBy: by})
	if err != nil {
		return err //nolint:wrapcheck // it says all there is to say
	}
	if entry := s.after(ctx, id); !deleted {
		return changed(id, entry)
	}
	return nil
}

// changed words a change that came too late.
func changed(id string, now *Entry) error {
	if now == nil || now.Stored == nil {
		return refuse(ReasonNotFound, "there is no stored policy %q any more", id)
	}
	return refuse(ReasonChanged, "policy %q was changed meanwhile: it has version %d now, by %s", id, now.Stored.Version, now.Stored.UpdatedBy)
}

// changeable tells why a policy cannot be changed.
func (s *Set) changeable(id string) error {
	if p, ok := s.Base.Get(id); ok {
		from := "comes with the program"
		if p.Source != policy.SourceBuiltIn {
			from = "comes from " + string(p.Source)
		}
		return refuse(ReasonReadOnly, "policy %q %s and cannot be changed here: copy it to a new policy, or add an exemption to it", id, from)
	}
	if s.Entry(id) == nil {
		return refuse(ReasonNotFound, "there is no policy %q", id)
	}
	return nil
}

// Exempt stores an exemption from a policy, or from all where policyID is empty.
func (s *Set) Exempt(ctx context.Context, by, policyID string, e *policy.Exemption) (*Exemption, error) {
	if err := s.exemptable(policyID, e); err != nil {
		return nil, err
	}
	if len(s.current.Load().exemptions) >= maxExemptions {
		return nil, refuse(ReasonTooMany, "there are %d exemptions already: remove those that have ended", maxExemptions)
	}
	stored := &Exemption{Exemption: *e, ID: uuid.NewString(), PolicyID: policyID, CreatedAt: s.moment(), CreatedBy: by}
	if err := s.Store.CreateExemption(ctx, stored); err != nil {
		return nil, err //nolint:wrapcheck // it says all there is to say
	}
	s.after(ctx, "")
	return stored, nil
}

// exemptable checks an exemption that is to be added.
func (s *Set) exemptable(policyID string, e *policy.Exemption) error {
	if err := e.Check(); err != nil {
		return err //nolint:wrapcheck // it says all there is to say
	}
	if end := e.End(); !end.IsZero() && !s.Now().Before(end) {
		return &policy.Error{Problems: []policy.Problem{{Path: "expires", Text: "is in the past"}}}
	}
	if policyID != "" && s.Entry(policyID) == nil {
		return refuse(ReasonNotFound, "there is no policy %q", policyID)
	}
	return nil
}

// Unexempt removes an exemption, which stays in the history.
func (s *Set) Unexempt(ctx context.Context, by, id string) error {
	removed, err := s.Store.RemoveExemption(ctx, id, by, s.moment())
	if err != nil {
		return err //nolint:wrapcheck // it says all there is to say
	}
	if s.after(ctx, ""); !removed {
		return refuse(ReasonNotFound, "there is no exemption of that id, or it is removed already")
	}
	return nil
}

// after takes over what was just changed, and gives the policy of an id. The change is made, whether or not the client still waits; where
// it cannot be read now, the next look finds it.
func (s *Set) after(ctx context.Context, id string) *Entry {
	limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), lookTimeout)
	defer cancel()
	_ = s.Reload(limited) // it is in the log
	return s.Entry(id)
}

// moment is now as databases keep it.
func (s *Set) moment() time.Time { return s.Now().UTC().Truncate(time.Microsecond) }

// Candidate gives a policy as it would judge: with the stored exemptions of its id.
func (s *Set) Candidate(p *policy.Policy) *policy.Policy {
	b := &builder{now: s.Now(), state: &state{exemptions: s.ActiveExemptions(), byID: map[string]*Entry{}}}
	b.checkExemptions()
	b.add(&Entry{Defined: p})
	return b.list[0]
}

// Exempted gives the policies that an exemption would change, as they are and as they would be.
func (s *Set) Exempted(policyID string, e *policy.Exemption) (before, after []*policy.Policy, err error) {
	if err := s.exemptable(policyID, e); err != nil {
		return nil, nil, err
	}
	for _, p := range s.List() {
		if policyID != "" && p.ID != policyID || p.Unusable() != "" {
			continue
		}
		with, err := p.WithExemptions(*e)
		if err != nil {
			return nil, nil, err //nolint:wrapcheck // it says all there is to say
		}
		before, after = append(before, p), append(after, with)
	}
	return before, after, nil
}
