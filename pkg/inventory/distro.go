package inventory

import (
	"regexp"
	"strconv"
	"strings"
)

// isUnlisted tells the distributions that are known and of which OSV has no advisories
// (https://ossf.github.io/osv-schema/#defined-ecosystems): CentOS, Stream or not, is not Red Hat Enterprise Linux, and its builds are
// not those that Red Hat's advisories list.
func isUnlisted(id string) bool {
	switch id {
	case "amzn", "ol", "fedora", "centos", "virtuozzo", "scientific", "eurolinux", "openmandriva", "altlinux", "arch":
		return true
	}
	return false
}

// openEulerRelease finds what follows the version in openEuler's PRETTY_NAME: openEuler 22.03 (LTS-SP1).
var openEulerRelease = regexp.MustCompile(`\(([A-Z0-9-]+)\)`)

// rpmReleased gives the ecosystem of an rpm distribution; empty for a release that cannot be told. Red Hat and SUSE name products in
// OSV, several of which one image draws from: the feed brings them together under the release, by advisory.ReleaseEcosystem.
func rpmReleased(os OS) string {
	major, minor, _ := strings.Cut(os.VersionID, ".")
	if os.ID == "opensuse-tumbleweed" {
		return "openSUSE:Tumbleweed"
	}
	if _, err := strconv.Atoi(major); err != nil {
		return ""
	}
	switch os.ID {
	case "rhel":
		return "Red Hat:" + major
	case "rocky":
		return "Rocky Linux:" + major
	case "almalinux":
		return "AlmaLinux:" + major
	case "azurelinux", "mariner":
		return "Azure Linux:" + major
	case "mageia":
		return "Mageia:" + major
	case "photon":
		return "Photon OS:" + major + "." + zeroIfNone(minor)
	case "opensuse-leap":
		return "openSUSE:Leap " + os.VersionID
	case "openeuler":
		if m := openEulerRelease.FindStringSubmatch(os.PrettyName); m != nil {
			return "openEuler:" + os.VersionID + "-" + m[1]
		}
		return "openEuler:" + os.VersionID
	default:
		return "SUSE:" + major + "." + zeroIfNone(minor)
	}
}

func zeroIfNone(number string) string {
	if number == "" {
		return "0"
	}
	return number
}

// listsBinaries tells whether an ecosystem's advisories name the packages as installed; all other distributions' name their sources.
func listsBinaries(ecosystem string) bool {
	base, _, _ := strings.Cut(ecosystem, ":")
	return base == "Red Hat" || base == "AlmaLinux"
}
