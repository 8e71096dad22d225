package advisory_test

import (
	"testing"

	"github.com/runecast/runecast/pkg/advisory"
	"github.com/runecast/runecast/pkg/inventory"
)

// TestFixState tells what each form of a row says of the fix.
func TestFixState(t *testing.T) {
	t.Parallel()
	const eol = "Debian: end-of-life"
	for name, c := range map[string]struct {
		row       advisory.Row
		installed string
		state     advisory.FixState
		wontFix   string
	}{
		"fixed":                          {advisory.Row{Ranges: []advisory.Range{parseRange(t, "introduced 0, fixed 2.0.0")}}, "1.0.0", advisory.FixStateFixed, ""},
		"fixed, whoever gave up":         {advisory.Row{Ranges: []advisory.Range{parseRange(t, "introduced 0, fixed 2.0.0")}, WontFix: eol}, "1.0.0", advisory.FixStateFixed, ""},
		"not fixed":                      {advisory.Row{Ranges: []advisory.Range{parseRange(t, "introduced 0")}}, "1.0.0", advisory.FixStateNotFixed, ""},
		"given up":                       {advisory.Row{Ranges: []advisory.Range{parseRange(t, "introduced 0")}, WontFix: eol}, "1.0.0", advisory.FixStateWontFix, eol},
		"last affected":                  {advisory.Row{Ranges: []advisory.Range{parseRange(t, "introduced 0, last 1.5.0")}}, "1.0.0", advisory.FixStateUnknown, ""},
		"listed":                         {advisory.Row{Versions: []string{"1.0.0"}}, "1.0.0", advisory.FixStateUnknown, ""},
		"listed, and open from later on": {advisory.Row{Versions: []string{"1.0.0"}, Ranges: []advisory.Range{parseRange(t, "introduced 2.0.0")}}, "1.0.0", advisory.FixStateUnknown, ""},
		"not certain":                    {advisory.Row{Ranges: []advisory.Range{parseRange(t, "introduced 0, fixed 2.0.0")}, WontFix: eol}, "one", advisory.FixStateUnknown, ""},
		"all versions, of a strange one": {advisory.Row{Ranges: []advisory.Range{parseRange(t, "introduced 0")}}, "one", advisory.FixStateNotFixed, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c.row.Vulnerability = &advisory.Vulnerability{ID: "V"}
			path, _ := write(t, &advisory.Contents{
				Entries:    seq([]advisory.Entry{{Ecosystem: "npm", Name: "p", Rows: []advisory.Row{c.row}}}),
				Advisories: seq([]advisory.Advisory(nil)),
			})
			x := open(t, path)
			if err := x.Verify(t.Context()); err != nil {
				t.Fatal(err)
			}
			m, err := x.Match(t.Context(), inventory.Inventory{Packages: []inventory.Package{{Ecosystem: "npm", Name: "p", Version: c.installed}}})
			if err != nil || len(m.Findings) != 1 {
				t.Fatalf("%d findings, %v", len(m.Findings), err)
			}
			if f := &m.Findings[0]; f.FixState != c.state || f.WontFix != c.wontFix {
				t.Errorf("%s %q, want %s %q", f.FixState, f.WontFix, c.state, c.wontFix)
			}
		})
	}
}
