package feed_test

import (
	"path/filepath"
	"testing"

	"github.com/runecast/runecast/pkg/advisory"
	"github.com/runecast/runecast/pkg/feed"
	"github.com/runecast/runecast/pkg/inventory"
)

const (
	vectorV4  = "CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:H/SI:H/SA:H"
	vectorV31 = "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:H"
	vectorV30 = "CVSS:3.0/AV:L/AC:H/PR:H/UI:R/S:U/C:L/I:N/A:N"
	vectorV2  = "AV:N/AC:L/Au:N/C:C/I:C/A:C"
	medium31  = "CVSS:3.1/AV:N/AC:H/PR:N/UI:N/S:U/C:N/I:N/A:H"
	critical  = "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"
)

// layer is one source of a rating, and what it says when no source above it says anything.
type layer struct {
	name     string
	add      func(w *world)
	severity advisory.Severity
	source   string
	version  string // of the CVSS; empty: rated in words
}

// world is all the sources of one vulnerability of an Ubuntu package.
type world struct {
	own      object   // the record's fields
	severity []object // of the record
	ghsa     object   // GitHub's record of the same CVE, in another ecosystem
	cna, adp []object // metrics
	nvd      object   // metrics
}

func layers() []layer {
	sev := func(kind, vector string) object { return object{"type": kind, "score": vector} }
	return []layer{
		{"Ubuntu's priority", func(w *world) { w.severity = append(w.severity, sev("Ubuntu", "negligible")) }, advisory.SeverityLow, "Ubuntu", ""},
		{"CVSS 4 of the record", func(w *world) { w.severity = append(w.severity, sev("CVSS_V4", vectorV4)) }, advisory.SeverityCritical, "OSV", "4.0"},
		{"CVSS 3.1 of the record", func(w *world) { w.severity = append(w.severity, sev("CVSS_V3", vectorV31)) }, advisory.SeverityHigh, "OSV", "3.1"},
		{"CVSS 3.0 of the record", func(w *world) { w.severity = append(w.severity, sev("CVSS_V3", vectorV30)) }, advisory.SeverityLow, "OSV", "3.0"},
		{"CVSS 2 of the record", func(w *world) { w.severity = append(w.severity, sev("CVSS_V2", vectorV2)) }, advisory.SeverityHigh, "OSV", "2.0"},
		{"the record's word", func(w *world) { w.own["database_specific"] = object{"severity": "MODERATE"} }, advisory.SeverityMedium, "OSV", ""},
		{"GitHub's CVSS", func(w *world) { w.ghsa["severity"] = []object{sev("CVSS_V3", critical)} }, advisory.SeverityCritical, "GHSA", "3.1"},
		{"GitHub's word", func(w *world) { w.ghsa["database_specific"] = object{"severity": "HIGH"} }, advisory.SeverityHigh, "GHSA", ""},
		{"the publisher", func(w *world) { w.cna = []object{{"cvssV3_1": object{"vectorString": medium31}}} }, advisory.SeverityMedium, "CNA", "3.1"},
		{"CISA", func(w *world) { w.adp = []object{{"cvssV3_0": object{"vectorString": vectorV30}}} }, advisory.SeverityLow, "CISA-ADP", "3.0"},
		{"NVD, version 3", func(w *world) {
			w.nvd["cvssMetricV31"] = []object{{"type": "Primary", "cvssData": object{"vectorString": critical}}}
		}, advisory.SeverityCritical, "NVD", "3.1"},
		{"NVD, version 2", func(w *world) {
			w.nvd["cvssMetricV2"] = []object{{"type": "Primary", "cvssData": object{"vectorString": vectorV2}}}
		}, advisory.SeverityHigh, "NVD", "2.0"},
		{"somebody else's rating at NVD", func(w *world) {
			w.nvd["cvssMetricV30"] = []object{{"type": "Secondary", "cvssData": object{"vectorString": vectorV30}}}
		}, advisory.SeverityUnknown, "", ""},
	}
}

// Each source is taken away in turn, from the first to the last, and the next one must win.
func TestSeverityOrder(t *testing.T) {
	t.Parallel()
	all := layers()
	for gone, want := range all {
		t.Run(want.name, func(t *testing.T) {
			t.Parallel()
			f := rated(t, all[gone:])
			version := ""
			if f.CVSS != nil {
				version = f.CVSS.Version
			}
			if f.Severity != want.severity || f.SeveritySource != want.source || version != want.version {
				t.Errorf("%s by %q with CVSS %q; want %s by %q with %q",
					f.Severity, f.SeveritySource, version, want.severity, want.source, want.version)
			}
		})
	}
}

