package inventory

import (
	"fmt"
	"strconv"
	"strings"
)

// typeOf gives a kind's package type and, where that does not depend on the distribution, its ecosystem.
func typeOf(kind fileKind) (packageType, ecosystem string) {
	switch kind {
	case kindDpkg, kindDpkgPart:
		return TypeDeb, ""
	case kindAPK:
		return TypeAPK, ""
	case kindRPM, kindManifest:
		return TypeRPM, ""
	case kindGo:
		return TypeGolang, "Go"
	case kindRust:
		return TypeCargo, "crates.io"
	case kindNPM:
		return TypeNPM, "npm"
	case kindGem:
		return TypeGem, "RubyGems"
	case kindComposer:
		return TypeComposer, "Packagist"
	case kindJava:
		return TypeMaven, "Maven"
	case kindDotnet, kindBundle:
		return TypeNuGet, "NuGet"
	default:
		return TypePyPI, "PyPI"
	}
}

// ecosystemOf gives the ecosystem of a distribution's packages as OSV writes it, with the release where OSV has releases
// (https://ossf.github.io/osv-schema/#affectedpackage-field). Without one, reason says why: matching against another release
// or against none would be wrong in either direction.
func ecosystemOf(os OS, kind fileKind) (ecosystem, reason string) {
	packageType, _ := typeOf(kind)
	switch of := packageTypes()[os.ID]; {
	case os.ID == "":
		return "", "the image has packages of type " + packageType + ", but its os-release names no distribution"
	case of != "" && of != packageType:
		return "", fmt.Sprintf("the image has packages of type %s, which are not of its distribution %q", packageType, os.ID)
	}
	return os.Ecosystem()
}

// packageTypes are the distributions of which OSV has advisories, by their IDs in os-release, and the types of their packages.
func packageTypes() map[string]string {
	return map[string]string{
		"debian": TypeDeb, "ubuntu": TypeDeb,
		"rhel": TypeRPM, "rocky": TypeRPM, "almalinux": TypeRPM, "sles": TypeRPM, "sled": TypeRPM, "sles_sap": TypeRPM, "sle_hpc": TypeRPM,
		"opensuse-leap": TypeRPM, "opensuse-tumbleweed": TypeRPM, "azurelinux": TypeRPM, "mariner": TypeRPM, "openeuler": TypeRPM,
		"mageia": TypeRPM, "photon": TypeRPM,
		"alpine": TypeAPK, "wolfi": TypeAPK, "chainguard": TypeAPK, "minimos": TypeAPK, "alpaquita": TypeAPK, "bellsoft-hardened-containers": TypeAPK,
	}
}

// Known tells whether the distribution is one that this program knows, be it to say that OSV has no advisories of it.
func (os OS) Known() bool { return packageTypes()[os.ID] != "" || isUnlisted(os.ID) }

// Ecosystem gives OSV's ecosystem of the distribution's packages, with the release where OSV has releases. Without one, reason says
// why. Both are empty for an image without a distribution.
func (os OS) Ecosystem() (ecosystem, reason string) {
	packageType := packageTypes()[os.ID]
	switch {
	case os.ID == "":
		return "", ""
	case isUnlisted(os.ID):
		return "", fmt.Sprintf("OSV has no advisories of the distribution %q", os.ID)
	case packageType == "":
		return "", fmt.Sprintf("the distribution %q is not known", os.ID)
	}
	switch os.ID {
	case "wolfi":
		return "Wolfi", ""
	case "chainguard":
		return "Chainguard", ""
	case "minimos":
		return "MinimOS", ""
	}
	if packageType == TypeRPM {
		ecosystem = rpmReleased(os)
	} else {
		ecosystem = released(os)
	}
	if ecosystem == "" {
		return "", fmt.Sprintf("the distribution %q has no release that is known (VERSION_ID %q)", os.ID, os.VersionID)
	}
	return ecosystem, ""
}

// released gives the ecosystem of a distribution that has releases; empty for a release that cannot be told, such as
// Debian's testing, which has no VERSION_ID, and Alpine's edge, which has one like 3.23_alpha20250612.
func released(os OS) string {
	major, minor, _ := strings.Cut(os.VersionID, ".")
	minor, _, _ = strings.Cut(minor, ".")
	number, err := strconv.Atoi(major)
	_, minorErr := strconv.Atoi(minor)
	switch {
	case os.ID == "alpaquita" && os.VersionID != "":
		return "Alpaquita:" + os.VersionID
	case os.ID == "bellsoft-hardened-containers" && os.VersionID != "":
		return "BellSoft Hardened Containers:" + os.VersionID
	case err != nil:
		return ""
	case os.ID == "debian":
		return "Debian:" + major
	case minorErr != nil:
		return ""
	case os.ID == "alpine":
		return "Alpine:v" + major + "." + minor
	case os.ID == "ubuntu" && number%2 == 0 && minor == "04": // https://ubuntu.com/about/release-cycle
		return "Ubuntu:" + major + "." + minor + ":LTS"
	case os.ID == "ubuntu":
		return "Ubuntu:" + major + "." + minor
	}
	return ""
}
