package policy

import (
	"slices"
	"time"
)

// WithExemptions gives the policy with more exemptions, after its own. A mistake in one is an *Error. What was given is not changed.
func (p *Policy) WithExemptions(more ...Exemption) (*Policy, error) {
	if len(more) == 0 {
		return p, nil
	}
	made := *p
	made.Exemptions = slices.Concat(p.Exemptions, more)
	return New(&made)
}

// Check tells what is wrong with an exemption, as an *Error whose paths are the exemption's keys; nil where nothing is.
func (e *Exemption) Check() error {
	c := compiler{policy: &Policy{}}
	c.exemption(e, "")
	if len(c.problems) == 0 {
		return nil
	}
	for i := range c.problems {
		if path := c.problems[i].Path; path != "" && path[0] == '.' {
			c.problems[i].Path = path[1:]
		}
	}
	return &Error{Problems: c.problems}
}

// End tells when the exemption ends: from that moment on it does not hold. Zero: it has no end, or one that Check refuses.
func (e *Exemption) End() time.Time {
	if e.Expires == "" {
		return time.Time{}
	}
	end, err := parseEnd(e.Expires)
	if err != nil {
		return time.Time{}
	}
	return end
}

// Words says what the rule is about, whatever its name: severity high or worse, with a fix.
func (r *Rule) Words() string { return describe(r) }

// PatternOf gives the image pattern that covers an image by its reference alone, in full form: docker.io/library/nginx:1.19 for nginx:1.19.
// Empty: it is no reference.
func PatternOf(ref string) string {
	parsed, err := parseReference(ref)
	switch {
	case err != nil:
		return ""
	case parsed.digest != "":
		return parsed.repository + "@" + parsed.digest
	}
	return parsed.repository + ":" + parsed.tag
}
