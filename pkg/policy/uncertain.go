package policy

import (
	"time"

	"github.com/runecast/runecast/pkg/advisory"
)

// suppose judges a finding that may not be one: a version could not be parsed. It is undecided where the finding would violate the
// rule if it were certain, by the advisory's own rating and with or without the fix that the advisory names, as nobody can tell
// which side of it the installed version is on.
func (r *compiledRule) suppose(f *advisory.Finding, image *celImage, now time.Time) (answer, error) {
	certain := *f
	certain.Severity, certain.CVSS, certain.FixedVersion, certain.FixedAt = f.RatedSeverity, f.RatedCVSS, f.PossibleFix, time.Time{}
	certain.FixState = advisory.FixStateFixed
	if f.PossibleFix == "" {
		certain.FixState = advisory.FixStateNotFixed
	}
	result, err := r.supposed(&certain, f, image, now)
	if result == undecided || f.PossibleFix == "" {
		return result, err
	}
	certain.FixedVersion, certain.FixState = "", advisory.FixStateNotFixed
	if without, err := r.supposed(&certain, f, image, now); without == undecided || result == no {
		return without, err
	}
	return result, nil
}

// supposed judges a supposition. An expression is also asked about the finding as it is, since it may ask for just that.
func (r *compiledRule) supposed(certain, f *advisory.Finding, image *celImage, now time.Time) (answer, error) {
	got := r.match(certain, now)
	if got != yes {
		return got, nil
	}
	if r.cel == nil {
		return undecided, nil
	}
	value, err := r.cel.eval(certain, image, now)
	if err != nil {
		return undecided, err
	}
	if !value {
		value, err = r.cel.eval(f, image, now)
	}
	if value && err == nil {
		return undecided, nil
	}
	return no, nil // the supposition decides: that the finding as it is has no rating is no failure
}

// doubts are the uncertain findings that a rule could be violated by.
type doubts struct {
	count int
	worst *advisory.Finding
}

func (d *doubts) add(f *advisory.Finding) {
	if d.count == 0 || f.RatedSeverity > d.worst.RatedSeverity {
		d.worst = f
	}
	d.count++
}

// uncertain turns uncertain findings into one unknown that names the worst of them.
func (ev *evaluation) uncertain() {
	if ev.doubts.count == 0 {
		return
	}
	f := ev.doubts.worst
	text := "whether " + clean(f.ID, maxField) + " affects " + clean(f.Package.Name, maxField) + " " + clean(f.Package.Version, maxField) + " is not certain"
	if more := ev.doubts.count - 1; more > 0 {
		text += " (and " + plural(more, "more finding") + ")"
	}
	ev.unknown(switchUnscannable, text+": "+clean(f.Uncertain, maxName),
		"correct the version of the package where it is malformed, or exempt the package or the vulnerability in the policy")
}
