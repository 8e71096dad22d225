package inventory_test

import (
	"encoding/binary"
	"testing"
)

// TestRPMModule reads of which module's stream a package is.
func TestRPMModule(t *testing.T) {
	t.Parallel()
	for label, want := range map[string]string{"": "", "nodejs:18:9040020240807131341:rhel9": "nodejs:18", "nodejs:18": "nodejs:18", "odd": ""} {
		db := rpmBDB(binary.LittleEndian)(t, rpmPackage{
			name: "nodejs", version: "18.20.4", release: "1.module+el9.4.0+22195+c221878e", arch: "x86_64", source: "nodejs-18.20.4-1.module+el9.4.0+22195+c221878e.src.rpm",
			epoch: 1, module: label,
		})
		inv := mustMerge(t, scanItems(t, text("etc/os-release", "ID=rocky\nVERSION_ID=9.4\n"), text("var/lib/rpm/Packages", db)))
		if len(inv.Packages) != 1 || inv.Packages[0].Module != want || inv.Packages[0].Ecosystem != "Rocky Linux:9" {
			t.Errorf("%q: %+v, want module %q", label, inv.Packages, want)
		}
	}
}
