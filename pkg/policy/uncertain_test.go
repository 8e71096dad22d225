package policy_test

import (
	"slices"
	"testing"

	"github.com/runecast/runecast/pkg/advisory"
	"github.com/runecast/runecast/pkg/policy"
)

// uncertain makes the finding one of a version that cannot be parsed, as Match gives it.
func uncertain(s *policy.Subject) {
	f := &s.Findings[0]
	f.Uncertain = `the installed version "1..2" is no Debian version`
	f.RatedSeverity, f.RatedCVSS, f.PossibleFix = f.Severity, f.CVSS, f.FixedVersion
	f.Severity, f.SeveritySource, f.CVSS, f.FixedVersion = advisory.SeverityUnknown, "", nil, ""
}

func TestUncertainFindings(t *testing.T) {
	t.Parallel()
	f := func(changes ...func(*advisory.Finding)) func(*policy.Subject) {
		return func(s *policy.Subject) {
			for _, change := range changes {
				change(&s.Findings[0])
			}
		}
	}
	low := func(f *advisory.Finding) {
		f.RatedSeverity, f.RatedCVSS = advisory.SeverityLow, &advisory.CVSS{Score: 2}
	}
	unrated := func(f *advisory.Finding) { f.RatedSeverity, f.RatedCVSS = advisory.SeverityUnknown, nil }
	noFix := func(f *advisory.Finding) { f.PossibleFix = "" }
	kev := func(f *advisory.Finding) { f.KEV = &advisory.KEV{} }
	tests := []struct {
		name, rule string
		change     func(*policy.Subject)
		want       policy.Verdict
	}{
		{"severity", "severity: high, unknownSeverity: ignore", f(), policy.VerdictUnknown},
		{"severity rated below", "severity: high, unknownSeverity: ignore", f(low), policy.VerdictAllow},
		{"severity rated below, unknown included", "severity: high", f(low), policy.VerdictAllow},
		{"severity not rated, ignored", "severity: high, unknownSeverity: ignore", f(unrated), policy.VerdictAllow},
		{"severity not rated, included", "severity: high", f(unrated), policy.VerdictUnknown},
		{"cvss", "cvss: 9, unknownSeverity: ignore", f(), policy.VerdictUnknown},
		{"cvss rated below", "cvss: 9", f(low), policy.VerdictAllow},
		{"fix", "severity: high, fixAvailable: true", f(), policy.VerdictUnknown},
		{"fix that does not exist", "severity: high, fixAvailable: true", f(noFix), policy.VerdictAllow},
		{"no fix, which is so above it", "severity: high, fixAvailable: false", f(), policy.VerdictUnknown},
		{"fix age", "fixAge: 90d", f(), policy.VerdictUnknown},
		{"kev", "kev: true", f(kev), policy.VerdictUnknown},
		{"not in kev", "kev: true", f(), policy.VerdictAllow},
		{"epss below", "severity: high, epss: {probability: 0.5}", f(), policy.VerdictAllow},
		{"package type", "severity: high, packageTypes: [deb]", f(), policy.VerdictUnknown},
		{"other package type", "severity: high, packageTypes: [npm]", f(), policy.VerdictAllow},
		{"other id", "severity: high, ids: [CVE-2021-3712]", f(), policy.VerdictAllow},
		{"other package", "severity: high, packages: [zlib]", f(), policy.VerdictAllow},
		{"cel by rating", "cel: 'finding.cvss >= 9.0 && finding.fixAvailable'", f(), policy.VerdictUnknown},
		{"cel by rating below", "cel: 'finding.cvss >= 9.0 && finding.fixAvailable'", f(low), policy.VerdictAllow},
		{"cel about doubt", "cel: 'finding.severity == \"unknown\" && finding.uncertain != \"\"'", f(), policy.VerdictUnknown},
		{"cel says no", "severity: high, cel: 'pkg.name == \"zlib\"'", f(), policy.VerdictAllow},
		{"registry allowed", "severity: high, allowedRegistries: [docker.io]", f(), policy.VerdictAllow},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := subject()
			uncertain(&s)
			test.change(&s)
			got := rule(t, test.rule).Evaluate(s, now())
			if got.Verdict != test.want || got.Allowed != (test.want == policy.VerdictAllow) || len(got.Violations) != 0 {
				t.Errorf("got %+v, want %s", got, test.want)
			}
		})
	}
}

func TestUncertainFindingsAreOneUnknown(t *testing.T) {
	t.Parallel()
	const remedy = "correct the version of the package where it is malformed, or exempt the package or the vulnerability in the policy"
	s := subject()
	uncertain(&s)
	for _, id := range []string{"1", "2"} {
		got := builtIn(t, id).Evaluate(s, now())
		want := []policy.Unknown{{
			Switch: "onUnscannable", Action: policy.ActionDeny, Remedy: remedy,
			Cause: `whether CVE-2021-3711 affects libssl1.1 1.1.1d-0+deb10u6 is not certain: the installed version "1..2" is no Debian version`,
		}}
		if got.Verdict != policy.VerdictUnknown || got.Allowed || !slices.Equal(got.Unknown, want) || len(got.Warnings) != 0 {
			t.Errorf("policy %s: %+v, want %+v", id, got, want)
		}
	}
	high, other := s.Findings[0], s.Findings[0]
	high.ID, high.RatedSeverity = "CVE-2020-1", advisory.SeverityHigh
	other.ID = "CVE-2022-1"
	s.Findings = []advisory.Finding{high, s.Findings[0], other}
	got := builtIn(t, "1").Evaluate(s, now())
	want := `whether CVE-2021-3711 affects libssl1.1 1.1.1d-0+deb10u6 is not certain (and 2 more findings): the installed version "1..2" is no Debian version`
	if len(got.Unknown) != 1 || got.Unknown[0].Cause != want {
		t.Errorf("got %+v, want %s", got.Unknown, want)
	}
	exempt := load(t, "{id: t, name: T, rules: [{severity: high, unknownSeverity: ignore}], exemptions: [{package: libssl1.1, reason: r, owner: o}]}")
	if got := exempt.Evaluate(s, now()); got.Verdict != policy.VerdictAllow || len(got.Unknown) != 0 {
		t.Errorf("the exemption of the package does not help: %+v", got)
	}
}
