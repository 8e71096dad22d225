package policy_test

import (
	"slices"
	"testing"

	"github.com/runecast/runecast/pkg/advisory"
	"github.com/runecast/runecast/pkg/policy"
)

func TestExemptions(t *testing.T) {
	t.Parallel()
	noFix := func(s *policy.Subject) { s.Findings[0].FixedVersion = "" }
	tests := []struct {
		name, exemption string
		change          func(*policy.Subject)
		taken           bool
	}{
		{"id", "ids: [CVE-2021-3711]", nil, true},
		{"id by alias", "ids: [GHSA-5ww6-px42-wc85]", nil, true},
		{"other id", "ids: [CVE-2021-3712]", nil, false},
		{"package", "package: libssl1.1", nil, true},
		{"source package", "package: openssl", nil, true},
		{"other package", "package: zlib1g", nil, false},
		{"ecosystem with release", "package: openssl, ecosystem: 'Debian:10'", nil, true},
		{"ecosystem of all releases", "package: openssl, ecosystem: Debian", nil, true},
		{"other release", "package: openssl, ecosystem: 'Debian:11'", nil, false},
		{"start of an ecosystem's name", "package: openssl, ecosystem: Deb", nil, false},
		{"image", "image: 'docker.io/library/nginx:1.*'", nil, true},
		{"other image", "image: 'docker.io/library/httpd'", nil, false},
		{"image of no reference", "image: '**'", func(s *policy.Subject) { s.Reference = "A B" }, false},
		{"all but one match", "ids: [CVE-2021-3711], package: zlib1g", nil, false},
		{"all match", "ids: [CVE-2021-3711], package: openssl, image: '**'", nil, true},
		{"until a fix, and there is one", "ids: [CVE-2021-3711], untilFix: true", nil, false},
		{"until a fix, and there is none", "ids: [CVE-2021-3711], untilFix: true", noFix, true},
		{"ends today", "ids: [CVE-2021-3711], expires: 2026-05-01", nil, true},
		{"ended yesterday", "ids: [CVE-2021-3711], expires: 2026-04-30", nil, false},
		{"ends in a second", "ids: [CVE-2021-3711], expires: '2026-05-01T14:00:01+02:00'", nil, true},
		{"ends now", "ids: [CVE-2021-3711], expires: '2026-05-01T14:00:00+02:00'", nil, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			p := load(t, "{id: t, name: T, rules: [{severity: high}], exemptions: [{"+test.exemption+", reason: not reachable, owner: team-a}]}")
			s := subject()
			if test.change != nil {
				test.change(&s)
			}
			got := p.Evaluate(s, now())
			if !test.taken {
				if got.Verdict != policy.VerdictDeny || len(got.Exempted) != 0 {
					t.Errorf("got %+v, want a violation", got)
				}
				return
			}
			if got.Verdict != policy.VerdictAllow || len(got.Exempted) != 1 {
				t.Fatalf("got %+v, want one exempted", got)
			}
			e := got.Exempted[0]
			if e.Reason != "not reachable" || e.Owner != "team-a" || e.Violation.Finding.ID != "CVE-2021-3711" || e.Violation.Detail == "" || e.Violation.Rule == "" {
				t.Errorf("exempted as %+v", e)
			}
		})
	}
}

func TestExemptionNotices(t *testing.T) {
	t.Parallel()
	const about = "exemption of CVE-2021-3711 and 1 more (not reachable, owner team-a) "
	tests := []struct{ expires, until, want string }{
		{"2026-05-15", "2026-05-16T00:00:00Z", ""},
		{"2026-05-14", "2026-05-15T00:00:00Z", about + "ends at 2026-05-15T00:00:00Z"},
		{"2026-04-01", "", about + "ended at 2026-04-02T00:00:00Z"},
	}
	for _, test := range tests {
		set, err := (&policy.Set{}).Load(stringReader("{id: t, name: T, rules: [{severity: high}], exemptions: [{ids: [CVE-2021-3711, CVE-1], expires: "+
			test.expires+", reason: not reachable, owner: team-a}]}"), "f.yaml")
		if err != nil {
			t.Fatal(err)
		}
		s := subject()
		s.Findings = append(s.Findings, opensslFinding())
		var want, wantSet []string
		if test.want != "" {
			want, wantSet = []string{test.want}, []string{"policy t: " + test.want}
		}
		got := set.List()[0].Evaluate(s, now())
		if !slices.Equal(got.Warnings, want) {
			t.Errorf("expires %s: warnings %q, want %q", test.expires, got.Warnings, want)
		}
		if test.until != "" && got.Exempted[0].Until != test.until {
			t.Errorf("expires %s: until %s, want %s", test.expires, got.Exempted[0].Until, test.until)
		}
		if got := set.Warnings(now()); !slices.Equal(got, wantSet) {
			t.Errorf("expires %s: set warns %q, want %q", test.expires, got, wantSet)
		}
		s.Findings = nil
		if got := set.List()[0].Evaluate(s, now()); len(got.Warnings) != 0 {
			t.Errorf("an exemption that is not needed warns: %q", got.Warnings)
		}
	}
}

func TestExemptionOfRegistryRule(t *testing.T) {
	t.Parallel()
	for body, taken := range map[string]bool{
		"image: docker.io/library/nginx":                    true,
		"image: docker.io/library/httpd":                    false,
		"image: docker.io/library/nginx, package: openssl":  false,
		"image: docker.io/library/nginx, ecosystem: Debian": false,
		"ids: [CVE-2021-3711]":                              false,
	} {
		p := load(t, "{id: t, name: T, rules: [{allowedRegistries: [ghcr.io]}], exemptions: [{"+body+", reason: r, owner: o}]}")
		got := p.Evaluate(subject(), now())
		if (got.Verdict == policy.VerdictAllow) != taken || (len(got.Exempted) == 1) != taken {
			t.Errorf("%s: %+v, want taken away %v", body, got, taken)
		}
	}
}

// TestExemptionCoversUndecided: nobody needs to know what an exempt finding would have been.
func TestExemptionCoversUndecided(t *testing.T) {
	t.Parallel()
	s := subject()
	s.Findings[0].CVSS = nil
	s.Findings[0].Severity = advisory.SeverityUnknown
	const rules = "rules: [{cel: 'finding.cvss > 1.0'}, {severity: high, unknownSeverity: ignore}]"
	got := load(t, "{id: t, name: T, "+rules+"}").Evaluate(s, now())
	if got.Verdict != policy.VerdictUnknown {
		t.Errorf("got %+v, want unknown", got)
	}
	got = load(t, "{id: t, name: T, "+rules+", exemptions: [{package: openssl, reason: r, owner: o}]}").Evaluate(s, now())
	if got.Verdict != policy.VerdictAllow || len(got.Warnings) != 0 {
		t.Errorf("got %+v, want allow without warnings", got)
	}
}
