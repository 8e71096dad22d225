package advisory

import (
	"fmt"
	"strings"
)

// rpmEcosystem is the name by which the comparison knows rpm's rules.
const rpmEcosystem = "Red Hat"

// isRPM tells the ecosystems whose versions are rpm's.
func isRPM(base string) bool {
	switch base {
	case "Red Hat", "Rocky Linux", "AlmaLinux", "SUSE", "openSUSE", "openEuler", "Mageia", "Azure Linux", "Photon OS":
		return true
	}
	return false
}

// checkRPM tells what is wrong with [epoch:]version[-release]: an epoch is a number, and rpm takes letters, digits and ._+~^ in the
// others (https://rpm-software-management.github.io/rpm/man/rpm-version.7). No epoch is one of 0.
func checkRPM(_, version string) (normal, reason string) {
	if len(version) > maxVersionLength {
		return "", fmt.Sprintf("it has more than %d bytes", maxVersionLength)
	}
	rest := version
	if epoch, after, ok := strings.Cut(version, ":"); ok {
		if epoch == "" || strings.ContainsFunc(epoch, notDigit) {
			return "", "its epoch is no number"
		}
		rest = after
	}
	number, release, hasRelease := strings.Cut(rest, "-")
	switch {
	case number == "" || hasRelease && release == "":
		return "", "it has an empty part"
	case strings.ContainsFunc(number+release, func(r rune) bool {
		return (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && !strings.ContainsRune("._+~^", r)
	}):
		return "", "it has a character that rpm does not allow"
	}
	return version, ""
}
