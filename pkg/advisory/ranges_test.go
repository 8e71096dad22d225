package advisory_test

import (
	"fmt"
	"maps"
	"reflect"
	"strings"
	"testing"

	"github.com/runecast/runecast/pkg/advisory"
	"github.com/runecast/runecast/pkg/inventory"
)

// parseRange reads "introduced 0, fixed 1.2".
func parseRange(tb testing.TB, text string) advisory.Range {
	tb.Helper()
	kinds := map[string]advisory.EventKind{
		"introduced": advisory.EventIntroduced, "fixed": advisory.EventFixed,
		"last": advisory.EventLastAffected, "limit": advisory.EventLimit,
	}
	var r advisory.Range
	for part := range strings.SplitSeq(text, ", ") {
		kind, version, _ := strings.Cut(part, " ")
		k, ok := kinds[kind]
		if !ok {
			tb.Fatalf("%q is no event", part)
		}
		r = append(r, advisory.Event{Kind: k, Version: version})
	}
	return r
}

// judge matches versions of one npm package against one row: what it says of each.
func judge(t *testing.T, ranges, listed, installed []string) map[string]string {
	t.Helper()
	row := advisory.Row{Vulnerability: &advisory.Vulnerability{ID: "V", Severity: advisory.SeverityHigh}, Versions: listed}
	for _, text := range ranges {
		row.Ranges = append(row.Ranges, parseRange(t, text))
	}
	path, _ := write(t, &advisory.Contents{
		Entries:    seq([]advisory.Entry{{Ecosystem: "npm", Name: "p", Rows: []advisory.Row{row}}}),
		Advisories: seq([]advisory.Advisory(nil)),
	})
	x := open(t, path)
	said := map[string]string{}
	for _, version := range installed {
		m, err := x.Match(t.Context(), inventory.Inventory{Packages: []inventory.Package{{Ecosystem: "npm", Name: "p", Version: version}}})
		if err != nil || len(m.Findings) > 1 {
			t.Fatalf("%s: %d findings, %v", version, len(m.Findings), err)
		}
		for i := range m.Findings {
			f := &m.Findings[i]
			said[version] = strings.TrimSpace("affected " + f.FixedVersion)
			if f.Uncertain != "" {
				said[version] = strings.TrimSpace(fmt.Sprintf("%s: %s", f.Severity, f.Uncertain))
			}
		}
	}
	return said
}

