package advisory_test

import (
	"context"
	"errors"
	"reflect"
	"testing"
	"time"

	"github.com/runecast/runecast/pkg/advisory"
	"github.com/runecast/runecast/pkg/inventory"
)

// simple is an index with one row, fixed in 2.0.0, for each ecosystem and name.
func simple(t *testing.T, covered []string, packages ...[2]string) *advisory.Index {
	t.Helper()
	c := &advisory.Contents{Advisories: seq([]advisory.Advisory(nil))}
	var entries []advisory.Entry
	for _, p := range packages {
		entries = append(entries, advisory.Entry{Ecosystem: p[0], Name: p[1], Rows: []advisory.Row{{
			Vulnerability: &advisory.Vulnerability{ID: "CVE-1", Severity: advisory.SeverityLow},
			Ranges:        []advisory.Range{parseRange(t, "introduced 0, fixed 2.0.0")},
		}}})
	}
	c.Entries = seq(entries)
	for _, e := range covered {
		c.Info.Ecosystems = append(c.Info.Ecosystems, advisory.Coverage{Ecosystem: e})
	}
	path, _ := write(t, c)
	return open(t, path)
}

func TestMatchLooksUp(t *testing.T) {
	t.Parallel()
	x := simple(t, nil,
		[2]string{"Alpine:v3.11", "openssl"}, [2]string{"Debian:10", "openssl"}, [2]string{"Go", "stdlib"},
		[2]string{"PyPI", "django"}, [2]string{"npm", "JSONStream"})
	for _, c := range []struct {
		name  string
		p     inventory.Package
		found bool
	}{
		{"source package and its version", inventory.Package{Ecosystem: "Debian:10", Name: "libssl1.1", Version: "3.0", Source: "openssl", SourceVersion: "1.0"}, true},
		{"source version decides", inventory.Package{Ecosystem: "Debian:10", Name: "libssl1.1", Version: "1.0", Source: "openssl", SourceVersion: "3.0"}, false},
		{"binary name is not the source", inventory.Package{Ecosystem: "Debian:10", Name: "openssl", Version: "1.0", Source: "other"}, false},
		{"Alpine origin", inventory.Package{Ecosystem: "Alpine:v3.11", Name: "libcrypto1.1", Version: "1.1.1d-r0", Source: "openssl"}, true},
		{"Go standard library", inventory.Package{Ecosystem: "Go", Name: "stdlib", Version: "1.21.5"}, true},
		{"PyPI names are normalised", inventory.Package{Ecosystem: "PyPI", Name: "DjanGo", Version: "1.0"}, true},
		{"npm names are exact", inventory.Package{Ecosystem: "npm", Name: "jsonstream", Version: "1.0.0"}, false},
		{"npm exact", inventory.Package{Ecosystem: "npm", Name: "JSONStream", Version: "1.0.0"}, true},
		{"unknown package", inventory.Package{Ecosystem: "npm", Name: "left-pad", Version: "1.0.0"}, false},
		{"fixed", inventory.Package{Ecosystem: "npm", Name: "JSONStream", Version: "2.0.0"}, false},
	} {
		m, err := x.Match(t.Context(), inventory.Inventory{Packages: []inventory.Package{c.p}})
		if err != nil || (len(m.Findings) == 1) != c.found || len(m.Uncovered) != 0 {
			t.Errorf("%s: %+v, %v", c.name, m, err)
		}
	}
}

