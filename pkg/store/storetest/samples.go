package storetest

import (
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/runecast/runecast/pkg/admission"
	"github.com/runecast/runecast/pkg/advisory"
	"github.com/runecast/runecast/pkg/inventory"
	"github.com/runecast/runecast/pkg/policy"
	"github.com/runecast/runecast/pkg/scan"
)

// when is the time that samples count from; stores keep microseconds.
func when() time.Time { return time.Date(2026, 3, 4, 5, 6, 7, 891234000, time.UTC) }

// Digest gives a well-formed digest, a different one for each n.
func Digest(n int) string { return fmt.Sprintf("sha256:%064x", n) }

// Finding gives a finding, a different one for each n.
func Finding(n int) advisory.Finding {
	return advisory.Finding{
		ID: fmt.Sprintf("CVE-2021-%04d", n), Advisory: fmt.Sprintf("DEBIAN-CVE-2021-%04d", n), Aliases: []string{"GHSA-xxxx-yyyy-zzzz"},
		Summary: "openssl: SM2 decryption buffer overflow",
		Package: inventory.Package{
			Type: inventory.TypeDeb, Ecosystem: "Debian:10", Name: "libssl1.1", Version: "1.1.1d-0+deb10u6", Source: "openssl",
			SourceVersion: "1.1.1d-0+deb10u6~1", Arch: "amd64", Path: "var/lib/dpkg/status", Layer: Digest(n),
		},
		FixedVersion: "1.1.1d-0+deb10u7", FixedAt: when(), Severity: advisory.SeverityCritical, SeveritySource: "NVD",
		CVSS: &advisory.CVSS{Version: "3.1", Vector: "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H", Score: 9.8},
		EPSS: &advisory.EPSS{Probability: 0.0297, Percentile: 0.91},
		KEV:  &advisory.KEV{DateAdded: "2021-11-03", DueDate: "2021-11-17", Ransomware: true}, Published: when().Add(-time.Hour),
		Uncertain: "the version 1:x cannot be read",
	}
}

// Decision gives a decision about two images, with every field set; a later one for a greater n.
func Decision(n int) admission.Decision {
	finding := Finding(1)
	violation := policy.Violation{Rule: "fixable critical", Finding: &finding, Detail: "libssl1.1 1.1.1d-0+deb10u6: CVE-2021-0001 (critical)"}
	return admission.Decision{
		ID: uuid.NewString(), ReviewUID: uuid.NewString(), At: when().Add(time.Duration(n) * time.Second), Duration: 123456789 * time.Nanosecond,
		Trigger: admission.TriggerAdmission, PolicyID: "2", Policy: "No critical or high severity vulnerabilities with available fix",
		PolicyRevision: "6f1c", Mode: policy.ModeEnforce, Verdict: policy.VerdictDeny, Allowed: true, Reason: "violation", Message: "Image scan\nfound “violations”",
		Operation: "CREATE", Group: "apps", Kind: "Deployment", Namespace: "shop", Name: "web", User: "system:serviceaccount:ci:deployer",
		Images: []admission.DecisionImage{
			{
				Reference: "nginx:1.19", Digest: Digest(n), Platform: "linux/amd64", FeedRevision: "f1", Outcome: policy.OutcomeScanned, Verdict: policy.VerdictDeny,
				Counts: &admission.Counts{Critical: 3, High: n % 5, Medium: 1, Low: 4, Unknown: n % 2}, Cause: "a cause", Violations: []policy.Violation{violation, {Rule: "registry", Detail: "not allowed"}},
				Violated: 2,
				Exempted: []policy.Exempted{{Violation: violation, Reason: "not reachable", VEX: "not_affected", Owner: "alice", Until: "2027-01-01T00:00:00Z"}},
			},
			{Reference: "registry.example.com/none:1", Outcome: policy.OutcomeUnscannable, Verdict: policy.VerdictUnknown, Cause: "not-found"},
		},
	}
}

// Report gives a report with a number of findings, of all severities in turn.
func Report(n, findings int) *scan.Report {
	report := &scan.Report{
		Image: "nginx:1.19", Digest: Digest(n), Index: Digest(n + 1), Platform: "linux/amd64",
		OS:   inventory.OS{ID: "debian", VersionID: "10", Codename: "buster", PrettyName: "Debian GNU/Linux 10 (buster)"},
		Size: 53 << 20, Layers: 6, Packages: 137, Feed: scan.Feed{Revision: "f1", Date: when().Add(-24 * time.Hour)},
		Uncovered: []advisory.Uncovered{{Ecosystem: "npm", Packages: 3}}, Warnings: []string{"a warning"}, ScannedAt: when(), Seconds: 2.5,
	}
	severities := advisory.Severities()
	for i := range findings {
		finding := Finding(i)
		finding.Severity = severities[i%len(severities)]
		report.Findings = append(report.Findings, finding)
	}
	return report
}

// Contents gives what reading an image gives.
func Contents() *scan.Contents {
	return &scan.Contents{
		Inventory: inventory.Inventory{
			OS: inventory.OS{ID: "alpine", VersionID: "3.19.1", Codename: "-", PrettyName: "Alpine Linux v3.19"}, Packages: []inventory.Package{Finding(1).Package},
			Warnings: []string{"usr/bin/x: no build information"},
		},
		Platform: "linux/arm64/v8", Size: 3 << 20, Layers: 1, ReadAt: when(),
	}
}
