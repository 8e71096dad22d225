package policy

import (
	"time"

	"github.com/runecast/runecast/pkg/advisory"
)

// severity compiles the least severity.
func (c *compiler) severity(r *Rule, path string) condition {
	if r.Severity == advisory.SeverityUnknown {
		return nil
	}
	if r.Severity > advisory.SeverityCritical {
		c.failf(path+".severity", "%s is none of critical, high, medium, low, none", r.Severity)
		return nil
	}
	least, unknown := r.Severity, missing(r.UnknownSeverity)
	return func(f *advisory.Finding, _ time.Time) answer {
		if f.Severity == advisory.SeverityUnknown {
			return unknown
		}
		return truth(f.Severity >= least)
	}
}

// cvss compiles the least CVSS base score.
func (c *compiler) cvss(r *Rule, path string) condition {
	if r.CVSS == 0 {
		return nil
	}
	if !(r.CVSS > 0 && r.CVSS <= 10) { // written so that NaN is refused too
		c.failf(path+".cvss", "%g is no CVSS score: give one above 0, up to 10", r.CVSS)
		return nil
	}
	least, unknown := r.CVSS, missing(r.UnknownSeverity)
	return func(f *advisory.Finding, _ time.Time) answer {
		if f.CVSS == nil {
			return unknown
		}
		return truth(f.CVSS.Score >= least)
	}
}

// kev compiles membership in the catalogue of known exploited vulnerabilities.
func (c *compiler) kev(r *Rule) condition {
	if r.KEV == nil {
		return nil
	}
	want := *r.KEV
	return func(f *advisory.Finding, _ time.Time) answer { return truth((f.KEV != nil) == want) }
}