func TestRanges(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		ranges, listed []string
		want           map[string]string // versions that are not named here are not affected
	}{
		"from the beginning, fixed": {
			ranges: []string{"introduced 0, fixed 2.0.0"},
			want:   map[string]string{"0.0.1": "affected 2.0.0", "1.0.0": "affected 2.0.0", "1.5.0": "affected 2.0.0", "2.0.0-rc.1": "affected 2.0.0"},
		},
		"introduced later": {
			ranges: []string{"introduced 1.0.0, fixed 2.0.0"},
			want:   map[string]string{"1.0.0": "affected 2.0.0", "1.5.0": "affected 2.0.0", "2.0.0-rc.1": "affected 2.0.0"},
		},
		"never fixed": {
			ranges: []string{"introduced 1.5.0"},
			want:   map[string]string{"1.5.0": "affected", "2.0.0-rc.1": "affected", "2.0.0": "affected", "3.0.0": "affected", "9.0.0": "affected"},
		},
		"last affected": {
			ranges: []string{"introduced 0, last 1.5.0"},
			want:   map[string]string{"0.0.1": "affected", "1.0.0": "affected", "1.5.0": "affected"},
		},
		"only one version": {
			ranges: []string{"introduced 1.0.0, last 1.0.0"},
			want:   map[string]string{"1.0.0": "affected"},
		},
		"last affected, and a fix in a later branch": {
			ranges: []string{"introduced 0, last 1.0.0, introduced 2.0.0, fixed 3.0.0"},
			want:   map[string]string{"0.0.1": "affected 3.0.0", "1.0.0": "affected 3.0.0", "2.0.0": "affected 3.0.0"},
		},
		"several branches in one range": {
			ranges: []string{"introduced 1.0.0, fixed 1.5.0, introduced 2.0.0, fixed 3.0.0"},
			want:   map[string]string{"1.0.0": "affected 1.5.0", "2.0.0": "affected 3.0.0"},
		},
		"events in any order": {
			ranges: []string{"fixed 3.0.0, introduced 2.0.0, fixed 1.5.0, introduced 1.0.0"},
			want:   map[string]string{"1.0.0": "affected 1.5.0", "2.0.0": "affected 3.0.0"},
		},
		"two fixes in a row": {
			ranges: []string{"introduced 0, fixed 1.0.0, fixed 2.0.0"},
			want:   map[string]string{"0.0.1": "affected 1.0.0"},
		},
		"fixed and introduced again at once": {
			ranges: []string{"introduced 0, fixed 1.0.0, introduced 1.0.0, fixed 1.5.0"},
			want:   map[string]string{"0.0.1": "affected 1.5.0", "1.0.0": "affected 1.5.0"},
		},
		"empty": {ranges: []string{"introduced 1.0.0, fixed 1.0.0"}},
		"never affected, as Alpine writes it": {
			ranges: []string{"introduced 0, fixed 0"},
		},
		"no start": {
			ranges: []string{"fixed 1.0.0"},
			want:   map[string]string{"0.0.1": "affected 1.0.0"},
		},
		"limit": {
			ranges: []string{"introduced 0, fixed 3.0.0, limit 1.5.0"},
			want:   map[string]string{"0.0.1": "affected 3.0.0", "1.0.0": "affected 3.0.0"},
		},
		"limit before the start": {ranges: []string{"introduced 2.0.0, limit 1.5.0"}},
		"the higher of two limits": {
			ranges: []string{"introduced 1.0.0, limit 1.0.0, limit 2.0.0-rc.1"},
			want:   map[string]string{"1.0.0": "affected", "1.5.0": "affected"},
		},
		"no limit": {
			ranges: []string{"introduced 3.0.0, limit *, limit 1.0.0"},
			want:   map[string]string{"3.0.0": "affected", "9.0.0": "affected"},
		},
		"several ranges": {
			ranges: []string{"introduced 0, fixed 1.0.0", "introduced 2.0.0, fixed 3.0.0"},
			want:   map[string]string{"0.0.1": "affected 1.0.0", "2.0.0": "affected 3.0.0"},
		},
		"overlapping ranges: the fix that ends both": {
			ranges: []string{"introduced 0, fixed 1.0.0", "introduced 0, fixed 1.5.0"},
			want:   map[string]string{"0.0.1": "affected 1.5.0", "1.0.0": "affected 1.5.0"},
		},
		"one record without a fix, one with": {
			ranges: []string{"introduced 0", "introduced 0, fixed 1.0.0"},
			want: map[string]string{
				"0.0.1": "affected 1.0.0", "1.0.0": "affected", "1.5.0": "affected", "2.0.0-rc.1": "affected", "2.0.0": "affected",
				"3.0.0": "affected", "9.0.0": "affected", "any": "affected",
			},
		},
		"listed versions": {
			listed: []string{"1.0.0", "9.0.0"},
			want:   map[string]string{"1.0.0": "affected", "9.0.0": "affected"},
		},
		"listed versions beside a range": {
			ranges: []string{"introduced 2.0.0, fixed 3.0.0"}, listed: []string{"1.0.0", "2.0.0"},
			want: map[string]string{"1.0.0": "affected", "2.0.0": "affected 3.0.0"},
		},
		"a listed version that cannot be parsed matches by its letters": {
			listed: []string{"any"}, want: map[string]string{"any": "affected"},
		},
		"an advisory's version that cannot be parsed": {
			ranges: []string{"introduced 0, fixed 1.0.0", "introduced 0, fixed 2.x"},
			want: map[string]string{
				"0.0.1":      "affected 1.0.0",
				"1.0.0":      `unknown: the advisory's version "2.x" cannot be parsed`,
				"1.5.0":      `unknown: the advisory's version "2.x" cannot be parsed`,
				"2.0.0-rc.1": `unknown: the advisory's version "2.x" cannot be parsed`,
				"2.0.0":      `unknown: the advisory's version "2.x" cannot be parsed`,
			},
		},
		"an advisory's version that cannot be parsed and says nothing": {
			ranges: []string{"introduced 1.5.0, fixed 2.0.0", "introduced 9.0.0, fixed ~"},
			want: map[string]string{
				"1.5.0": "affected 2.0.0", "2.0.0-rc.1": "affected 2.0.0",
				"9.0.0": `unknown: the advisory's version "~" cannot be parsed`,
			},
		},
		"an advisory's start that cannot be parsed": {
			ranges: []string{"introduced 1.x, fixed 2.0.0"},
			want: map[string]string{
				"0.0.1":      `unknown: the advisory's version "1.x" cannot be parsed`,
				"1.0.0":      `unknown: the advisory's version "1.x" cannot be parsed`,
				"1.5.0":      `unknown: the advisory's version "1.x" cannot be parsed`,
				"2.0.0-rc.1": `unknown: the advisory's version "1.x" cannot be parsed`,
			},
		},
		"a start that cannot be parsed and may be the last event": {
			ranges: []string{"introduced 0, fixed 1.0.0, introduced 2.x"},
			want: map[string]string{
				"0.0.1":      `unknown: the advisory's version "2.x" cannot be parsed`,
				"1.0.0":      `unknown: the advisory's version "2.x" cannot be parsed`,
				"1.5.0":      `unknown: the advisory's version "2.x" cannot be parsed`,
				"2.0.0-rc.1": `unknown: the advisory's version "2.x" cannot be parsed`,
				"2.0.0":      `unknown: the advisory's version "2.x" cannot be parsed`,
				"3.0.0":      `unknown: the advisory's version "2.x" cannot be parsed`,
				"9.0.0":      `unknown: the advisory's version "2.x" cannot be parsed`,
			},
		},
		"an end that cannot be parsed and may be before the last start": {
			ranges: []string{"introduced 1.0.0, fixed 1.5.0.b1, introduced 1.5.0"},
			want: map[string]string{
				"1.0.0":      `unknown: the advisory's version "1.5.0.b1" cannot be parsed`,
				"1.5.0":      `unknown: the advisory's version "1.5.0.b1" cannot be parsed`,
				"2.0.0-rc.1": `unknown: the advisory's version "1.5.0.b1" cannot be parsed`,
				"2.0.0":      `unknown: the advisory's version "1.5.0.b1" cannot be parsed`,
				"3.0.0":      `unknown: the advisory's version "1.5.0.b1" cannot be parsed`,
				"9.0.0":      `unknown: the advisory's version "1.5.0.b1" cannot be parsed`,
			},
		},
		"the second branch's end cannot be parsed": {
			ranges: []string{"introduced 1.0.0, fixed 1.1.0, introduced 2.0.0, last 2.9.9.r1"},
			want: map[string]string{
				"1.0.0":      `unknown: the advisory's version "2.9.9.r1" cannot be parsed`,
				"1.5.0":      `unknown: the advisory's version "2.9.9.r1" cannot be parsed`,
				"2.0.0-rc.1": `unknown: the advisory's version "2.9.9.r1" cannot be parsed`,
				"2.0.0":      `unknown: the advisory's version "2.9.9.r1" cannot be parsed`,
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			want := map[string]string{}
			maps.Copy(want, c.want)
			if want["any"] == "" && (len(c.ranges) > 0 || len(c.listed) > 0 && c.listed[0] != "any") {
				want["any"] = `unknown: the installed version "any" is no npm version: it does not start with numbers separated by dots`
			}
			got := judge(t, c.ranges, c.listed, []string{"0.0.1", "1.0.0", "1.5.0", "2.0.0-rc.1", "2.0.0", "3.0.0", "9.0.0", "any"})
			if !reflect.DeepEqual(got, want) {
				t.Errorf("got  %v\nwant %v", got, want)
			}
		})
	}
}

func TestUncoveredVersions(t *testing.T) {
	t.Parallel()
	ranges := []advisory.Range{parseRange(t, "introduced 1.0, fixed 1.3"), parseRange(t, "introduced 2.0, last 2.1")}
	got, err := advisory.UncoveredVersions("PyPI", ranges, []string{"0.9", "1.0", "1.2.9", "1.3", "2.1", "2.2", "odd-one"})
	want := []string{"0.9", "1.3", "2.2", "odd-one"}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%v, %v; want %v", got, err, want)
	}
	got, err = advisory.UncoveredVersions("PyPI", nil, []string{"1.0"})
	if err != nil || !reflect.DeepEqual(got, []string{"1.0"}) {
		t.Errorf("without ranges: %v, %v", got, err)
	}
}
