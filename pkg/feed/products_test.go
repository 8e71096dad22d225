package feed_test

import (
	"testing"

	"github.com/runecast/runecast/pkg/advisory"
	"github.com/runecast/runecast/pkg/feed"
	"github.com/runecast/runecast/pkg/inventory"
)

// TestProducts brings what Red Hat and SUSE say of their products to the packages of images of a release.
func TestProducts(t *testing.T) {
	t.Parallel()
	x, _ := build(t, feed.Sources{OSVDir: osvDir(t, map[string][]object{
		"Red Hat": {
			record("RHSA-2024:0001", object{"upstream": []string{"CVE-2024-0001"}},
				affected("Red Hat:enterprise_linux:9::appstream", "openssl-libs", "introduced", "0", "fixed", "1:3.0.7-25.el9"),
				affected("Red Hat:enterprise_linux:9::baseos", "openssl-libs", "introduced", "0", "fixed", "1:3.0.7-25.el9")),
			record("RHSA-2024:0002", object{"upstream": []string{"CVE-2024-0002"}},
				affected("Red Hat:rhel_eus:9.0::baseos", "openssl-libs", "introduced", "0", "fixed", "1:9-1")),
		},
		"SUSE": {record("SUSE-SU-2024:0001-1", object{"upstream": []string{"CVE-2024-0003"}},
			affected("SUSE:Linux Enterprise Module for Basesystem 15 SP5", "openssl", "introduced", "0", "fixed", "1.1.1w-1"))},
	})})
	rhel := inventory.Package{Type: inventory.TypeRPM, Ecosystem: "Red Hat:9", Name: "openssl-libs", Version: "1:3.0.7-24.el9", Source: "openssl"}
	fixed := rhel
	fixed.Version = "1:3.0.7-25.el9"
	suse := inventory.Package{Type: inventory.TypeRPM, Ecosystem: "SUSE:15.5", Name: "libopenssl1_1", Version: "1.1.1l-150500.1", Source: "openssl"}
	m := match(t, x, rhel, fixed, suse, inventory.Package{Type: inventory.TypeRPM, Ecosystem: "Red Hat:8", Name: "openssl-libs", Version: "1-1"})
	var got []string
	for i := range m.Findings {
		f := &m.Findings[i]
		got = append(got, f.ID+" "+f.Package.Version+" "+f.FixedVersion+f.Uncertain)
	}
	if len(got) != 2 || got[0] != "CVE-2024-0001 1:3.0.7-24.el9 1:3.0.7-25.el9" || got[1] != "CVE-2024-0003 1.1.1l-150500.1 1.1.1w-1" {
		t.Errorf("findings %q", got)
	}
	if len(m.Uncovered) != 1 || m.Uncovered[0] != (advisory.Uncovered{Ecosystem: "Red Hat:8", Packages: 1}) {
		t.Errorf("uncovered %+v", m.Uncovered)
	}
}
