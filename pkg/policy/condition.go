package policy

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/runecast/runecast/pkg/advisory"
)

// answer is what a condition or a rule says to a finding.
type answer uint8

const (
	no        answer = iota
	yes              // the condition holds
	ignored          // it would need data that is missing, and the rule says to ignore that
	undecided        // it failed, or the finding is not certain
)

// condition judges one finding. Conditions are pure; the review's time is an argument.
type condition func(f *advisory.Finding, now time.Time) answer

// compiledRule is a rule ready to judge.
type compiledRule struct {
	name       string
	conditions []condition   // cheap first
	cel        *celCondition // nil: none; last, as it costs most
	registries *registryCondition
	lacking    string // what the findings lack that it ignores, for a warning
}

// perFinding tells whether the rule needs findings.
func (r *compiledRule) perFinding() bool { return len(r.conditions) > 0 || r.cel != nil }

func truth(b bool) answer {
	if b {
		return yes
	}
	return no
}

// missing is the answer to a finding that lacks the data.
func missing(setting UnknownRating) answer {
	if setting == UnknownIgnore {
		return ignored
	}
	return yes
}

// match joins the conditions: one no settles it, and what is ignored or undecided holds only where nothing says no.
func (r *compiledRule) match(f *advisory.Finding, now time.Time) answer {
	result := yes
	for _, cond := range r.conditions {
		switch cond(f, now) {
		case no:
			return no
		case ignored:
			result = ignored
		case yes, undecided:
		}
	}
	return result
}

// judge asks all of the rule about one finding. A failure is that of the expression.
func (r *compiledRule) judge(f *advisory.Finding, image *celImage, now time.Time) (answer, error) {
	if f.Uncertain != "" {
		return r.suppose(f, image, now)
	}
	got := r.match(f, now)
	if got != yes || r.cel == nil {
		return got, nil
	}
	value, err := r.cel.eval(f, image, now)
	if err != nil {
		return undecided, err
	}
	return truth(value), nil
}

// rule compiles one rule.
func (c *compiler) rule(r *Rule, path string) compiledRule {
	out := compiledRule{name: r.Name}
	if r.Name == "" {
		out.name = describe(r)
	} else if !plain(r.Name, maxName) && clean(r.Name, maxName) != r.Name {
		c.failf(path+".name", "must be one line of at most %d characters without control characters", maxName)
	}
	add := func(cond condition) {
		if cond != nil {
			out.conditions = append(out.conditions, cond)
		}
	}
	out.lacking = lacking(r)
	add(c.severity(r, path))
	add(c.cvss(r, path))
	add(c.kev(r))
	add(c.fix(r, path))
	add(c.fixState(r, path))
	add(c.packageTypes(r, path))
	add(c.packages(r, path))
	add(c.epss(r, path))
	add(c.ids(r, path))
	out.cel = c.expression(r, path)
	out.registries = c.registries(r, path)
	if r.UnknownSeverity != "" {
		oneOf(c, path+".unknownSeverity", r.UnknownSeverity, UnknownInclude, UnknownIgnore)
		if r.Severity == advisory.SeverityUnknown && r.CVSS == 0 {
			c.failf(path+".unknownSeverity", "says nothing without severity or cvss beside it")
		}
	}
	if !out.perFinding() && out.registries == nil && !c.has(path) {
		c.failf(path, "has no condition and would match everything: give at least one, such as severity: high")
	}
	return out
}

// lacking words what findings lack that a rule ignores.
func lacking(r *Rule) string {
	var parts []string
	if r.UnknownSeverity == UnknownIgnore {
		parts = append(parts, "of unknown severity")
	}
	if r.EPSS != nil && r.EPSS.Unknown == UnknownIgnore {
		parts = append(parts, "without an EPSS estimate")
	}
	if len(r.FixState) > 0 && !slices.Contains(r.FixState, advisory.FixStateUnknown) {
		parts = append(parts, "of unknown fix state")
	}
	return strings.Join(parts, " or ")
}

// has tells whether a problem was found at or below a path.
func (c *compiler) has(path string) bool {
	for i := range c.problems {
		if within(c.problems[i].Path, path) {
			return true
		}
	}
	return false
}

// describe names a rule by its conditions.
func describe(r *Rule) string {
	var parts []string
	add := func(set bool, format string, args ...any) {
		if set {
			parts = append(parts, fmt.Sprintf(format, args...))
		}
	}
	add(r.Severity == advisory.SeverityCritical, "severity critical")
	add(r.Severity != advisory.SeverityUnknown && r.Severity != advisory.SeverityCritical, "severity %s or worse", r.Severity)
	add(r.CVSS > 0, "CVSS at least %g", r.CVSS)
	if r.EPSS != nil {
		add(r.EPSS.Probability > 0, "EPSS probability at least %g", r.EPSS.Probability)
		add(r.EPSS.Percentile > 0, "EPSS percentile at least %g", r.EPSS.Percentile)
	}
	if r.KEV != nil {
		add(*r.KEV, "known exploited")
		add(!*r.KEV, "not known exploited")
	}
	if r.FixAvailable != nil {
		add(*r.FixAvailable && r.FixAge == 0, "fix available")
		add(!*r.FixAvailable, "no fix available")
	}
	states := make([]string, len(r.FixState))
	for i, state := range r.FixState {
		states[i] = string(state)
	}
	add(len(states) > 0, "fix state %s", strings.Join(states, " or "))
	add(r.FixAge > 0, "fix available for %s", r.FixAge)
	add(len(r.PackageTypes) > 0, "package type %s", strings.Join(r.PackageTypes, " or "))
	add(len(r.Packages) == 1, "package %s", first(r.Packages))
	add(len(r.Packages) > 1, "one of %d packages", len(r.Packages))
	add(len(r.IDs) == 1, "%s", first(r.IDs))
	add(len(r.IDs) > 1, "one of %d vulnerabilities", len(r.IDs))
	add(r.CEL != "", "CEL expression")
	add(r.AllowedRegistries != nil, "allowed registries")
	return clean(strings.Join(parts, ", "), maxName)
}

func first(list []string) string {
	if len(list) == 0 {
		return ""
	}
	return list[0]
}
