package policy

import (
	"time"

	"github.com/runecast/runecast/pkg/advisory"
)

// judged is the image as conditions about it see it.
type judged struct {
	name   string
	digest string
	ref    reference
	refErr error // the name is no reference: no pattern covers it, no registry allows it
}

// evaluation is one call of Evaluate.
type evaluation struct {
	policy  *Policy
	subject *Subject
	image   judged
	now     time.Time
	result  Result
	matches []match  // findings that violate and are not taken away
	ignored []int    // per rule: findings it left out for lack of a rating
	failed  []celRun // per rule: findings its expression could not decide
	doubts  doubts   // findings that would violate if they were certain
	notices []string // about exemptions, in the order they were met
	noticed []bool   // per exemption: its notice is out
}

// match is a violation by the places of its finding in the subject and its rule in the policy: without pointers and small, so
// that sorting hundreds is cheap.
type match struct{ finding, rule int32 }

// celRun counts the findings that an expression failed on.
type celRun struct {
	count int
	first *advisory.Finding
	err   error
}

// Evaluate judges one image at a time. It is pure: equal policy, subject and time give equal results. Findings of the subject are
// referred to, not copied. Violations are judged whatever else is unknown, so that a known violation always denies.
func (p *Policy) Evaluate(s Subject, now time.Time) Result { //nolint:gocritic // a value, so that nothing can change it meanwhile
	if p.compiled == nil {
		return p.refuse()
	}
	ev := evaluation{policy: p, subject: &s, now: now, image: judged{name: s.Reference, digest: s.Digest}}
	ev.image.ref, ev.image.refErr = parseReference(s.Reference)
	if ev.image.refErr == nil {
		if pattern, ok := p.exemptedBy(&ev.image.ref, s.Digest); ok {
			note := Violation{Rule: "exemptImages", Detail: clean(s.Reference, maxName) + " is exempt from the policy"}
			return Result{Verdict: VerdictAllow, Allowed: true, Exempted: []Exempted{{Violation: note, Reason: "exempt image pattern " + pattern}}}
		}
	}
	ev.imageRules()
	if p.compiled.needsScan {
		ev.findings()
		ev.unknowns()
	}
	return ev.finish()
}

// imageRules judges the rules that need no findings.
func (ev *evaluation) imageRules() {
	for i := range ev.policy.compiled.rules {
		rule := &ev.policy.compiled.rules[i]
		if rule.perFinding() || rule.registries == nil {
			continue
		}
		detail, outside := rule.registries.match(&ev.image.ref, ev.image.refErr)
		if !outside {
			continue
		}
		v := Violation{Rule: rule.name, Detail: detail}
		if e := ev.exemption(nil); e != nil {
			ev.result.Exempted = append(ev.result.Exempted, e.record(v))
			continue
		}
		ev.result.Violations = append(ev.result.Violations, v)
	}
}

// findings judges every finding by the rules in order; the first that matches names the violation.
func (ev *evaluation) findings() {
	rules := ev.policy.compiled.rules
	applies := make([]bool, len(rules))
	for i := range rules {
		applies[i] = rules[i].perFinding()
		if applies[i] && rules[i].registries != nil {
			_, applies[i] = rules[i].registries.match(&ev.image.ref, ev.image.refErr)
		}
	}
	ev.ignored = make([]int, len(rules))
	ev.failed = make([]celRun, len(rules))
	image := celImage{
		name: ev.image.name, digest: ev.image.digest, platform: ev.subject.Platform, ref: ev.image.ref,
		distro: ev.subject.Distribution, support: ev.subject.Distribution.Support(ev.now),
	}
	for i := range ev.subject.Findings {
		f := &ev.subject.Findings[i]
		rule, got, err := ev.judge(f, applies, &image)
		switch got {
		case no:
		case yes:
			ev.violation(i, rule)
		case undecided:
			switch {
			case ev.excused(f):
			case err == nil:
				ev.doubts.add(f)
			default:
				ev.failed[rule].add(f, err)
			}
		case ignored:
			if !ev.excused(f) {
				ev.ignored[rule]++
			}
		}
	}
}

// judge asks the rules about one finding and gives the strongest answer with its rule: yes, then undecided, then ignored. What is
// undecided without a failure is an uncertain finding.
func (ev *evaluation) judge(f *advisory.Finding, applies []bool, image *celImage) (rule int, result answer, failure error) {
	rules := ev.policy.compiled.rules
	for r := range rules {
		if !applies[r] {
			continue
		}
		got, err := rules[r].judge(f, image, ev.now)
		switch {
		case got == yes:
			return r, yes, nil
		case got == undecided && result != undecided, got == ignored && result == no:
			rule, result, failure = r, got, err
		}
	}
	return rule, result, failure
}

func (run *celRun) add(f *advisory.Finding, err error) {
	if run.count == 0 {
		run.first, run.err = f, err
	}
	run.count++
}

// violation records a match, unless VEX or an exemption takes it away.
func (ev *evaluation) violation(finding, rule int) {
	f := &ev.subject.Findings[finding]
	name := ev.policy.compiled.rules[rule].name
	if statement := ev.policy.compiled.vex.excuse(f, &ev.image); statement != nil {
		ev.result.Exempted = append(ev.result.Exempted, statement.record(Violation{Rule: name, Finding: f, Detail: string(appendDetail(nil, f))}))
		return
	}
	if e := ev.exemption(f); e != nil {
		ev.result.Exempted = append(ev.result.Exempted, e.record(Violation{Rule: name, Finding: f, Detail: string(appendDetail(nil, f))}))
		return
	}
	if ev.matches == nil {
		ev.matches = make([]match, 0, len(ev.subject.Findings)-finding)
	}
	ev.matches = append(ev.matches, match{int32(finding), int32(rule)}) //nolint:gosec // lengths of slices in memory
}

// excused tells whether a finding would be taken away if it violated.
func (ev *evaluation) excused(f *advisory.Finding) bool {
	return ev.policy.compiled.vex.excuse(f, &ev.image) != nil || ev.exemption(f) != nil
}

// exemption finds the first exemption in force for a violation, and notes those that ended or end soon.
func (ev *evaluation) exemption(f *advisory.Finding) *compiledExemption {
	list := ev.policy.compiled.exemptions
	over := -1
	for i := range list {
		if !list[i].covers(f, &ev.image) {
			continue
		}
		if list[i].ended(ev.now) {
			over = i
			continue
		}
		ev.notice(i)
		return &list[i]
	}
	if over >= 0 {
		ev.notice(over)
	}
	return nil
}

func (ev *evaluation) notice(exemption int) {
	e := &ev.policy.compiled.exemptions[exemption]
	if e.end.IsZero() {
		return
	}
	if ev.noticed == nil {
		ev.noticed = make([]bool, len(ev.policy.compiled.exemptions))
	}
	if text := e.endNotice(ev.now); text != "" && !ev.noticed[exemption] {
		ev.noticed[exemption] = true
		ev.notices = append(ev.notices, text)
	}
}
