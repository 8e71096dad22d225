package policy_test

import (
	"strings"
	"testing"
	"time"

	"github.com/runecast/runecast/pkg/advisory"
	"github.com/runecast/runecast/pkg/inventory"
	"github.com/runecast/runecast/pkg/policy"
)

// TestDenialNamesPlaces checks that a developer learns which program to rebuild, where a package is not the distribution's.
func TestDenialNamesPlaces(t *testing.T) {
	t.Parallel()
	set, err := policy.NewSet(policy.BuiltInOptions{})
	if err != nil {
		t.Fatal(err)
	}
	p, _ := set.Get("2")
	var findings []advisory.Finding
	for _, path := range []string{"usr/bin/app", "usr/bin/tool", "usr/bin/other"} {
		findings = append(findings, advisory.Finding{
			ID: "CVE-2023-0001", Severity: advisory.SeverityHigh, FixedVersion: "0.7.0",
			Package: inventory.Package{Type: inventory.TypeGolang, Ecosystem: "Go", Name: "golang.org/x/net", Version: "0.1.0", Path: path},
		})
	}
	result := p.Evaluate(policy.Subject{Reference: "app:1", Outcome: policy.OutcomeScanned, Findings: findings}, time.Now())
	message := policy.DenialMessage(p, []policy.ImageResult{{Reference: "app:1", Result: result}})
	if want := "\n  golang.org/x/net 0.1.0 → 0.7.0  CVE-2023-0001 high  (usr/bin/app and 2 more places)"; !strings.HasSuffix(message, want) {
		t.Errorf("message %s\nwant the end %s", message, want)
	}
}
