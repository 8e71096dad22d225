package policy_test

import (
	"slices"
	"testing"
	"time"

	"github.com/runecast/runecast/pkg/advisory"
	"github.com/runecast/runecast/pkg/inventory"
	"github.com/runecast/runecast/pkg/lifecycle"
	"github.com/runecast/runecast/pkg/policy"
)

func TestUnknowns(t *testing.T) {
	t.Parallel()
	outcome := func(o policy.Outcome) func(*policy.Subject) {
		return func(s *policy.Subject) { s.Outcome, s.Findings, s.Cause, s.Remedy = o, nil, "cause", "remedy" }
	}
	tests := []struct {
		name, settings string
		change         func(*policy.Subject)
		want           policy.Unknown
	}{
		{"pending", "", outcome(policy.OutcomePending), policy.Unknown{Switch: "onPending", Cause: "cause", Remedy: "remedy"}},
		{"unscannable", "", outcome(policy.OutcomeUnscannable), policy.Unknown{Switch: "onUnscannable", Cause: "cause", Remedy: "remedy"}},
		{"no feed", "", outcome(policy.OutcomeNoFeed), policy.Unknown{Switch: "onNoFeed", Cause: "cause", Remedy: "remedy"}},
		{
			"no outcome", "", func(s *policy.Subject) { s.Outcome, s.Findings = "", nil },
			policy.Unknown{Switch: "onUnscannable", Cause: `the scan ended in an unknown way ("")`, Remedy: "see the server's log for the scan of this image"},
		},
		{
			"control characters in a cause", "", func(s *policy.Subject) { s.Outcome, s.Findings, s.Cause = policy.OutcomePending, nil, "a\nb\x1b" },
			policy.Unknown{Switch: "onPending", Cause: "a b\ufffd", Remedy: "try again in a moment: the scan goes on"},
		},
		{
			"stale feed", "maxFeedAge: 7d", func(s *policy.Subject) { s.Findings, s.FeedDate = nil, now().Add(-7*24*time.Hour-time.Second) },
			policy.Unknown{
				Switch: "onStaleFeed", Cause: "the vulnerability data is of 2026-04-24, 7d old; the policy allows 7d",
				Remedy: "update the feed with `runecast feed build` and `runecast feed import`",
			},
		},
		{
			"feed without a date", "maxFeedAge: 7d", func(s *policy.Subject) { s.Findings, s.FeedDate = nil, time.Time{} },
			policy.Unknown{
				Switch: "onStaleFeed", Cause: "the date of the vulnerability data is not known and the policy allows 7d",
				Remedy: "update the feed with `runecast feed build` and `runecast feed import`",
			},
		},
		{
			"ecosystem not covered", "", func(s *policy.Subject) {
				s.Findings, s.Uncovered = nil, []advisory.Uncovered{{Ecosystem: "Debian:10", Packages: 92}}
			},
			policy.Unknown{
				Switch: "onNoFeed", Cause: "the feed has no data for Debian:10, of which the image has 92 packages",
				Remedy: "add Debian:10 to the feed with `runecast feed build --osv …`",
			},
		},
		{
			"distribution not known", "", func(s *policy.Subject) {
				s.Findings, s.Uncovered = nil, []advisory.Uncovered{{Ecosystem: "unknown distribution", Packages: 1}}
			},
			policy.Unknown{
				Switch: "onUnknownDistro", Cause: "the distribution of 1 package of the image is not known",
				Remedy: "use a base image of a distribution and release that OSV has advisories of, with /etc/os-release, or set onUnknownDistro in the policy",
			},
		},
		{
			"distribution without advisories", "", func(s *policy.Subject) {
				s.Findings, s.Uncovered = nil, []advisory.Uncovered{{Ecosystem: "unknown distribution", Packages: 120}}
				s.Distribution = lifecycle.Of(inventory.OS{ID: "amzn", VersionID: "2023"})
			},
			policy.Unknown{
				Switch: "onUnknownDistro", Cause: `OSV has no advisories of the distribution "amzn", and so the vulnerabilities of 120 packages are not known`,
				Remedy: "use a base image of a distribution and release that OSV has advisories of, with /etc/os-release, or set onUnknownDistro in the policy",
			},
		},
		{
			"release not known, where its end matters", "", func(s *policy.Subject) {
				s.Findings, s.Distribution = nil, lifecycle.Of(inventory.OS{ID: "debian", VersionID: "99"})
			},
			policy.Unknown{
				Switch: "onEndOfLife", Cause: "whether debian 99 is past its end of life is not known",
				Remedy: "use a newer version of this program, which may know the release, or set onEndOfLife in the policy",
			},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := subject()
			test.change(&s)
			for _, c := range []struct {
				mode     string
				action   policy.Action
				allowed  bool
				warnings int
			}{
				{"enforce", policy.ActionDeny, false, 0},
				{"enforce", policy.ActionWarn, true, 1},
				{"enforce", policy.ActionAllow, true, 0},
				{"warn", policy.ActionDeny, true, 1},
				{"audit", policy.ActionDeny, true, 0},
			} {
				settings := test.settings
				if settings != "" {
					settings = ", " + settings
				}
				if test.want.Switch == "onEndOfLife" && c.action != policy.ActionDeny {
					continue // what warns of it leaves the image judged: see TestEndOfLife
				}
				p := load(t, "{id: t, name: T, rules: [{severity: high}], mode: "+c.mode+", "+test.want.Switch+": "+string(c.action)+settings+"}")
				got := p.Evaluate(s, now())
				want := test.want
				want.Action = c.action
				if got.Verdict != policy.VerdictUnknown || len(got.Unknown) != 1 || got.Unknown[0] != want {
					t.Errorf("%s, %s: %+v, want %+v", c.mode, c.action, got, want)
				}
				if got.Allowed != c.allowed || len(got.Warnings) != c.warnings {
					t.Errorf("%s, %s: allowed %v, warnings %q; want %v and %d", c.mode, c.action, got.Allowed, got.Warnings, c.allowed, c.warnings)
				}
				if c.warnings == 1 && got.Warnings[0] != "not judged: "+want.Cause+"; "+want.Remedy {
					t.Errorf("warning %q", got.Warnings[0])
				}
			}
		})
	}
}

