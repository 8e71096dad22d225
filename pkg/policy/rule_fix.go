package policy

import (
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
