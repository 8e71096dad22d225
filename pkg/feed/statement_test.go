package feed_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/runecast/runecast/pkg/advisory"
	"github.com/runecast/runecast/pkg/feed"
	"github.com/runecast/runecast/pkg/inventory"
)

// specific adds what a database says in fields of its own.
func specific(field string, of object, entry object) object {
	out := maps.Clone(entry)
	out[field] = of
	return out
}

// stated are the findings of one package of Debian 12, as id, state and who says so.
func stated(t *testing.T, records ...object) []string {
	t.Helper()
	x, _ := build(t, feed.Sources{OSVDir: osvDir(t, map[string][]object{"Debian": records})})
	m := match(t, x, inventory.Package{Type: inventory.TypeDeb, Ecosystem: "Debian:12", Name: "busybox", Version: "1:1.35.0-4"})
	var got []string
	for i := range m.Findings {
		f := &m.Findings[i]
		got = append(got, strings.Join(strings.Fields(f.ID+" "+string(f.FixState)+" "+f.FixedVersion+" "+f.WontFix), " "))
	}
	return got
}

// TestFixStates reads what records say of a fix that will not come, in the forms that they have.
func TestFixStates(t *testing.T) {
	t.Parallel()
	open, fixed := affected("Debian:12", "busybox", "introduced", "0"), affected("Debian:12", "busybox", "introduced", "0", "fixed", "1:1.36-1")
	for want, entry := range map[string]object{
		"CVE-2024-0001 not-fixed":                       open,
		"CVE-2024-0001 fixed 1:1.36-1":                  specific("ecosystem_specific", object{"urgency": "end-of-life"}, fixed),
		"CVE-2024-0001 wont-fix Debian: end-of-life":    specific("ecosystem_specific", object{"urgency": "end-of-life"}, open),
		"CVE-2024-0001 wont-fix Debian: Will not fix":   specific("database_specific", object{"fix_state": "Will not fix"}, open),
		"CVE-2024-0001 wont-fix Debian: ignored":        specific("ecosystem_specific", object{"status": "ignored"}, open),
		"CVE-2024-0001 wont-fix Debian: Won't fix":      specific("ecosystem_specific", object{"state": "Won't fix"}, open),
		"CVE-2024-0001 wont-fix Debian: no_fix_planned": specific("database_specific", object{"status": "no_fix_planned"}, open),
	} {
		if got := stated(t, record("DEBIAN-CVE-2024-0001", object{"upstream": []string{"CVE-2024-0001"}}, entry)); !slices.Equal(got, []string{want}) {
			t.Errorf("%v: %q, want %q", entry, got, want)
		}
	}
	for _, word := range []string{"deferred", "needed", "affected", "unimportant"} {
		entry := specific("ecosystem_specific", object{"status": word, "urgency": word}, open)
		if got := stated(t, record("DEBIAN-CVE-2024-0001", nil, entry)); !slices.Equal(got, []string{"CVE-2024-0001 not-fixed"}) {
			t.Errorf("%s: %q", word, got)
		}
	}
}

