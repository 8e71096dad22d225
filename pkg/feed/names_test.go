package feed_test

import (
	"testing"

	"github.com/runecast/runecast/pkg/feed"
	"github.com/runecast/runecast/pkg/inventory"
)

// TestNamesOfDistributions takes records in the form of each distribution's export, which names a release and a package in its own
// way, to the package of an image of it. AlmaLinux and Red Hat name packages as installed, all others their sources; AlmaLinux
// calls the CVEs that it fixes related, where others name them as aliases or upstream.
func TestNamesOfDistributions(t *testing.T) {
	t.Parallel()
	cves := []string{"CVE-2024-0001"}
	for export, c := range map[string]struct {
		release, id, field, listed, fixed string
		installed                         inventory.Package
	}{
		"Rocky Linux": {"Rocky Linux:9", "RLSA-2024:0001", "upstream", "libxml2", "0:2.9.13-6.el9", inventory.Package{Ecosystem: "Rocky Linux:9", Name: "python3-libxml2", Source: "libxml2", Version: "2.9.13-5.el9"}},
		"AlmaLinux":   {"AlmaLinux:9", "ALSA-2024:0001", "related", "python3-libxml2", "2.9.13-6.el9", inventory.Package{Ecosystem: "AlmaLinux:9", Name: "python3-libxml2", Source: "libxml2", Version: "2.9.13-5.el9"}},
		"SUSE":        {"SUSE:Linux Enterprise Server 15 SP5", "SUSE-SU-2024:0001-1", "related", "libxml2", "2.10.3-2", inventory.Package{Ecosystem: "SUSE:15.5", Name: "libxml2-2", Source: "libxml2", Version: "2.10.3-1"}},
		"openSUSE":    {"openSUSE:Leap 15.5", "openSUSE-SU-2024:0001-1", "upstream", "libxml2", "2.10.3-2", inventory.Package{Ecosystem: "openSUSE:Leap 15.5", Name: "libxml2-2", Source: "libxml2", Version: "2.10.3-1"}},
		"openEuler":   {"openEuler:24.03-LTS", "OESA-2024-1001", "upstream", "libxml2", "2.11.5-2.oe2403", inventory.Package{Ecosystem: "openEuler:24.03-LTS", Name: "python3-libxml2", Source: "libxml2", Version: "2.11.5-1.oe2403"}},
		"Mageia":      {"Mageia:9", "MGASA-2024-0001", "upstream", "libxml2", "2.10.4-2.mga9", inventory.Package{Ecosystem: "Mageia:9", Name: "lib64xml2_2", Source: "libxml2", Version: "2.10.4-1.mga9"}},
		"Azure Linux": {"Azure Linux:3", "AZL-40001", "upstream", "libxml2", "2.11.5-2", inventory.Package{Ecosystem: "Azure Linux:3", Name: "libxml2-devel", Source: "libxml2", Version: "2.11.5-1.azl3"}},
		"Photon OS":   {"Photon OS:5.0", "PHSA-2024-5.0-0001", "upstream", "libxml2", "2.9.14-9.ph5", inventory.Package{Ecosystem: "Photon OS:5.0", Name: "libxml2-python3", Source: "libxml2", Version: "2.9.14-8.ph5"}},
		"Wolfi":       {"Wolfi", "CGA-aaaa-bbbb-cccc", "upstream", "libxml2", "2.12.5-r0", inventory.Package{Ecosystem: "Wolfi", Name: "libxml2-dev", Source: "libxml2", Version: "2.12.4-r0"}},
		"Chainguard":  {"Chainguard", "CGA-aaaa-bbbb-cccc", "upstream", "libxml2", "2.12.5-r0", inventory.Package{Ecosystem: "Chainguard", Name: "libxml2-dev", Source: "libxml2", Version: "2.12.4-r0"}},
		"Ubuntu":      {"Ubuntu:22.04:LTS", "UBUNTU-CVE-2024-0001", "upstream", "libxml2", "2.9.13+dfsg-1ubuntu0.4", inventory.Package{Ecosystem: "Ubuntu:22.04:LTS", Name: "libxml2-utils", Source: "libxml2", Version: "2.9.13+dfsg-1ubuntu0.3"}},
	} {
		t.Run(export, func(t *testing.T) {
			t.Parallel()
			x, _ := build(t, feed.Sources{OSVDir: osvDir(t, map[string][]object{
				export: {record(c.id, object{c.field: cves}, affected(c.release, c.listed, "introduced", "0", "fixed", c.fixed))},
			})})
			mended := c.installed
			mended.Version = c.fixed
			m := match(t, x, c.installed, mended)
			if len(m.Findings) != 1 || m.Findings[0].ID != "CVE-2024-0001" || m.Findings[0].Package.Version != c.installed.Version || m.Findings[0].FixedVersion != c.fixed {
				t.Errorf("findings %+v", m.Findings)
			}
		})
	}
}
