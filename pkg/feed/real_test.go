package feed_test

import (
	"testing"
	"time"

	"github.com/runecast/runecast/pkg/advisory"
	"github.com/runecast/runecast/pkg/inventory"
)

func deb10(version string) inventory.Package {
	return inventory.Package{
		Type: inventory.TypeDeb, Ecosystem: "Debian:10", Name: "libssl1.1", Version: version, Source: "openssl", Path: "var/lib/dpkg/status",
	}
}

// What a user of nginx:1.19 and of its fixed twin must be told.
func TestWorkedCase(t *testing.T) {
	t.Parallel()
	sources, areReal := realFeeds(t)
	x, info := build(t, sources)
	t.Logf("real feeds: %v; %d advisories, %d rows, %d bytes", areReal, info.Advisories, info.Rows, info.Bytes)

	old := match(t, x, deb10("1.1.1d-0+deb10u6"))
	f := find(t, old, "CVE-2021-3711")
	if f.Severity != advisory.SeverityCritical || f.SeveritySource != "NVD" || f.FixedVersion != "1.1.1d-0+deb10u7" ||
		f.Advisory != "DEBIAN-CVE-2021-3711" || f.CVSS == nil || f.CVSS.Score != 9.8 || f.CVSS.Version != "3.1" {
		t.Errorf("%+v", f)
	}
	if f.EPSS == nil || f.EPSS.Probability != 0.02842 || f.EPSS.Percentile != 0.85731 {
		t.Errorf("EPSS %+v", f.EPSS)
	}
	if f = find(t, old, "CVE-2022-0778"); f.FixedVersion != "1.1.1d-0+deb10u8" {
		t.Errorf("%+v", f)
	}

	fixed := match(t, x, deb10("1.1.1n-0+deb10u4"))
	for i := range fixed.Findings {
		f := &fixed.Findings[i]
		t.Logf("1.1.1n-0+deb10u4 still has %s, %s, fixed in %q", f.ID, f.Severity, f.FixedVersion)
		if f.Fixable() && f.Severity >= advisory.SeverityHigh {
			t.Errorf("the fixed twin has %+v", f)
		}
	}
	if len(old.Uncovered)+len(fixed.Uncovered) != 0 {
		t.Errorf("uncovered: %v, %v", old.Uncovered, fixed.Uncovered)
	}
}

func TestRealPackages(t *testing.T) {
	t.Parallel()
	sources, _ := realFeeds(t)
	x, info := build(t, sources)
	for _, c := range []struct {
		p        inventory.Package
		id       string
		severity advisory.Severity
		source   string // empty: any
		fixed    string
	}{
		{inventory.Package{Ecosystem: "Go", Name: "golang.org/x/net", Version: "0.0.0-20210101000000-abcdefabcdef"}, "CVE-2021-33194", advisory.SeverityHigh, "NVD", "0.0.0-20210520170846-37e1c6afe023"},
		{inventory.Package{Ecosystem: "PyPI", Name: "Django", Version: "3.2"}, "CVE-2021-35042", advisory.SeverityCritical, "NVD", "3.2.5"},
		{inventory.Package{Ecosystem: "npm", Name: "jquery", Version: "3.0.0"}, "CVE-2020-11023", advisory.SeverityMedium, "", "3.5.0"},
		{inventory.Package{Ecosystem: "Alpine:v3.11", Name: "libcrypto1.1", Source: "openssl", Version: "1.1.1d-r0"}, "CVE-2019-1547", advisory.SeverityUnknown, "", "1.1.1d-r1"},
	} {
		f := find(t, match(t, x, c.p), c.id)
		if f.Severity != c.severity || c.source != "" && f.SeveritySource != c.source || f.FixedVersion != c.fixed || f.Uncertain != "" {
			t.Errorf("%s: %+v", c.id, f)
		}
	}
	jquery := find(t, match(t, x, inventory.Package{Ecosystem: "npm", Name: "jquery", Version: "3.0.0"}), "CVE-2020-11023")
	if jquery.KEV == nil || jquery.KEV.DateAdded != "2025-01-23" || jquery.KEV.DueDate != "2025-02-13" || jquery.KEV.Ransomware {
		t.Errorf("KEV %+v", jquery.KEV)
	}
	if info.Date.IsZero() || info.Date.After(clock()) || info.Built != clock() || len(info.Sources) < 9 {
		t.Errorf("%+v", info)
	}
	for _, s := range info.Sources {
		if s.Records == 0 || s.Used == 0 || len(s.SHA256) != 64 || s.Modified.After(clock().Add(24*time.Hour)) {
			if s.Name != "cve" { // its only record in the small set has no rating
				t.Errorf("source %+v", s)
			}
		}
	}
	a, err := x.Advisory("GHSA-xpfp-f569-q3p2")
	if err != nil || a.ID != "PYSEC-2021-109" || a.Details == "" || a.Severity != advisory.SeverityCritical {
		t.Errorf("%+v, %v", a, err)
	}
}

// A gem and a crate of the languages' own databases, which are matched without a release.
func TestRealGemAndCrate(t *testing.T) {
	t.Parallel()
	sources, areReal := realFeeds(t)
	x, _ := build(t, sources)
	if !areReal {
		uncovered := match(t, x, inventory.Package{Ecosystem: "RubyGems", Name: "rack", Version: "2.2.3"})
		if len(uncovered.Uncovered) != 1 {
			t.Errorf("gems are not in the feed, and yet %+v", uncovered)
		}
		return
	}
	for _, c := range []struct {
		p                  inventory.Package
		id, fixed, patched string
	}{
		{inventory.Package{Ecosystem: "RubyGems", Name: "rack", Version: "2.2.3"}, "CVE-2022-30122", "2.2.3.1", "2.2.3.1"},
		{inventory.Package{Ecosystem: "crates.io", Name: "time", Version: "0.1.42"}, "CVE-2020-26235", "0.2.23", "0.2.23"},
	} {
		if f := find(t, match(t, x, c.p), c.id); f.FixedVersion != c.fixed || f.Uncertain != "" {
			t.Errorf("%s: %+v", c.id, f)
		}
		c.p.Version = c.patched
		for _, f := range match(t, x, c.p).Findings {
			if f.ID == c.id {
				t.Errorf("%s %s still has %s", c.p.Name, c.p.Version, c.id)
			}
		}
	}
}
