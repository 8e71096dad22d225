package inventory_test

import (
	"testing"

	"github.com/runecast/runecast/pkg/inventory"
)

func TestPURL(t *testing.T) {
	t.Parallel()
	for want, p := range map[string]inventory.Package{
		"pkg:deb/debian/libssl1.1@1.1.1d-0%2Bdeb10u6?arch=amd64&distro=debian-10": {Type: "deb", Ecosystem: "Debian:10", Name: "libssl1.1", Version: "1.1.1d-0+deb10u6", Arch: "amd64"},
		"pkg:deb/ubuntu/bash@5.1-6ubuntu1?arch=amd64&distro=ubuntu-22.04":         {Type: "deb", Ecosystem: "Ubuntu:22.04:LTS", Name: "bash", Version: "5.1-6ubuntu1", Arch: "amd64"},
		"pkg:apk/alpine/musl@1.2.4-r2?arch=x86_64&distro=alpine-3.19":             {Type: "apk", Ecosystem: "Alpine:v3.19", Name: "musl", Version: "1.2.4-r2", Arch: "x86_64"},
		"pkg:apk/wolfi/bash@5.2-r0?distro=wolfi":                                  {Type: "apk", Ecosystem: "Wolfi", Name: "bash", Version: "5.2-r0"},
		"pkg:deb/bash@5.2?arch=all":                                               {Type: "deb", Name: "bash", Version: "5.2", Arch: "all"},
		"pkg:golang/golang.org/x/net@v0.1.0":                                      {Type: "golang", Ecosystem: "Go", Name: "golang.org/x/net", Version: "0.1.0"},
		"pkg:golang/stdlib@1.22.3":                                                {Type: "golang", Ecosystem: "Go", Name: "stdlib", Version: "1.22.3"},
		"pkg:npm/%40babel/core@7.0.0":                                             {Type: "npm", Ecosystem: "npm", Name: "@babel/core", Version: "7.0.0"},
		"pkg:npm/left-pad@1.3.0":                                                  {Type: "npm", Ecosystem: "npm", Name: "left-pad", Version: "1.3.0"},
		"pkg:pypi/django-rest@3.2.1":                                              {Type: "pypi", Ecosystem: "PyPI", Name: "Django_Rest", Version: "3.2.1"},
	} {
		if got := p.PURL(); got != want {
			t.Errorf("package URL of %s is %s, want %s", p.Name, got, want)
		}
	}
}

func TestInventoryCount(t *testing.T) {
	t.Parallel()
	inv := inventory.Inventory{Packages: []inventory.Package{{Type: "npm"}, {Type: "deb"}, {Type: "npm"}}}
	types, counts := inv.Count()
	if len(types) != 2 || types[0] != "deb" || counts["npm"] != 2 {
		t.Errorf("counts are %v %v", types, counts)
	}
}
