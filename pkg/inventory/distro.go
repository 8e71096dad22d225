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
// OSV, several of which one image draws from: the feed brings them together under the release, by ReleaseEcosystem.
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

// redHatProduct are the products of Red Hat's whose packages an image of a release has: the release itself and what is paid for after
// its end. Streams of minor releases (rhel_eus, rhel_aus, …) have builds of their own, which are left out.
var redHatProduct = regexp.MustCompile(`^(?:enterprise_linux|rhel_els):([0-9]+)(?:\.[0-9]+)?(?::.*)?$`)

// suseProduct are SUSE Linux Enterprise's products and modules with their release, and what is paid for after its end: Linux Enterprise
// Module for Basesystem 15 SP5, Linux Enterprise Server 15 SP3-LTSS, Linux Enterprise Server 16.0.
var suseProduct = regexp.MustCompile(`^Linux Enterprise .*?\b([0-9]+)(?: SP([0-9]+)|\.([0-9]+))?(?:-[A-Z0-9]+)?$`)

// ReleaseEcosystem gives the ecosystem under which packages of an image look for what OSV lists under one: the same, but for Red Hat and
// SUSE, whose advisories name products (Red Hat:enterprise_linux:9::appstream is Red Hat:9; SUSE:Linux Enterprise Module for
// Basesystem 15 SP5 is SUSE:15.5), and the forms in which other feeds write a release. Empty is a product that no image is told to be of.
func ReleaseEcosystem(ecosystem string) string {
	base, release, _ := strings.Cut(ecosystem, ":")
	switch base {
	case "Red Hat":
		if m := redHatProduct.FindStringSubmatch(release); m != nil {
			return "Red Hat:" + m[1]
		}
		return ""
	case "SUSE":
		m := suseProduct.FindStringSubmatch(release)
		if m == nil || strings.Contains(release, " Micro ") {
			return ""
		}
		return "SUSE:" + m[1] + "." + zeroIfNone(m[2]+m[3])
	case "Azure Linux":
		major, _, _ := strings.Cut(release, ".")
		return "Azure Linux:" + major
	}
	return ecosystem
}

// listsBinaries tells whether an ecosystem's advisories name the packages as installed; all other distributions' name their sources.
func listsBinaries(ecosystem string) bool {
	base, _, _ := strings.Cut(ecosystem, ":")
	return base == "Red Hat" || base == "AlmaLinux"
}
