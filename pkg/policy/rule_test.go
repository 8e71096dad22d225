package policy_test

import (
	"testing"
	"time"

	"github.com/runecast/runecast/pkg/advisory"
	"github.com/runecast/runecast/pkg/policy"
)

// TestRules changes one field of a finding or subject at a time and asserts the verdict of one rule.
func TestRules(t *testing.T) {
	t.Parallel()
	same := func(*policy.Subject) {}
	finding := func(change func(f *advisory.Finding)) func(*policy.Subject) {
		return func(s *policy.Subject) { change(&s.Findings[0]) }
	}
	severity := func(to advisory.Severity) func(*policy.Subject) {
		return finding(func(f *advisory.Finding) { f.Severity = to })
	}
	fixedAgo := func(age time.Duration) func(*policy.Subject) {
		return finding(func(f *advisory.Finding) { f.FixedAt = now().Add(-age) })
	}
	noCVSS := finding(func(f *advisory.Finding) { f.CVSS = nil })
	noEPSS := finding(func(f *advisory.Finding) { f.EPSS = nil })
	noFix := finding(func(f *advisory.Finding) { f.FixedVersion = "" })
	kev := finding(func(f *advisory.Finding) { f.KEV = &advisory.KEV{DateAdded: "2021-12-10"} })
	named := func(ref string) func(*policy.Subject) { return func(s *policy.Subject) { s.Reference = ref } }
	const day = 24 * time.Hour

	tests := []struct {
		name, rule string
		change     func(*policy.Subject)
		want       policy.Verdict
	}{
		{"severity above", "severity: high", same, policy.VerdictDeny},
		{"severity equal", "severity: critical", same, policy.VerdictDeny},
		{"severity below", "severity: high", severity(advisory.SeverityMedium), policy.VerdictAllow},
		{"severity none rated", "severity: low", severity(advisory.SeverityNone), policy.VerdictAllow},
		{"severity unknown is included by default", "severity: high", severity(advisory.SeverityUnknown), policy.VerdictDeny},
		{"severity unknown included", "severity: high, unknownSeverity: include", severity(advisory.SeverityUnknown), policy.VerdictDeny},
		{"severity unknown ignored", "severity: high, unknownSeverity: ignore", severity(advisory.SeverityUnknown), policy.VerdictAllow},
		{"cvss equal", "cvss: 9.8", same, policy.VerdictDeny},
		{"cvss below", "cvss: 9.9", same, policy.VerdictAllow},
		{"cvss missing is included by default", "cvss: 9.9", noCVSS, policy.VerdictDeny},
		{"cvss missing ignored", "cvss: 9, unknownSeverity: ignore", noCVSS, policy.VerdictAllow},
		{"epss probability reached", "epss: {probability: 0.04}", same, policy.VerdictDeny},
		{"epss probability below", "epss: {probability: 0.05}", same, policy.VerdictAllow},
		{"epss percentile reached", "epss: {percentile: 0.9}", same, policy.VerdictDeny},
		{"epss both needed", "epss: {probability: 0.5, percentile: 0.9}", same, policy.VerdictAllow},
		{"epss missing is included by default", "epss: {probability: 0.5}", noEPSS, policy.VerdictDeny},
		{"epss missing ignored", "epss: {probability: 0.01, unknown: ignore}", noEPSS, policy.VerdictAllow},
		{"kev in", "kev: true", kev, policy.VerdictDeny},
		{"kev out", "kev: true", same, policy.VerdictAllow},
		{"kev not wanted in", "kev: false", kev, policy.VerdictAllow},
		{"kev not wanted out", "kev: false", same, policy.VerdictDeny},
		{"fix there", "fixAvailable: true", same, policy.VerdictDeny},
		{"fix missing", "fixAvailable: true", noFix, policy.VerdictAllow},
		{"no fix wanted", "fixAvailable: false", noFix, policy.VerdictDeny},
		{"no fix wanted but there", "fixAvailable: false", same, policy.VerdictAllow},
		{"fix within grace", "fixAge: 14d", fixedAgo(14*day - time.Second), policy.VerdictAllow},
		{"fix at the end of grace", "fixAge: 14d", fixedAgo(14 * day), policy.VerdictDeny},
		{"fix without a date counts as old", "fixAge: 14d", finding(func(f *advisory.Finding) { f.FixedAt = time.Time{} }), policy.VerdictDeny},
		{"fix age without a fix", "fixAge: 14d", noFix, policy.VerdictAllow},
		{"package type", "packageTypes: [npm, deb]", same, policy.VerdictDeny},
		{"other package type", "packageTypes: [npm]", same, policy.VerdictAllow},
		{"id", "ids: [CVE-2021-3711]", same, policy.VerdictDeny},
		{"id in any case", "ids: [cve-2021-3711]", same, policy.VerdictDeny},
		{"id by alias", "ids: [ghsa-5WW6-px42-wc85]", same, policy.VerdictDeny},
		{"id of the advisory", "ids: [DEBIAN-CVE-2021-3711]", same, policy.VerdictDeny},
		{"other id", "ids: [CVE-2021-3712]", same, policy.VerdictAllow},
		{"package", "packages: [libssl1.1]", same, policy.VerdictDeny},
		{"package by source", "packages: [openssl]", same, policy.VerdictDeny},
		{"other package", "packages: [libssl]", same, policy.VerdictAllow},
		{"all conditions hold", "severity: high, fixAvailable: true, packages: [openssl], cvss: 9", same, policy.VerdictDeny},
		{"one condition fails", "severity: high, fixAvailable: true, packages: [zlib], cvss: 9", same, policy.VerdictAllow},
		{"ignored does not outweigh no", "severity: high, unknownSeverity: ignore, kev: true", severity(advisory.SeverityUnknown), policy.VerdictAllow},
		{"cel true", "cel: 'finding.cvss >= 9.0 && pkg.source == \"openssl\"'", same, policy.VerdictDeny},
		{"cel false", "cel: 'finding.severityRank < 5'", same, policy.VerdictAllow},
		{"cel time", "cel: 'now - finding.fixedAt > duration(\"24h\")'", same, policy.VerdictDeny},
		{"cel image", "cel: 'image.repository == \"docker.io/library/nginx\" && image.tag == \"1.19\"'", same, policy.VerdictDeny},
		{"cel guarded", "cel: 'has(finding.cvss) && finding.cvss >= 9.0'", noCVSS, policy.VerdictAllow},
		{"cel unguarded is unknown", "cel: 'finding.cvss >= 9.0'", noCVSS, policy.VerdictUnknown},
		{"cel is not asked where another condition fails", "kev: true, cel: 'finding.cvss >= 9.0'", noCVSS, policy.VerdictAllow},
		{"registry allowed", "allowedRegistries: [docker.io/library]", same, policy.VerdictAllow},
		{"registry with host alone", "allowedRegistries: [docker.io]", same, policy.VerdictAllow},
		{"registry by its old name", "allowedRegistries: [index.docker.io]", same, policy.VerdictAllow},
		{"registry not allowed", "allowedRegistries: [ghcr.io, docker.io/bitnami]", same, policy.VerdictDeny},
		{"registry prefix ends at a slash", "allowedRegistries: [docker.io/lib]", same, policy.VerdictDeny},
		{"registry wildcard", "allowedRegistries: ['*.example.com']", named("eu.example.com/app:1"), policy.VerdictAllow},
		{"registry wildcard is one label", "allowedRegistries: ['*.example.com']", named("bucket.eu.example.com/app:1"), policy.VerdictDeny},
		{"registry wildcard stays before the slash", "allowedRegistries: ['*.example.com']", named("evil.io/x.example.com/app:1"), policy.VerdictDeny},
		{"registry is no suffix match", "allowedRegistries: [example.com]", named("example.com.evil.io/app:1"), policy.VerdictDeny},
		{"registry with port", "allowedRegistries: ['localhost:5000']", named("localhost:5000/app"), policy.VerdictAllow},
		{"registry on another port", "allowedRegistries: ['localhost:5000']", named("localhost:5001/app"), policy.VerdictDeny},
		{"registry in capitals", "allowedRegistries: [ghcr.io]", named("GHCR.io/app"), policy.VerdictAllow},
		{"a path that looks like a registry", "allowedRegistries: [ghcr.io]", named("ghcr/io"), policy.VerdictDeny},
		{"no reference is from nowhere", "allowedRegistries: ['**']", named("Not A Reference"), policy.VerdictDeny},
		{"registry and severity: allowed place", "allowedRegistries: [docker.io], severity: high", same, policy.VerdictAllow},
		{"registry and severity: elsewhere", "allowedRegistries: [ghcr.io], severity: high", same, policy.VerdictDeny},
		{"registry and severity: elsewhere and harmless", "allowedRegistries: [ghcr.io], severity: high", severity(advisory.SeverityLow), policy.VerdictAllow},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := subject()
			test.change(&s)
			got := rule(t, test.rule).Evaluate(s, now())
			if got.Verdict != test.want {
				t.Errorf("verdict %s, want %s; %+v", got.Verdict, test.want, got)
			}
			if got.Allowed != (test.want == policy.VerdictAllow) {
				t.Errorf("allowed %v with verdict %s in mode enforce", got.Allowed, got.Verdict)
			}
		})
	}
}

