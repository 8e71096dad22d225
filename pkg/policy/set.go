package policy

import (
	"fmt"
	"maps"
	"slices"
	"time"
)

// Set is an immutable, ordered collection of policies with unique ids. It is safe for concurrent use.
type Set struct {
	list []*Policy
	byID map[string]*Policy
}

// Get finds a policy by its id.
func (s *Set) Get(id string) (*Policy, bool) {
	p, ok := s.byID[id]
	return p, ok
}

// List gives all policies: the built-in ones by id, then those of files in their order.
func (s *Set) List() []*Policy { return slices.Clone(s.list) }

// With gives a new set with one more policy, made by New. An id that is taken is an *Error.
func (s *Set) With(p *Policy) (*Set, error) {
	if p.compiled == nil {
		return nil, &Error{Problems: []Problem{{Path: "id", Text: fmt.Sprintf("policy %q was not made with New", clean(p.ID, maxField))}}}
	}
	if old, taken := s.byID[p.ID]; taken {
		return nil, &Error{Problems: []Problem{{Path: "id", Text: takenText(old)}}}
	}
	return s.extend([]*Policy{p}), nil
}

func (s *Set) extend(more []*Policy) *Set {
	out := &Set{list: slices.Concat(s.list, more), byID: maps.Clone(s.byID)}
	if out.byID == nil {
		out.byID = map[string]*Policy{}
	}
	for _, p := range more {
		out.byID[p.ID] = p
	}
	return out
}

// Taken tells why a policy of an id cannot be added to the set; empty where it can.
func (s *Set) Taken(id string) string {
	if old, taken := s.byID[id]; taken {
		return takenText(old)
	}
	return ""
}

// takenText words the clash with a policy of the set.
func takenText(old *Policy) string {
	if old.Source == SourceBuiltIn {
		return fmt.Sprintf("%q is the id of a built-in policy (%s): choose another", old.ID, old.Name)
	}
	return fmt.Sprintf("%q is the id of a policy of %s already: choose another", old.ID, orText(string(old.Source), "this server"))
}

// Warnings lists the exemptions of all policies that have ended, or end within 14 days of now, one line each. They are no errors:
// a file must still load on the day after.
func (s *Set) Warnings(now time.Time) []string {
	var out []string
	for _, p := range s.list {
		if p.compiled == nil {
			continue
		}
		for i := range p.compiled.exemptions {
			if text := p.compiled.exemptions[i].endNotice(now); text != "" {
				out = append(out, fmt.Sprintf("policy %s: %s", p.ID, text))
			}
		}
	}
	return out
}
