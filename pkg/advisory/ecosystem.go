package advisory

import (
	"regexp"
	"strings"
)

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
		return "SUSE:" + m[1] + "." + orZero(m[2]+m[3])
	case "Azure Linux":
		major, _, _ := strings.Cut(release, ".")
		return "Azure Linux:" + major
	}
	return ecosystem
}

func orZero(number string) string {
	if number == "" {
		return "0"
	}
	return number
}
