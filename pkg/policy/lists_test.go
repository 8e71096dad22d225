package policy_test

import (
	"strings"
	"testing"
	"time"

	"github.com/runecast/runecast/pkg/advisory"
	"github.com/runecast/runecast/pkg/policy"
)

func TestListThatTheFeedLacksIsUnknown(t *testing.T) {
	t.Parallel()
	yes := true
	tests := []struct {
		name  string
		rule  policy.Rule
		lacks []string
		cause string
	}{
		{"kev", policy.Rule{KEV: &yes}, []string{"epss", "kev"}, "the feed was built without the list of known exploited vulnerabilities, which the policy asks about"},
		{"kev is there", policy.Rule{KEV: &yes}, []string{"epss"}, ""},
		{"kev in an expression", policy.Rule{CEL: "finding.kev"}, []string{"kev"}, "the feed was built without the list of known exploited vulnerabilities, which the policy asks about"},
		{"epss", policy.Rule{EPSS: &policy.EPSSRule{Probability: 0.5}}, []string{"epss", "kev"}, "the feed was built without the list of exploit prediction scores, which the policy asks about"},
		{"severity", policy.Rule{Severity: advisory.SeverityHigh}, []string{"ratings"}, "the feed was built without ratings of severity, which the policy asks about"},
		{"cvss", policy.Rule{CVSS: 7}, []string{"epss", "ratings"}, "the feed was built without ratings of severity, which the policy asks about"},
		{"severity in an expression", policy.Rule{CEL: "finding.severityRank > 3"}, []string{"ratings"}, "the feed was built without ratings of severity, which the policy asks about"},
		{"ratings are not asked about", policy.Rule{KEV: &yes}, []string{"ratings"}, ""},
		{"neither is asked about", policy.Rule{FixAvailable: &yes}, []string{"epss", "kev"}, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			p, err := policy.New(&policy.Policy{ID: "x", Name: "x", Rules: []policy.Rule{test.rule}})
			if err != nil {
				t.Fatal(err)
			}
			result := p.Evaluate(policy.Subject{Reference: "app:1", Outcome: policy.OutcomeScanned, FeedLacks: test.lacks}, time.Now())
			if test.cause == "" {
				if !result.Allowed || len(result.Unknown) != 0 {
					t.Errorf("result %+v", result)
				}
				return
			}
			if result.Allowed || len(result.Unknown) != 1 || result.Unknown[0].Cause != test.cause || result.Unknown[0].Switch != "onNoFeed" ||
				!strings.HasPrefix(result.Unknown[0].Remedy, "build it with `runecast feed build --") {
				t.Errorf("result %+v", result)
			}
		})
	}
}
