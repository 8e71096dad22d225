package feed_test

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/runecast/runecast/pkg/advisory"
	"github.com/runecast/runecast/pkg/feed"
	"github.com/runecast/runecast/pkg/inventory"
)

func ids(list ...string) []string { return list }

func TestMerging(t *testing.T) {
	t.Parallel()
	debian := func(fixed string) object { return affected("Debian:10", "openssl", "introduced", "0", "fixed", fixed) }
	golang := func(fixed string) object { return affected("Go", "m", "introduced", "0", "fixed", fixed) }
	for name, c := range map[string]struct {
		records []object
		p       inventory.Package
		want    []string // id, advisory, fixed version, aliases of each finding
	}{
		"a notice and the CVE's own record": {
			[]object{
				record("DSA-1-1", object{"upstream": ids("CVE-2021-0001", "CVE-2021-0002")}, debian("1.2")),
				record("DEBIAN-CVE-2021-0001", object{"upstream": ids("CVE-2021-0001")}, debian("1.3")),
			},
			inventory.Package{Ecosystem: "Debian:10", Name: "openssl", Version: "1.0"},
			[]string{
				"CVE-2021-0001 DEBIAN-CVE-2021-0001 1.3 DEBIAN-CVE-2021-0001", // its own record wins
				"CVE-2021-0002 DSA-1-1 1.2 DSA-1-1",                           // the notice stands for what has no own record
			},
		},
		"a notice of one CVE is joined with its record": {
			[]object{
				record("DLA-1-1", object{"upstream": ids("CVE-2021-0001")}, debian("1.2")),
				record("DEBIAN-CVE-2021-0001", object{"upstream": ids("CVE-2021-0001")}, debian("1.2")),
			},
			inventory.Package{Ecosystem: "Debian:10", Name: "openssl", Version: "1.0"},
			[]string{"CVE-2021-0001 DEBIAN-CVE-2021-0001 1.2 DEBIAN-CVE-2021-0001,DLA-1-1"},
		},
		"a distribution's notice that only relates to its CVEs": {
			[]object{record("ALSA-2026:1", object{"related": ids("CVE-2021-0001", "CVE-2021-0002", "RHSA-2026:1")}, affected("AlmaLinux:9", "openssl-libs", "introduced", "0", "fixed", "1:3.0.7-2.el9"))},
			inventory.Package{Ecosystem: "AlmaLinux:9", Name: "openssl-libs", Version: "1:3.0.7-1.el9"},
			[]string{"CVE-2021-0001 ALSA-2026:1 1:3.0.7-2.el9 ALSA-2026:1", "CVE-2021-0002 ALSA-2026:1 1:3.0.7-2.el9 ALSA-2026:1"},
		},
		"a distribution's notice that names its CVE and relates to another": {
			[]object{record("RLSA-2026:1", object{"upstream": ids("CVE-2021-0001"), "related": ids("CVE-2021-0009")}, affected("Rocky Linux:9", "openssl", "introduced", "0", "fixed", "1:3.0.7-2.el9"))},
			inventory.Package{Ecosystem: "Rocky Linux:9", Name: "openssl", Version: "1:3.0.7-1.el9"},
			[]string{"CVE-2021-0001 RLSA-2026:1 1:3.0.7-2.el9 RLSA-2026:1"},
		},
		"a related CVE of a language's record is another one": {
			[]object{record("GO-1", object{"related": ids("CVE-2021-0009")}, golang("1.2.0"))},
			inventory.Package{Ecosystem: "Go", Name: "m", Version: "1.0.0"},
			[]string{"GO-1 GO-1 1.2.0 "},
		},
		"two databases, one CVE": {
			[]object{
				record("GHSA-1", object{"aliases": ids("CVE-2021-0001")}, golang("1.2.0")),
				record("GO-1", object{"aliases": ids("CVE-2021-0001", "GHSA-1")}, golang("1.1.0")),
			},
			inventory.Package{Ecosystem: "Go", Name: "m", Version: "1.0.0"},
			[]string{"CVE-2021-0001 GO-1 1.2.0 GHSA-1,GO-1"},
		},
		"one of them knows the CVE": {
			[]object{
				record("GHSA-1", object{"aliases": ids("CVE-2021-0001")}, golang("1.2.0")),
				record("GO-1", object{"aliases": ids("GHSA-1")}, golang("1.2.0")),
			},
			inventory.Package{Ecosystem: "Go", Name: "m", Version: "1.0.0"},
			[]string{"CVE-2021-0001 GO-1 1.2.0 GHSA-1,GO-1"},
		},
		"no CVE, joined over a third record": {
			[]object{
				record("A-1", object{"aliases": ids("GHSA-1")}, golang("1.2.0")),
				record("B-1", object{"aliases": ids("OTHER-1")}, golang("1.2.0")),
				record("C-1", object{"aliases": ids("GHSA-1", "OTHER-1")}, golang("1.2.0")),
			},
			inventory.Package{Ecosystem: "Go", Name: "m", Version: "1.0.0"},
			[]string{"A-1 A-1 1.2.0 B-1,C-1,GHSA-1,OTHER-1"},
		},
		"no CVE, nothing shared": {
			[]object{record("A-1", nil, golang("1.2.0")), record("B-1", nil, golang("1.3.0"))},
			inventory.Package{Ecosystem: "Go", Name: "m", Version: "1.0.0"},
			[]string{"A-1 A-1 1.2.0 ", "B-1 B-1 1.3.0 "},
		},
		"two CVEs in one record, none with its own": {
			[]object{record("GO-1", object{"aliases": ids("CVE-2021-0001", "CVE-2021-0002", "GHSA-1")}, golang("1.2.0"))},
			inventory.Package{Ecosystem: "Go", Name: "m", Version: "1.0.0"},
			[]string{"CVE-2021-0001 GO-1 1.2.0 GO-1", "CVE-2021-0002 GO-1 1.2.0 GO-1"},
		},
		"a CVE in the id alone": {
			[]object{record("DEBIAN-CVE-2021-0001", nil, debian("1.2"))},
			inventory.Package{Ecosystem: "Debian:10", Name: "openssl", Version: "1.0"},
			[]string{"CVE-2021-0001 DEBIAN-CVE-2021-0001 1.2 DEBIAN-CVE-2021-0001"},
		},
		"withdrawn": {
			[]object{record("GO-1", object{"withdrawn": "2024-01-01T00:00:00Z"}, golang("1.2.0"))},
			inventory.Package{Ecosystem: "Go", Name: "m", Version: "1.0.0"},
			nil,
		},
		"commits and nothing else": {
			[]object{record("GO-1", nil, object{
				"package": object{"ecosystem": "Go", "name": "m"}, "ranges": []object{{"type": "GIT", "events": []object{{"introduced": "0"}}}},
			})},
			inventory.Package{Ecosystem: "Go", Name: "m", Version: "1.0.0"},
			nil,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			x, _ := build(t, feed.Sources{OSVDir: osvDir(t, map[string][]object{advisory.BaseEcosystem(c.p.Ecosystem): c.records})})
			var got []string
			for _, f := range match(t, x, c.p).Findings {
				got = append(got, strings.Join([]string{f.ID, f.Advisory, f.FixedVersion, strings.Join(f.Aliases, ",")}, " "))
			}
			if !reflect.DeepEqual(got, c.want) {
				t.Errorf("got  %q\nwant %q", got, c.want)
			}
		})
	}
}

