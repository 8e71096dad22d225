package advisory_test

import (
	"testing"

	"github.com/runecast/runecast/pkg/advisory"
)

func TestReleaseEcosystem(t *testing.T) {
	t.Parallel()
	for from, want := range map[string]string{
		"Red Hat:enterprise_linux:9::appstream":                 "Red Hat:9",
		"Red Hat:enterprise_linux:10.0":                         "Red Hat:10",
		"Red Hat:rhel_els:7":                                    "Red Hat:7",
		"Red Hat:rhel_eus:9.2::baseos":                          "",
		"Red Hat:openshift:4.12::el8":                           "",
		"Red Hat":                                               "",
		"SUSE:Linux Enterprise Server 15 SP5":                   "SUSE:15.5",
		"SUSE:Linux Enterprise Server 15 SP3-LTSS":              "SUSE:15.3",
		"SUSE:Linux Enterprise Module for Basesystem 15 SP5":    "SUSE:15.5",
		"SUSE:Linux Enterprise Module for Web and Scripting 15": "SUSE:15.0",
		"SUSE:Linux Enterprise Server 16.0":                     "SUSE:16.0",
		"SUSE:Linux Enterprise Micro 5.3":                       "",
		"SUSE:Manager Server 4.3":                               "",
		"Azure Linux:3.0":                                       "Azure Linux:3",
		"Rocky Linux:9":                                         "Rocky Linux:9",
		"openSUSE:Leap 15.5":                                    "openSUSE:Leap 15.5",
		"npm":                                                   "npm",
	} {
		if got := advisory.ReleaseEcosystem(from); got != want {
			t.Errorf("%s is %q, want %q", from, got, want)
		}
	}
}
