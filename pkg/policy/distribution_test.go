package policy_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/runecast/runecast/pkg/inventory"
	"github.com/runecast/runecast/pkg/lifecycle"
	"github.com/runecast/runecast/pkg/policy"
)

// TestEndOfLife asks about one image on days before and after the ends of its distribution's support.
func TestEndOfLife(t *testing.T) {
	t.Parallel()
	buster := inventory.OS{ID: "debian", VersionID: "10", PrettyName: "Debian GNU/Linux 10 (buster)"}
	const ended = "Debian GNU/Linux 10 (buster) is past its end of life: support ended on 2022-09-10, extended support on 2024-06-30; use a base image of a newer release"
	const notKnown = "whether debian 99 is past its end of life is not known"
	tests := []struct {
		name, settings string
		os             inventory.OS
		on             string
		verdict        policy.Verdict
		allowed        bool
		warnings       []string
	}{
		{"supported", "onEndOfLife: deny", buster, "2022-09-10", policy.VerdictAllow, true, nil},
		{"extended", "onEndOfLife: deny", buster, "2024-06-30", policy.VerdictAllow, true, nil},
		{"ended", "onEndOfLife: deny", buster, "2024-07-01", policy.VerdictDeny, false, nil},
		{"ended, by default", "mode: enforce", buster, "2024-07-01", policy.VerdictAllow, true, []string{ended}},
		{"ended, and allowed", "onEndOfLife: allow", buster, "2024-07-01", policy.VerdictAllow, true, nil},
		{"ended, where nothing is enforced", "onEndOfLife: deny, mode: warn", buster, "2024-07-01", policy.VerdictDeny, true, []string{ended}},
		{"ended, in silence", "mode: audit", buster, "2024-07-01", policy.VerdictAllow, true, nil},
		{"ended, and exempt", "onEndOfLife: deny, exemptions: [{image: 'docker.io/library/nginx:*', reason: r, owner: o}]", buster, "2024-07-01", policy.VerdictAllow, true, nil},
		{"ended, and exempt from a warning", "exemptions: [{image: 'docker.io/library/nginx:*', reason: r, owner: o}]", buster, "2024-07-01", policy.VerdictAllow, true, nil},
		{"newer than the table", "onEndOfLife: deny", inventory.OS{ID: "debian", VersionID: "99"}, "2024-07-01", policy.VerdictUnknown, false, nil},
		{"newer than the table, by default", "mode: enforce", inventory.OS{ID: "debian", VersionID: "99"}, "2024-07-01", policy.VerdictAllow, true, []string{notKnown}},
		{"rolling", "onEndOfLife: deny", inventory.OS{ID: "wolfi", VersionID: "20230201"}, "2034-07-01", policy.VerdictAllow, true, nil},
		{"no distribution", "onEndOfLife: deny", inventory.OS{}, "2034-07-01", policy.VerdictAllow, true, nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			on, err := time.Parse(time.DateOnly, test.on)
			if err != nil {
				t.Fatal(err)
			}
			s := subject()
			s.Findings, s.Distribution = nil, lifecycle.Of(test.os)
			p := load(t, "{id: t, name: T, rules: [{severity: high}], "+test.settings+"}")
			got := p.Evaluate(s, on)
			if got.Verdict != test.verdict || got.Allowed != test.allowed || !slices.Equal(got.Warnings, test.warnings) {
				t.Errorf("got %+v, want %s, allowed %v, warnings %q", got, test.verdict, test.allowed, test.warnings)
			}
			message := policy.DenialMessage(p, []policy.ImageResult{{Reference: "nginx:1", Result: got}})
			if test.verdict == policy.VerdictDeny && !test.allowed && !strings.Contains(message, "\n  "+ended) {
				t.Errorf("the denial says %q", message)
			}
			if strings.Contains(test.settings, "deny, exemptions") && (len(got.Exempted) != 1 || got.Exempted[0].Violation.Detail != ended) {
				t.Errorf("exempted %+v", got.Exempted)
			}
		})
	}
}

// TestDistributionInExpressions asks for the distribution in CEL.
func TestDistributionInExpressions(t *testing.T) {
	t.Parallel()
	for expression, want := range map[string]policy.Verdict{
		`image.distro == "debian" && image.distroVersion == "10"`:         policy.VerdictDeny,
		`image.distroSupport == "endOfLife" && finding.severityRank >= 4`: policy.VerdictDeny,
		`image.distroSupport == "supported"`:                              policy.VerdictAllow,
	} {
		s := subject()
		s.Distribution = lifecycle.Of(inventory.OS{ID: "debian", VersionID: "10"})
		if got := rule(t, "cel: '"+expression+"'").Evaluate(s, now()); got.Verdict != want {
			t.Errorf("%s: %+v, want %s", expression, got, want)
		}
	}
}
