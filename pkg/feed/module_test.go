package feed_test

import (
	"slices"
	"testing"

	"github.com/runecast/runecast/pkg/feed"
	"github.com/runecast/runecast/pkg/inventory"
)

// TestModules shows that a stream's fixes are told of that stream's packages alone.
func TestModules(t *testing.T) {
	t.Parallel()
	notice := func(id, cve, summary, fixed string) object {
		return record(id, object{"upstream": []string{cve}, "summary": summary}, affected("Rocky Linux:9", "nodejs", "introduced", "0", "fixed", fixed))
	}
	x, _ := build(t, feed.Sources{OSVDir: osvDir(t, map[string][]object{"Rocky Linux": {
		notice("RLSA-2024:0018", "CVE-2024-0018", "Important: nodejs:18 security update", "1:18.20.4-1.module+el9.4.0+1+aa"),
		notice("RLSA-2024:0020", "CVE-2024-0020", "Important: nodejs:20 security update", "1:20.16.0-1.module+el9.4.0+2+bb"),
		notice("RLSA-2024:0021", "CVE-2024-0018", "Important: nodejs:20 security update", "1:20.16.0-1.module+el9.4.0+2+bb"),
		notice("RLSA-2024:0001", "CVE-2024-0001", "Important: security update", "1:21.0.0-1.module+el9.4.0+3+cc"),
		notice("RLSA-2024:0016", "CVE-2024-0016", "Important: nodejs security update", "1:16.20.2-8.el9"),
	}})})
	for name, c := range map[string]struct {
		module, version string
		want            []string
	}{
		"a stream":             {"nodejs:18", "1:18.20.3-1.module+el9.4.0+0+aa", []string{"CVE-2024-0001", "CVE-2024-0018"}},
		"the stream's fix":     {"nodejs:18", "1:18.20.4-1.module+el9.4.0+1+aa", []string{"CVE-2024-0001"}},
		"another stream":       {"nodejs:20", "1:20.1.0-1.module+el9.4.0+0+bb", []string{"CVE-2024-0001", "CVE-2024-0018", "CVE-2024-0020"}},
		"no module":            {"", "1:16.20.2-7.el9", []string{"CVE-2024-0016"}},
		"a module nobody told": {"", "1:18.20.3-1.module+el9.4.0+0+aa", []string{"CVE-2024-0001", "CVE-2024-0018", "CVE-2024-0020"}},
	} {
		m := match(t, x, inventory.Package{Type: inventory.TypeRPM, Ecosystem: "Rocky Linux:9", Name: "nodejs", Version: c.version, Module: c.module})
		var got []string
		for i := range m.Findings {
			got = append(got, m.Findings[i].ID)
		}
		if slices.Sort(got); !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}
