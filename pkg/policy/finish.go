package policy

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/runecast/runecast/pkg/advisory"
)

// finish orders the violations, words them and applies mode and switches.
func (ev *evaluation) finish() Result {
	r := &ev.result
	slices.SortStableFunc(r.Violations, func(a, b Violation) int { return compareViolations(&a, &b) })
	ev.wordMatches()
	switch {
	case len(r.Violations) > 0:
		r.Verdict = VerdictDeny
	case len(r.Unknown) > 0:
		r.Verdict = VerdictUnknown
	default:
		r.Verdict = VerdictAllow
	}
	r.Allowed = ev.policy.allows(r)
	r.Warnings = ev.warnings()
	return *r
}

// allows applies the mode and, in mode enforce, the switches.
func (p *Policy) allows(r *Result) bool {
	if p.Mode != ModeEnforce {
		return true
	}
	return len(r.Violations) == 0 && !slices.ContainsFunc(r.Unknown, func(u Unknown) bool { return u.Action == ActionDeny })
}

// wordMatches adds the violations by findings, worst first, after those of the image itself. The texts share one buffer: with
// hundreds of them, one allocation instead of hundreds.
func (ev *evaluation) wordMatches() {
	if len(ev.matches) == 0 {
		return
	}
	findings, rules := ev.subject.Findings, ev.policy.compiled.rules
	slices.SortStableFunc(ev.matches, func(a, b match) int { return compareFindings(&findings[a.finding], &findings[b.finding]) })
	buf := make([]byte, 0, bytesPerDetail*len(ev.matches))
	ends := make([]int, len(ev.matches))
	for i, m := range ev.matches {
		buf = appendDetail(buf, &findings[m.finding])
		ends[i] = len(buf)
	}
	text, start := string(buf), 0
	ev.result.Violations = slices.Grow(ev.result.Violations, len(ev.matches))
	for i, m := range ev.matches {
		ev.result.Violations = append(ev.result.Violations, Violation{Rule: rules[m.rule].name, Finding: &findings[m.finding], Detail: text[start:ends[i]]})
		start = ends[i]
	}
}

const bytesPerDetail = 96 // typical; more makes the buffer grow

// appendDetail words one finding: libssl1.1 1.1.1d-0+deb10u6: CVE-2021-3711 (critical, known exploited), fixed in 1.1.1d-0+deb10u7.
func appendDetail(buf []byte, f *advisory.Finding) []byte {
	buf = appendClean(buf, f.Package.Name, maxField)
	buf = append(buf, ' ')
	buf = appendClean(buf, f.Package.Version, maxField)
	buf = append(buf, ": "...)
	buf = appendClean(buf, f.ID, maxField)
	buf = append(buf, " ("...)
	buf = append(buf, f.Severity.String()...)
	if f.KEV != nil {
		buf = append(buf, ", known exploited"...)
	}
	buf = append(buf, ')')
	switch {
	case f.FixedVersion != "":
		buf = append(buf, ", fixed in "...)
		buf = appendClean(buf, f.FixedVersion, maxField)
	case f.FixState == advisory.FixStateWontFix:
		buf = append(buf, ", will not be fixed ("...)
		buf = append(appendClean(buf, f.WontFix, maxField), ')')
	default:
		buf = append(buf, ", no fix known"...)
	}
	return buf
}

// warnings lists what the user should see beside the verdict. Mode audit is silent.
func (ev *evaluation) warnings() []string {
	p, r := ev.policy, &ev.result
	if p.Mode == ModeAudit {
		return nil
	}
	var out []string
	if p.Mode == ModeWarn {
		for i := range r.Violations {
			out = append(out, r.Violations[i].Detail)
		}
	}
	for _, u := range r.Unknown {
		if u.Action == ActionWarn || p.Mode == ModeWarn && u.Action == ActionDeny {
			out = append(out, "not judged: "+u.Cause+"; "+u.Remedy)
		}
	}
	for i, count := range ev.ignored {
		if count > 0 {
			out = append(out, fmt.Sprintf("%s %s not judged by rule %q", plural(count, "finding"), ev.policy.compiled.rules[i].lacking, ev.policy.compiled.rules[i].name))
		}
	}
	return append(out, ev.notices...)
}

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// compareViolations puts the worst first: rules about the image, then severity, KEV, EPSS, CVSS; id and package make it total.
func compareViolations(a, b *Violation) int {
	switch {
	case a.Finding == nil && b.Finding == nil:
		return cmp.Or(cmp.Compare(a.Rule, b.Rule), cmp.Compare(a.Detail, b.Detail))
	case a.Finding == nil:
		return -1
	case b.Finding == nil:
		return 1
	}
	if c := compareFindings(a.Finding, b.Finding); c != 0 {
		return c
	}
	return cmp.Compare(a.Rule, b.Rule)
}

func compareFindings(a, b *advisory.Finding) int {
	if c := cmp.Compare(b.Severity, a.Severity); c != 0 {
		return c
	}
	if (a.KEV != nil) != (b.KEV != nil) {
		if a.KEV != nil {
			return -1
		}
		return 1
	}
	if c := cmp.Compare(epssOf(b), epssOf(a)); c != 0 {
		return c
	}
	if c := cmp.Compare(scoreOf(b), scoreOf(a)); c != 0 {
		return c
	}
	if c := cmp.Compare(a.ID, b.ID); c != 0 {
		return c
	}
	return cmp.Or(cmp.Compare(a.Package.Name, b.Package.Name), cmp.Compare(a.Package.Version, b.Package.Version),
		cmp.Compare(a.Package.Type, b.Package.Type), cmp.Compare(a.Package.Path, b.Package.Path), cmp.Compare(a.Advisory, b.Advisory))
}

// epssOf and scoreOf put findings without an estimate last.
func epssOf(f *advisory.Finding) float64 {
	if f.EPSS == nil {
		return -1
	}
	return f.EPSS.Probability
}

func scoreOf(f *advisory.Finding) float64 {
	if f.CVSS == nil {
		return -1
	}
	return f.CVSS.Score
}
