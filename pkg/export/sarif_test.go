package export_test

import (
	"strings"
	"testing"

	"github.com/owenrumney/go-sarif/v3/pkg/report/v210/sarif"

	"github.com/runecast/runecast/pkg/export"
)

func decodeSARIF(tb testing.TB, d *export.Document) *sarif.Report {
	tb.Helper()
	log, err := sarif.FromBytes(written(tb, export.SARIF, d), sarif.WithStrictValidation())
	if err != nil {
		tb.Fatal(err)
	}
	return log
}

// TestSARIFIsValid uses the official schema, which the library has in it.
func TestSARIFIsValid(t *testing.T) {
	t.Parallel()
	for name, d := range documents() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			log := decodeSARIF(t, d)
			if err := log.Validate(); err != nil {
				t.Error(err)
			}
			run := log.Runs[0]
			if len(run.Results) != len(d.Report.Findings) {
				t.Errorf("%d results of %d findings", len(run.Results), len(d.Report.Findings))
			}
			for _, r := range run.Results {
				if *run.Tool.Driver.Rules[r.RuleIndex].ID != *r.RuleID {
					t.Errorf("the result of %s points at the rule %s", *r.RuleID, *run.Tool.Driver.Rules[r.RuleIndex].ID)
				}
			}
		})
	}
}

func TestSARIFSaysAllThereIs(t *testing.T) {
	t.Parallel()
	run := decodeSARIF(t, small()).Runs[0]
	wants := []struct{ level, severity, text, uri string }{
		{"error", "9.8", "libssl1.1 1.1.1d-0+deb10u6: CVE-2021-3711 (critical), fixed in 1.1.1d-0+deb10u7", "var/lib/dpkg/status"},
		{"error", "7.0", "@acme/express 4.0.0: CVE-2022-24999 (high), fixed in 4.17.3", "app/node_modules/@acme/express/package.json"},
		{"note", "0.1", "libssl1.1 1.1.1d-0+deb10u6: CVE-2023-0001 (low), no fix is known", "var/lib/dpkg/status"},
		{"warning", "", "libssl1.1 1.1.1d-0+deb10u6: CVE-2023-0002 (unknown), no fix is known; not certain: version cannot be compared", "var/lib/dpkg/status"},
	}
	prints := map[string]bool{}
	for i, want := range wants {
		r, rule := run.Results[i], run.Tool.Driver.Rules[run.Results[i].RuleIndex]
		severity, _ := rule.Properties.Properties["security-severity"].(string)
		physical := r.Locations[0].PhysicalLocation
		if r.Level != want.level || severity != want.severity || *r.Message.Text != want.text || *physical.ArtifactLocation.URI != want.uri ||
			*rule.Help.Text == "" || !strings.HasPrefix(*r.Locations[0].LogicalLocations[0].FullyQualifiedName, "pkg:") {
			t.Errorf("result %d: %s, %q, %q, %q; want %+v", i, r.Level, severity, *r.Message.Text, *physical.ArtifactLocation.URI, want)
		}
		prints[r.Fingerprints["runecastFinding/v1"]] = true
	}
	if len(prints) != len(wants) {
		t.Errorf("%d fingerprints of %d findings", len(prints), len(wants))
	}
	if len(run.Results[0].Suppressions) != 0 || len(run.Results[1].Suppressions) != 1 || *run.Results[1].Suppressions[0].Justification != "not_affected: not in the execute path" {
		t.Error("statements are not suppressions")
	}
	inv := run.Invocations[0]
	if *inv.ExecutionSuccessful || len(inv.ToolExecutionNotifications) != 3 || inv.ToolExecutionNotifications[0].Level != "error" {
		t.Errorf("what was not read is not stated: %+v", inv)
	}
}