// The date of a fix is the notice's, even where the CVE's own record decides; a CVE's date is not.
func TestFixDates(t *testing.T) {
	t.Parallel()
	x, _ := build(t, feed.Sources{OSVDir: osvDir(t, map[string][]object{"Debian": {
		record("DSA-1-1", object{"upstream": ids("CVE-2021-0001", "CVE-2021-0002"), "published": "2021-09-01T00:00:00Z"},
			affected("Debian:10", "openssl", "introduced", "0", "fixed", "1.2")),
		record("DEBIAN-CVE-2021-0001", object{"published": "2021-08-01T00:00:00Z"}, affected("Debian:10", "openssl", "introduced", "0", "fixed", "1.2")),
		record("DEBIAN-CVE-2021-0003", object{"published": "2021-08-01T00:00:00Z"}, affected("Debian:10", "openssl", "introduced", "0", "fixed", "1.2")),
	}})})
	m := match(t, x, inventory.Package{Ecosystem: "Debian:10", Name: "openssl", Version: "1.0"})
	notice := time.Date(2021, 9, 1, 0, 0, 0, 0, time.UTC)
	for id, want := range map[string]time.Time{"CVE-2021-0001": notice, "CVE-2021-0002": notice, "CVE-2021-0003": {}} {
		if got := find(t, m, id).FixedAt; !got.Equal(want) {
			t.Errorf("%s was fixed at %v, want %v", id, got, want)
		}
	}
	if p := find(t, m, "CVE-2021-0003").Published; !p.Equal(time.Date(2021, 8, 1, 0, 0, 0, 0, time.UTC)) {
		t.Errorf("published %v", p)
	}
}
