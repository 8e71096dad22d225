package impact

import (
	"slices"

	"github.com/runecast/runecast/pkg/policy"
)

// compare tells what changes for an image. No policy lets all in.
func compare(before, after *policy.Result) Change {
	was, is := before == nil || before.Allowed, after == nil || after.Allowed
	switch {
	case was && !is:
		return NewlyDenied
	case !was && is:
		return NewlyAllowed
	case !is:
		return StillDenied
	case verdict(before) != verdict(after):
		return VerdictChanges
	}
	return ""
}

func verdict(r *policy.Result) policy.Verdict {
	if r == nil {
		return policy.VerdictAllow
	}
	return r.Verdict
}

func judgement(r *policy.Result) *Judgement {
	if r == nil {
		return nil
	}
	return &Judgement{r.Verdict, r.Allowed}
}

// difference names the worst violation that only the side has that denies, or else its worst, or why that side cannot judge the image.
func difference(change Change, before, after *policy.Result) (rule, detail string) {
	with, without := after, before
	if change == NewlyAllowed || change == VerdictChanges && verdict(after) == policy.VerdictAllow {
		with, without = before, after
	}
	if with == nil {
		return "", ""
	}
	var others []policy.Violation
	if without != nil {
		others = without.Violations
	}
	worst := slices.IndexFunc(with.Violations, func(v policy.Violation) bool {
		return !slices.ContainsFunc(others, func(o policy.Violation) bool { return same(&v, &o) })
	})
	switch {
	case len(with.Violations) > 0:
		v := with.Violations[max(worst, 0)]
		return v.Rule, v.Detail
	case len(with.Unknown) > 0:
		return with.Unknown[0].Switch, with.Unknown[0].Cause
	}
	return "", ""
}

// same tells whether two violations are about the same finding. Which rule it breaks does not matter: a policy may only rename it.
func same(a, b *policy.Violation) bool {
	if a.Finding == nil || b.Finding == nil {
		return a.Finding == b.Finding && a.Detail == b.Detail
	}
	return a.Finding.ID == b.Finding.ID && a.Finding.Package == b.Finding.Package
}