func TestRuleDefaultNames(t *testing.T) {
	t.Parallel()
	tests := map[string]string{
		"severity: critical":                              "severity critical",
		"severity: low, cvss: 7.5, kev: true":             "severity low or worse, CVSS at least 7.5, known exploited",
		"fixAvailable: true, fixAge: 36h":                 "fix available for 1d12h",
		"epss: {probability: 0.1, percentile: 0.95}":      "EPSS probability at least 0.1, EPSS percentile at least 0.95",
		"ids: [CVE-1, CVE-2], packages: [a]":              "package a, one of 2 vulnerabilities",
		"packageTypes: [deb, apk], cel: 'finding.kev'":    "package type deb or apk, CEL expression",
		"name: Mine, packageTypes: [deb, apk], kev: true": "Mine",
	}
	for body, want := range tests {
		p := rule(t, body)
		s := subject()
		s.Findings[0].ID = "CVE-1"
		s.Findings[0].Package.Name = "a"
		s.Findings[0].CVSS.Score = 10
		s.Findings[0].EPSS = nil
		s.Findings[0].KEV = &advisory.KEV{}
		got := p.Evaluate(s, now())
		if len(got.Violations) != 1 || got.Violations[0].Rule != want {
			t.Errorf("%s: %+v, want one violation of %q", body, got.Violations, want)
		}
	}
}

func TestCELCostLimit(t *testing.T) {
	t.Parallel()
	p := rule(t, "cel: 'finding.aliases.all(a, finding.aliases.all(b, finding.aliases.all(c, a + b + c != \"\")))'")
	s := subject()
	for range 100 {
		s.Findings[0].Aliases = append(s.Findings[0].Aliases, "GHSA-5ww6-px42-wc85")
	}
	got := p.Evaluate(s, now())
	const want = `rule "CEL expression" could not be decided for CVE-2021-3711 in libssl1.1: operation cancelled: actual cost limit exceeded`
	if len(got.Unknown) != 1 || got.Unknown[0].Cause != want || got.Allowed {
		t.Errorf("got %+v, want the cause %q and a denial", got, want)
	}
}
