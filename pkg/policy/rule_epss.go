package policy

import (
	"time"

	"github.com/runecast/runecast/pkg/advisory"
)

// epss compiles the least EPSS estimate. A finding without one is included by default: EPSS rates every published CVE, so that a
// missing estimate means a feed built without EPSS, a CVE of today, or an advisory that has no CVE.
func (c *compiler) epss(r *Rule, path string) condition {
	if r.EPSS == nil {
		return nil
	}
	e := *r.EPSS
	path += ".epss"
	if e.Unknown != "" {
		oneOf(c, path+".unknown", e.Unknown, UnknownInclude, UnknownIgnore)
	}
	c.share(path+".probability", e.Probability)
	c.share(path+".percentile", e.Percentile)
	if e.Probability == 0 && e.Percentile == 0 {
		c.failf(path, "has no threshold: give probability, percentile or both")
		return nil
	}
	unknown := missing(e.Unknown)
	return func(f *advisory.Finding, _ time.Time) answer {
		if f.EPSS == nil {
			return unknown
		}
		return truth(f.EPSS.Probability >= e.Probability && f.EPSS.Percentile >= e.Percentile)
	}
}

// share checks a threshold from 0 (not set) to 1.
func (c *compiler) share(path string, value float64) {
	if !(value >= 0 && value <= 1) { // written so that NaN is refused too
		c.failf(path, "%g is not between 0 and 1: write 0.9 for 90 percent", value)
	}
}
