package policy

import (
	"fmt"
	"slices"
	"time"

	"github.com/runecast/runecast/pkg/advisory"
)

// fix compiles whether there is a fix and how long there has been one.
func (c *compiler) fix(r *Rule, path string) condition {
	if r.FixAge < 0 {
		c.failf(path+".fixAge", "%s is below zero", r.FixAge)
	}
	if r.FixAge > 0 {
		if r.FixAvailable != nil && !*r.FixAvailable {
			c.failf(path+".fixAge", "contradicts fixAvailable: false: remove one of the two")
		}
		return fixAge(time.Duration(r.FixAge))
	}
	if r.FixAvailable == nil {
		return nil
	}
	want := *r.FixAvailable
	return func(f *advisory.Finding, _ time.Time) answer { return truth((f.FixedVersion != "") == want) }
}

// fixAge holds once a fix has been out for the grace period. No date means no grace: fail closed.
func fixAge(grace time.Duration) condition {
	return func(f *advisory.Finding, now time.Time) answer {
		if f.FixedVersion == "" {
			return no
		}
		return truth(f.FixedAt.IsZero() || !now.Before(f.FixedAt.Add(grace)))
	}
}

// fixState compiles the list of fix states. A supposition about an uncertain finding that has no fix may be in any of them.
func (c *compiler) fixState(r *Rule, path string) condition {
	if r.FixState == nil {
		return nil
	}
	words := make([]string, len(r.FixState))
	for i, state := range r.FixState {
		words[i] = string(state)
		oneOf(c, fmt.Sprintf("%s.fixState[%d]", path, i), state, advisory.FixStates()...)
	}
	c.texts(path+".fixState", words)
	if r.FixAvailable != nil && *r.FixAvailable && !slices.Contains(r.FixState, advisory.FixStateFixed) {
		c.failf(path+".fixState", "contradicts fixAvailable: true: remove one of the two")
	}
	list := slices.Clone(r.FixState)
	return func(f *advisory.Finding, _ time.Time) answer {
		switch {
		case f.FixedVersion != "":
			return truth(slices.Contains(list, advisory.FixStateFixed))
		case f.Uncertain != "":
			return truth(slices.ContainsFunc(list, func(s advisory.FixState) bool { return s != advisory.FixStateFixed }))
		case slices.Contains(list, f.FixState):
			return yes
		case f.FixState == advisory.FixStateUnknown || f.FixState == "":
			return ignored
		}
		return no
	}
}
