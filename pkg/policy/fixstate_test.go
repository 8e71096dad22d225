package policy_test

import (
	"strings"
	"testing"

	"github.com/runecast/runecast/pkg/advisory"
	"github.com/runecast/runecast/pkg/policy"
)

// TestFixStateRule asks for states of the fix, of certain and of uncertain findings.
func TestFixStateRule(t *testing.T) {
	t.Parallel()
	state := func(s advisory.FixState) func(*advisory.Finding) {
		return func(f *advisory.Finding) {
			if f.FixState = s; s != advisory.FixStateFixed {
				f.FixedVersion = ""
			}
		}
	}
	uncertain := func(fix string) func(*advisory.Finding) {
		return func(f *advisory.Finding) {
			f.Uncertain, f.RatedSeverity, f.PossibleFix, f.FixedVersion, f.FixState = "strange", f.Severity, fix, "", advisory.FixStateUnknown
			f.Severity = advisory.SeverityUnknown
		}
	}
	for _, test := range []struct {
		name, rule string
		change     func(*advisory.Finding)
		want       policy.Verdict
		warnings   int
	}{
		{"listed", "fixState: [not-fixed, wont-fix]", state(advisory.FixStateWontFix), policy.VerdictDeny, 0},
		{"listed too", "fixState: [not-fixed, wont-fix]", state(advisory.FixStateNotFixed), policy.VerdictDeny, 0},
		{"not listed", "fixState: [not-fixed, wont-fix]", state(advisory.FixStateFixed), policy.VerdictAllow, 0},
		{"a fix of unknown state is one", "fixState: [fixed]", func(f *advisory.Finding) { f.FixState = "" }, policy.VerdictDeny, 0},
		{"unknown is left out aloud", "fixState: [not-fixed, wont-fix]", state(advisory.FixStateUnknown), policy.VerdictAllow, 1},
		{"unknown, listed", "fixState: [unknown]", state(advisory.FixStateUnknown), policy.VerdictDeny, 0},
		{"with severity", "severity: high, fixState: [fixed]", state(advisory.FixStateFixed), policy.VerdictDeny, 0},
		{"uncertain without a fix", "fixState: [wont-fix]", uncertain(""), policy.VerdictUnknown, 0},
		{"uncertain with a fix, either way", "fixState: [not-fixed]", uncertain("2"), policy.VerdictUnknown, 0},
		{"uncertain, and fixed", "fixState: [fixed]", uncertain("2"), policy.VerdictUnknown, 0},
		{"uncertain, and no fix to ask for", "fixState: [fixed]", uncertain(""), policy.VerdictAllow, 0},
		{"expression", `cel: 'finding.fixState == "wont-fix"'`, state(advisory.FixStateWontFix), policy.VerdictDeny, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := subject()
			test.change(&s.Findings[0])
			got := rule(t, test.rule).Evaluate(s, now())
			if got.Verdict != test.want || len(got.Warnings) != test.warnings {
				t.Errorf("%+v, want %s and %d warnings", got, test.want, test.warnings)
			}
		})
	}
}

// TestWontFixIsSaid shows it in the violation and in the denial.
func TestWontFixIsSaid(t *testing.T) {
	t.Parallel()
	s := subject()
	s.Findings[0].FixedVersion, s.Findings[0].FixState, s.Findings[0].WontFix = "", advisory.FixStateWontFix, "Debian: end-of-life"
	p := rule(t, "fixState: [wont-fix]")
	got := p.Evaluate(s, now())
	if len(got.Violations) != 1 || !strings.HasSuffix(got.Violations[0].Detail, ", will not be fixed (Debian: end-of-life)") || got.Violations[0].Rule != "fix state wont-fix" {
		t.Errorf("%+v", got.Violations)
	}
	if message := policy.DenialMessage(p, []policy.ImageResult{{Reference: s.Reference, Result: got}}); !strings.Contains(message, "CVE-2021-3711 critical (will not be fixed)") {
		t.Errorf("the denial says %q", message)
	}
}

// TestFixStateMistakes are told with their place.
func TestFixStateMistakes(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]string{
		"fixState: [never]": `rules[0].fixState[0]: "never" is none of fixed, not-fixed, wont-fix, unknown`,
		"fixState: []":      "rules[0].fixState: is an empty list",
		"fixAvailable: true, fixState: [wont-fix]":   "rules[0].fixState: contradicts fixAvailable: true",
		"fixState: [wont_fix], unknownSeverity: add": `did you mean`,
	} {
		_, err := (&policy.Set{}).Load(strings.NewReader("{id: t, name: T, rules: [{"+body+"}]}"), "f.yaml")
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", body, err, want)
		}
	}
}
