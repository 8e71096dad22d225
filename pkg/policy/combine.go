package policy

import "slices"

// Worse gives the worse of two verdicts. What is no verdict at all counts as unknown.
func Worse(a, b Verdict) Verdict {
	switch {
	case a == VerdictDeny || b == VerdictDeny:
		return VerdictDeny
	case a == VerdictAllow && b == VerdictAllow:
		return VerdictAllow
	}
	return VerdictUnknown
}

// Combine joins the results of the images of one workload: the worst verdict, allowed only if all are, and everything found, in
// the order of the images with the worst violations first. Equal warnings appear once. Nothing to judge is allowed.
func Combine(results ...Result) Result {
	out := Result{Verdict: VerdictAllow, Allowed: true}
	for i := range results {
		r := &results[i]
		out.Verdict = Worse(out.Verdict, r.Verdict)
		out.Allowed = out.Allowed && r.Allowed
		out.Violations = append(out.Violations, r.Violations...)
		out.Unknown = append(out.Unknown, r.Unknown...)
		out.Exempted = append(out.Exempted, r.Exempted...)
		for _, w := range r.Warnings {
			if !slices.Contains(out.Warnings, w) {
				out.Warnings = append(out.Warnings, w)
			}
		}
	}
	slices.SortStableFunc(out.Violations, func(a, b Violation) int { return compareViolations(&a, &b) })
	return out
}