// rated builds a feed of some sources and gives the one finding.
func rated(t *testing.T, sources []layer) advisory.Finding {
	t.Helper()
	w := world{own: object{"upstream": []string{"CVE-2024-1111"}}, ghsa: object{"aliases": []string{"CVE-2024-1111"}}, nvd: object{}}
	for _, s := range sources {
		s.add(&w)
	}
	w.own["severity"] = w.severity
	dir := osvDir(t, map[string][]object{
		"Ubuntu": {record("UBUNTU-CVE-2024-1111", w.own, affected("Ubuntu:22.04:LTS", "curl", "introduced", "0", "fixed", "7.81.0-1ubuntu1.16"))},
		"npm":    {record("GHSA-aaaa-bbbb-cccc", w.ghsa, affected("npm", "curl-wrapper", "introduced", "0"))},
	})
	cve := filepath.Join(t.TempDir(), "cve.zip")
	zipFile(t, cve, object{
		"cveMetadata": object{"cveId": "CVE-2024-1111", "state": "PUBLISHED"},
		"containers": object{
			"cna": object{"metrics": w.cna},
			"adp": []object{{"metrics": w.adp, "providerMetadata": object{"shortName": "CISA-ADP"}}},
		},
	})
	nvd := jsonFile(t, object{"vulnerabilities": []object{{"cve": object{"id": "CVE-2024-1111", "metrics": w.nvd}}}})
	x, _ := build(t, feed.Sources{OSVDir: dir, CVE: []string{cve}, NVD: []string{nvd}})
	return find(t, match(t, x, inventory.Package{Ecosystem: "Ubuntu:22.04:LTS", Name: "curl", Version: "7.81.0-1"}), "CVE-2024-1111")
}

func TestDistributionsWords(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		ecosystem, specific, field, word string
		severity                         advisory.Severity
		source                           string
	}{
		{"Debian:12", "ecosystem_specific", "urgency", "unimportant", advisory.SeverityLow, "Debian"},
		{"Debian:12", "ecosystem_specific", "urgency", "low", advisory.SeverityLow, "Debian"},
		{"Debian:12", "ecosystem_specific", "urgency", "medium", advisory.SeverityMedium, "Debian"},
		{"Debian:12", "ecosystem_specific", "urgency", "high", advisory.SeverityHigh, "Debian"},
		{"Debian:12", "ecosystem_specific", "urgency", "medium**", advisory.SeverityUnknown, ""},
		{"Debian:12", "ecosystem_specific", "urgency", "not yet assigned", advisory.SeverityUnknown, ""},
		{"Debian:12", "ecosystem_specific", "urgency", "end-of-life", advisory.SeverityUnknown, ""},
		{"Ubuntu:22.04:LTS", "ecosystem_specific", "ubuntu_priority", "high", advisory.SeverityHigh, "Ubuntu"},
		{"Ubuntu:22.04:LTS", "database_specific", "priority", "critical", advisory.SeverityCritical, "Ubuntu"},
		{"Ubuntu:22.04:LTS", "database_specific", "priority", "untriaged", advisory.SeverityUnknown, ""},
		{"Go", "ecosystem_specific", "urgency", "high", advisory.SeverityUnknown, ""},
	} {
		a := affected(c.ecosystem, "p", "introduced", "0")
		a[c.specific] = object{c.field: c.word}
		x, _ := build(t, feed.Sources{OSVDir: osvDir(t, map[string][]object{advisory.BaseEcosystem(c.ecosystem): {record("X-1", nil, a)}})})
		f := find(t, match(t, x, inventory.Package{Ecosystem: c.ecosystem, Name: "p", Version: "1.0.0"}), "X-1")
		if f.Severity != c.severity || f.SeveritySource != c.source {
			t.Errorf("%s %s %q: %s by %q", c.ecosystem, c.field, c.word, f.Severity, f.SeveritySource)
		}
	}
}

// base4 is a vector of base metrics alone.
const base4 = "CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:N/VA:N/SC:N/SI:N/SA:N"

func TestScoresAndBands(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		vector   string
		severity advisory.Severity
		score    float64
	}{
		{critical, advisory.SeverityCritical, 9.8},
		{vectorV31, advisory.SeverityHigh, 7.5},
		{medium31, advisory.SeverityMedium, 5.9},
		{"CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:N", advisory.SeverityNone, 0},
		{vectorV2, advisory.SeverityHigh, 10},
		{"AV:N/AC:L/Au:N/C:P/I:P/A:P", advisory.SeverityHigh, 7.5},
		{"AV:N/AC:L/Au:N/C:N/I:N/A:P", advisory.SeverityMedium, 5},
		{"(AV:L/AC:H/Au:N/C:N/I:N/A:P)", advisory.SeverityLow, 1.2},
		{vectorV4, advisory.SeverityCritical, 10},
		{base4, advisory.SeverityHigh, 8.7},
		{base4 + "/E:U", advisory.SeverityHigh, 8.7},
		{base4 + "/E:P/CR:L/MAV:P/S:N/U:Clear", advisory.SeverityHigh, 8.7},
		{base4 + "/E:nonsense", advisory.SeverityUnknown, 0},
		{"CVSS:3.1/AV:N", advisory.SeverityUnknown, 0},
		{"nonsense", advisory.SeverityUnknown, 0},
	} {
		kind := "CVSS_V3"
		r := record("X-1", object{"severity": []object{{"type": kind, "score": c.vector}}}, affected("Go", "p", "introduced", "0"))
		x, _ := build(t, feed.Sources{OSVDir: osvDir(t, map[string][]object{"Go": {r}})})
		f := find(t, match(t, x, inventory.Package{Ecosystem: "Go", Name: "p", Version: "1.0.0"}), "X-1")
		if f.CVSS != nil && f.CVSS.Vector != c.vector {
			t.Errorf("%s is shown as %s", c.vector, f.CVSS.Vector)
		}
		if f.Severity != c.severity || (f.CVSS == nil) != (c.severity == advisory.SeverityUnknown) || f.CVSS != nil && f.CVSS.Score != c.score {
			t.Errorf("%s: %s, %+v", c.vector, f.Severity, f.CVSS)
		}
	}
}
