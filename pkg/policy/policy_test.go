package policy_test

import (
	"strings"
	"testing"
	"time"

	"github.com/runecast/runecast/pkg/advisory"
	"github.com/runecast/runecast/pkg/inventory"
	"github.com/runecast/runecast/pkg/policy"
)

// now is the time of every review in these tests.
func now() time.Time { return time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC) }

const digest = "sha256:df13abe416e37eb3db4722840dd479b00ba193ac6606e7902331dcea50f4f1f2"

// opensslFinding is the finding of the contract's example image.
func opensslFinding() advisory.Finding {
	return advisory.Finding{
		ID: "CVE-2021-3711", Advisory: "DEBIAN-CVE-2021-3711", Aliases: []string{"DSA-4963-1", "GHSA-5ww6-px42-wc85"},
		Package: inventory.Package{
			Type: "deb", Ecosystem: "Debian:10", Name: "libssl1.1", Version: "1.1.1d-0+deb10u6", Source: "openssl", Arch: "amd64", Path: "var/lib/dpkg/status",
		},
		FixedVersion: "1.1.1d-0+deb10u7", FixedAt: time.Date(2021, 8, 24, 0, 0, 0, 0, time.UTC),
		Severity: advisory.SeverityCritical, SeveritySource: "OSV",
		CVSS: &advisory.CVSS{Version: "3.1", Vector: "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H", Score: 9.8},
		EPSS: &advisory.EPSS{Probability: 0.04, Percentile: 0.91},
	}
}

// subject is a scanned nginx:1.19 with that finding.
func subject() policy.Subject {
	return policy.Subject{
		Reference: "nginx:1.19", Digest: digest, Platform: "linux/amd64", Outcome: policy.OutcomeScanned,
		Findings: []advisory.Finding{opensslFinding()}, FeedDate: now().Add(-24 * time.Hour),
	}
}

func builtIn(t *testing.T, id string) *policy.Policy {
	t.Helper()
	set, err := policy.NewSet(policy.BuiltInOptions{})
	if err != nil {
		t.Fatal(err)
	}
	p, ok := set.Get(id)
	if !ok {
		t.Fatalf("no built-in policy %s", id)
	}
	return p
}

// load reads one policy from YAML.
func load(t *testing.T, text string, docs ...policy.Document) *policy.Policy {
	t.Helper()
	set, err := (&policy.Set{}).Load(strings.NewReader(text), "test.yaml", docs...)
	if err != nil {
		t.Fatalf("load: %v", err)
	}
	if list := set.List(); len(list) == 1 {
		return list[0]
	}
	t.Fatalf("%d policies, want 1", len(set.List()))
	return nil
}

// rule is a policy with one rule, given as YAML flow.
func rule(t *testing.T, body string) *policy.Policy {
	t.Helper()
	return load(t, "{id: t, name: Test, rules: [{"+body+"}]}")
}

func stringReader(text string) *strings.Reader { return strings.NewReader(text) }
