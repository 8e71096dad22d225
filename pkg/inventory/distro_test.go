package inventory_test

import (
	"encoding/binary"
	"strings"
	"testing"
)

func TestRPMEcosystems(t *testing.T) {
	t.Parallel()
	db := rpmBDB(binary.LittleEndian)(t, rpmSamples()[1])
	for os, want := range map[string]string{
		"ID=\"rhel\"\nVERSION_ID=\"9.4\"\n":                                           "Red Hat:9 openssl-libs",
		"ID=rocky\nVERSION_ID=8.10\n":                                                 "Rocky Linux:8 openssl",
		"ID=almalinux\nVERSION_ID=9.3\n":                                              "AlmaLinux:9 openssl-libs",
		"ID=sles\nVERSION_ID=15.5\n":                                                  "SUSE:15.5 openssl",
		"ID=sles\nVERSION_ID=15\n":                                                    "SUSE:15.0 openssl",
		"ID=opensuse-leap\nVERSION_ID=15.6\n":                                         "openSUSE:Leap 15.6 openssl",
		"ID=opensuse-tumbleweed\nVERSION_ID=20240101\n":                               "openSUSE:Tumbleweed openssl",
		"ID=mariner\nVERSION_ID=2.0\n":                                                "Azure Linux:2 openssl",
		"ID=azurelinux\nVERSION_ID=3.0\n":                                             "Azure Linux:3 openssl",
		"ID=mageia\nVERSION_ID=9\n":                                                   "Mageia:9 openssl",
		"ID=photon\nVERSION_ID=5.0\n":                                                 "Photon OS:5.0 openssl",
		"ID=openEuler\nVERSION_ID=22.03\nPRETTY_NAME=\"openEuler 22.03 (LTS-SP1)\"\n": "openEuler:22.03-LTS-SP1 openssl",
		"ID=amzn\nVERSION_ID=2023\n":                                                  `OSV has no advisories of the distribution "amzn"`,
		"ID=ol\nVERSION_ID=9.4\n":                                                     `OSV has no advisories of the distribution "ol"`,
		"ID=fedora\nVERSION_ID=40\n":                                                  `OSV has no advisories of the distribution "fedora"`,
		"ID=centos\nVERSION_ID=9\n":                                                   `OSV has no advisories of the distribution "centos"`,
		"ID=novel\nVERSION_ID=9\n":                                                    `the distribution "novel" is not known`,
		"ID=rhel\n":                                                                   `the distribution "rhel" has no release that is known (VERSION_ID "")`,
	} {
		inv := mustMerge(t, scanItems(t, text("etc/os-release", os), text("var/lib/rpm/Packages", db)))
		got := strings.Join(inv.Warnings, "|")
		if p := inv.Packages[0]; p.Ecosystem != "" {
			got = p.Ecosystem + " " + p.AdvisoryName()
		}
		if got != want && got != want+": the vulnerabilities of its packages are not known" {
			t.Errorf("%q is %s, want %s", os, got, want)
		}
	}
}