func TestMatchCoverage(t *testing.T) {
	t.Parallel()
	x := simple(t, []string{"npm"}, [2]string{"Debian:10", "openssl"})
	m, err := x.Match(t.Context(), inventory.Inventory{Packages: []inventory.Package{
		{Ecosystem: "Debian:10", Name: "bash", Version: "5"},
		{Ecosystem: "npm", Name: "x", Version: "1.0.0"},
		{Ecosystem: "Debian:11", Name: "bash", Version: "5"},
		{Ecosystem: "Debian", Name: "bash", Version: "5"},
		{Ecosystem: "PyPI", Name: "y", Version: "1"},
		{Ecosystem: "PyPI", Name: "z", Version: "1"},
		{Name: "bash", Version: "5"},
	}})
	want := []advisory.Uncovered{
		{Ecosystem: "Debian", Packages: 1},
		{Ecosystem: "Debian:11", Packages: 1},
		{Ecosystem: "PyPI", Packages: 2},
		{Ecosystem: "unknown distribution", Packages: 1},
	}
	if err != nil || !reflect.DeepEqual(m.Uncovered, want) || len(m.Findings) != 0 {
		t.Errorf("%+v, %v", m, err)
	}
}

func TestMatchSortsWorstFirst(t *testing.T) {
	t.Parallel()
	row := func(id string, severity advisory.Severity) advisory.Row {
		return advisory.Row{
			Vulnerability: &advisory.Vulnerability{ID: id, Severity: severity}, Ranges: []advisory.Range{parseRange(t, "introduced 0")},
		}
	}
	path, _ := write(t, &advisory.Contents{
		Entries: seq([]advisory.Entry{{Ecosystem: "npm", Name: "p", Rows: []advisory.Row{
			row("CVE-1", advisory.SeverityUnknown), row("CVE-2", advisory.SeverityHigh),
			row("CVE-3", advisory.SeverityCritical), row("CVE-4", advisory.SeverityNone),
		}}}),
		Advisories: seq([]advisory.Advisory(nil)),
	})
	m, err := open(t, path).Match(t.Context(), inventory.Inventory{Packages: []inventory.Package{
		{Ecosystem: "npm", Name: "p", Version: "1.0.0", Path: "b"}, {Ecosystem: "npm", Name: "p", Version: "1.0.0", Path: "a"},
	}})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, f := range m.Findings {
		got = append(got, f.ID+" "+f.Package.Path)
	}
	want := []string{"CVE-3 a", "CVE-3 b", "CVE-2 a", "CVE-2 b", "CVE-4 a", "CVE-4 b", "CVE-1 a", "CVE-1 b"}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestMatchEndsWithItsContext(t *testing.T) {
	t.Parallel()
	x := simple(t, nil, [2]string{"npm", "p"})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := x.Match(ctx, inventory.Inventory{Packages: []inventory.Package{{Ecosystem: "npm", Name: "p", Version: "1.0.0"}}})
	if !errors.Is(err, context.Canceled) || err.Error() != "match 1 packages: context canceled" {
		t.Errorf("got %v", err)
	}
	if err := x.Verify(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("verify: %v", err)
	}
}

// What a match gives stays readable after the index is closed: nothing points into the unmapped file.
func TestFindingsOutliveTheIndex(t *testing.T) {
	t.Parallel()
	path, _ := write(t, contents())
	x := open(t, path)
	m, err := x.Match(t.Context(), inventory.Inventory{Packages: []inventory.Package{opensslPackage()}})
	if err != nil || len(m.Findings) != 1 {
		t.Fatalf("%+v, %v", m, err)
	}
	if err := x.Close(); err != nil {
		t.Fatal(err)
	}
	f := m.Findings[0]
	if f.ID != "CVE-2021-3711" || f.CVSS.Vector[:9] != "CVSS:3.1/" || f.Aliases[0] != "DEBIAN-CVE-2021-3711" || f.FixedVersion != "1.1.1d-0+deb10u7" {
		t.Errorf("%+v", f)
	}
}

func TestMatchTellsWhatIsUncertain(t *testing.T) {
	t.Parallel()
	v := &advisory.Vulnerability{
		ID: "CVE-1", Severity: advisory.SeverityHigh, SeveritySource: "GHSA",
		CVSS: &advisory.CVSS{Version: "3.1", Vector: "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:N/A:N", Score: 7.5},
	}
	ranges := func(texts ...string) (list []advisory.Range) {
		for _, text := range texts {
			list = append(list, parseRange(t, text))
		}
		return list
	}
	for _, c := range []struct {
		name, version string
		ranges        []advisory.Range
		fix           string
	}{
		{"installed", "4.17.5.1", ranges("introduced 3.0.0, fixed 4.0.0", "introduced 1.0.0, fixed 2.0.0"), "2.0.0"},
		{"installed, no fix", "4.17.5.1", ranges("introduced 3.0.0"), ""},
		{"the advisory's", "1.0.0", ranges("introduced 2.0.0, fixed 3.0.0", "introduced 0, fixed 1.x"), "1.x"},
		{"the advisory's, no fix", "1.0.0", ranges("introduced 0, last 1.x"), ""},
		{"both", "4.17.5.1", ranges("introduced 0, fixed 1.x"), "1.x"},
	} {
		path, _ := write(t, &advisory.Contents{
			Entries:    seq([]advisory.Entry{{Ecosystem: "npm", Name: "p", Rows: []advisory.Row{{Vulnerability: v, Ranges: c.ranges}}}}),
			Advisories: seq([]advisory.Advisory(nil)),
		})
		x := open(t, path)
		m, err := x.Match(t.Context(), inventory.Inventory{Packages: []inventory.Package{{Ecosystem: "npm", Name: "p", Version: c.version}}})
		if err != nil || len(m.Findings) != 1 {
			t.Fatalf("%s: %+v, %v", c.name, m, err)
		}
		f := &m.Findings[0]
		if f.Uncertain == "" || f.Severity != advisory.SeverityUnknown || f.SeveritySource != "" || f.CVSS != nil || f.Fixable() {
			t.Errorf("%s: %+v", c.name, f)
		}
		if f.RatedSeverity != v.Severity || !reflect.DeepEqual(f.RatedCVSS, v.CVSS) || f.PossibleFix != c.fix {
			t.Errorf("%s: rated %s, %+v, possible fix %q, want %q", c.name, f.RatedSeverity, f.RatedCVSS, f.PossibleFix, c.fix)
		}
	}
}

func TestMatchIsAsOldAsItsOldestEcosystem(t *testing.T) {
	t.Parallel()
	day := func(n int) time.Time { return time.Date(2026, 1, n, 0, 0, 0, 0, time.UTC) }
	c := contents()
	c.Dates = map[string]time.Time{"Debian": day(5), "Debian:11": day(3), "npm": day(9)}
	path, info := write(t, c)
	want := []advisory.Coverage{
		{Ecosystem: "Debian:10", Packages: 1, Rows: 1, Date: day(5)},
		{Ecosystem: "Debian:11", Packages: 1, Rows: 1, Date: day(3)},
		{Ecosystem: "PyPI", Packages: 1, Rows: 1},
		{Ecosystem: "npm", Date: day(9)},
	}
	if !reflect.DeepEqual(info.Ecosystems, want) {
		t.Errorf("%+v", info.Ecosystems)
	}
	x := open(t, path)
	for _, test := range []struct {
		ecosystems []string
		want       time.Time
	}{
		{nil, time.Time{}},
		{[]string{"npm"}, day(9)},
		{[]string{"npm", "Debian:10", "npm"}, day(5)},
		{[]string{"Debian:11", "Debian:10"}, day(3)},
		{[]string{"npm", "PyPI", "Go", ""}, day(9)}, // without a date, not covered, not known
	} {
		var inv inventory.Inventory
		for _, e := range test.ecosystems {
			inv.Packages = append(inv.Packages, inventory.Package{Ecosystem: e, Name: "x", Version: "1"})
		}
		if m, err := x.Match(t.Context(), inv); err != nil || !m.Date.Equal(test.want) {
			t.Errorf("%v: %v, %v, want %v", test.ecosystems, m.Date, err, test.want)
		}
	}
}