// TestKnownViolationDeniesWhateverIsUnknown: a gap in the data never outweighs a violation.
func TestKnownViolationDeniesWhateverIsUnknown(t *testing.T) {
	t.Parallel()
	s := subject()
	s.Uncovered = []advisory.Uncovered{{Ecosystem: "Go", Packages: 3}}
	p := load(t, "{id: t, name: T, rules: [{severity: high}], onNoFeed: allow, onStaleFeed: allow, maxFeedAge: 1h}")
	got := p.Evaluate(s, now())
	if got.Verdict != policy.VerdictDeny || got.Allowed || len(got.Unknown) != 2 || len(got.Violations) != 1 {
		t.Errorf("got %+v, want deny with a violation and two unknowns", got)
	}
}

func TestModes(t *testing.T) {
	t.Parallel()
	for mode, want := range map[string]struct {
		allowed  bool
		warnings []string
	}{
		"enforce": {false, nil},
		"warn":    {true, []string{"libssl1.1 1.1.1d-0+deb10u6: CVE-2021-3711 (critical), fixed in 1.1.1d-0+deb10u7"}},
		"audit":   {true, nil},
	} {
		got := load(t, "{id: t, name: T, rules: [{severity: high}], mode: "+mode+"}").Evaluate(subject(), now())
		if got.Verdict != policy.VerdictDeny || got.Allowed != want.allowed || !slices.Equal(got.Warnings, want.warnings) {
			t.Errorf("%s: %+v, want %+v", mode, got, want)
		}
	}
}