// TestNotAffected shows that a distribution's word that a package is not affected silences what others say of it, and no more.
func TestNotAffected(t *testing.T) {
	t.Parallel()
	cve := object{"upstream": []string{"CVE-2024-0001"}}
	zero := affected("Debian:12", "busybox", "introduced", "0", "fixed", "0")
	bare := object{"package": object{"ecosystem": "Debian:12", "name": "busybox"}, "ecosystem_specific": object{"status": "Not affected"}}
	open := affected("Debian:12", "busybox", "introduced", "0")
	for name, c := range map[string]struct {
		records []object
		want    []string
	}{
		"fixed in version 0":                {[]object{record("DEBIAN-CVE-2024-0001", cve, zero)}, nil},
		"a status and no versions":          {[]object{record("DEBIAN-CVE-2024-0001", cve, bare)}, nil},
		"a status beside versions":          {[]object{record("DEBIAN-CVE-2024-0001", cve, specific("ecosystem_specific", object{"status": "not_affected"}, open))}, nil},
		"against a notice of it alone":      {[]object{record("DEBIAN-CVE-2024-0001", cve, zero), record("DSA-1-1", cve, open)}, nil},
		"against a notice, named first":     {[]object{record("DSA-1-1", cve, open), record("DEBIAN-CVE-2024-0001", cve, bare)}, nil},
		"against another database":          {[]object{record("DEBIAN-CVE-2024-0001", cve, zero), record("CVE-2024-0001", nil, open)}, nil},
		"against a notice of two":           {[]object{record("DEBIAN-CVE-2024-0001", cve, bare), record("DSA-1-1", object{"upstream": []string{"CVE-2024-0001", "CVE-2024-0002"}}, open)}, []string{"CVE-2024-0002 not-fixed"}},
		"a notice against the distribution": {[]object{record("DEBIAN-CVE-2024-0001", cve, open), record("DSA-1-1", cve, zero)}, []string{"CVE-2024-0001 not-fixed"}},
		"of another vulnerability":          {[]object{record("DEBIAN-CVE-2024-0001", cve, zero), record("DEBIAN-CVE-2024-0003", object{"upstream": []string{"CVE-2024-0003"}}, open)}, []string{"CVE-2024-0003 not-fixed"}},
		"of one of two entries":             {[]object{record("DEBIAN-CVE-2024-0001", cve, zero, open)}, []string{"CVE-2024-0001 not-fixed"}},
		"withdrawn":                         {[]object{record("DEBIAN-CVE-2024-0001", object{"upstream": []string{"CVE-2024-0001"}, "withdrawn": "2026-01-01T00:00:00Z"}, zero), record("DSA-1-1", cve, open)}, []string{"CVE-2024-0001 not-fixed"}},
		"of another package":                {[]object{record("DEBIAN-CVE-2024-0001", cve, affected("Debian:12", "toybox", "introduced", "0", "fixed", "0"), open)}, []string{"CVE-2024-0001 not-fixed"}},
		"of another release":                {[]object{record("DEBIAN-CVE-2024-0001", cve, affected("Debian:11", "busybox", "introduced", "0", "fixed", "0"), open)}, []string{"CVE-2024-0001 not-fixed"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := stated(t, c.records...); !slices.Equal(got, c.want) {
				t.Errorf("%q, want %q", got, c.want)
			}
		})
	}
}

// TestNotAffectedIsCovered: an ecosystem whose records all say that nothing is affected is covered.
func TestNotAffectedIsCovered(t *testing.T) {
	t.Parallel()
	x, _ := build(t, feed.Sources{OSVDir: osvDir(t, map[string][]object{"Chainguard": {
		record("CGA-aaaa-bbbb-cccc", object{"upstream": []string{"CVE-2024-0001"}}, affected("Chainguard", "curl", "introduced", "0", "fixed", "0")),
	}})})
	m := match(t, x, inventory.Package{Type: inventory.TypeAPK, Ecosystem: "Chainguard", Name: "curl", Version: "8.1.0-r0"})
	if len(m.Findings) != 0 || len(m.Uncovered) != 0 {
		t.Errorf("%+v", m)
	}
	if a, err := x.Advisory("CGA-aaaa-bbbb-cccc"); err != nil || a.ID != "CGA-aaaa-bbbb-cccc" {
		t.Errorf("%+v, %v", a, err)
	}
}

// TestNoVulnerabilities leaves RustSec's notices out, and crates that nobody maintains.
func TestNoVulnerabilities(t *testing.T) {
	t.Parallel()
	var records []object
	for id, word := range map[string]string{"RUSTSEC-2024-0001": "unmaintained", "RUSTSEC-2024-0002": "notice", "RUSTSEC-2024-0003": "unsound"} {
		entry := affected("crates.io", "demo", "introduced", "0.0.0-0")
		records = append(records, record(id, nil, specific("database_specific", object{"informational": word}, entry)))
	}
	records = append(records, record("RUSTSEC-2024-0004", nil, affected("crates.io", "demo", "introduced", "0.0.0-0", "fixed", "2.0.0")))
	x, _ := build(t, feed.Sources{OSVDir: osvDir(t, map[string][]object{"crates.io": records})})
	m := match(t, x, inventory.Package{Type: "cargo", Ecosystem: "crates.io", Name: "demo", Version: "1.0.0"})
	if len(m.Findings) != 2 || m.Findings[0].ID != "RUSTSEC-2024-0003" || m.Findings[1].FixState != advisory.FixStateFixed {
		t.Errorf("%+v", m.Findings)
	}
}
