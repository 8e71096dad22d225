package inventory

import (
	"strings"

	"github.com/package-url/packageurl-go"
)

// PURL gives the package URL (https://github.com/package-url/purl-spec): a distribution's package with its architecture and
// release (pkg:deb/debian/bash@5.2?arch=amd64&distro=debian-12), a Go module with the v of its version, Go itself without.
func (p Package) PURL() string { //nolint:gocritic // a package is a value; methods on one must not need its address
	namespace, name, version := "", p.Name, p.Version
	var qualifiers packageurl.Qualifiers
	switch p.Type {
	case TypeDeb, TypeAPK, TypeRPM:
		var distro string
		if epoch, rest, ok := strings.Cut(version, ":"); ok && p.Type == TypeRPM {
			version = rest
			qualifiers = append(qualifiers, packageurl.Qualifier{Key: "epoch", Value: epoch})
		}
		namespace, distro = distroOf(p.Ecosystem)
		if p.Arch != "" {
			qualifiers = append(qualifiers, packageurl.Qualifier{Key: "arch", Value: p.Arch})
		}
		if distro != "" {
			qualifiers = append(qualifiers, packageurl.Qualifier{Key: "distro", Value: distro})
		}
	case TypeGolang:
		if p.Name != stdlib && version != "" {
			version = "v" + version
		}
		namespace, name = splitLast(name)
	case TypeNPM, TypeComposer:
		namespace, name = splitLast(name)
	case TypeMaven:
		namespace, name, _ = strings.Cut(name, ":")
	case TypePyPI:
		name = strings.ReplaceAll(strings.ToLower(name), "_", "-")
	}
	u := packageurl.NewPackageURL(p.Type, namespace, name, version, qualifiers, "")
	return u.ToString()
}

// distroOf gives the namespace and the distro qualifier of an ecosystem: Ubuntu:22.04:LTS is ubuntu and ubuntu-22.04.
func distroOf(ecosystem string) (namespace, distro string) {
	name, release, _ := strings.Cut(ecosystem, ":")
	release, _, _ = strings.Cut(release, ":")
	namespace = strings.ReplaceAll(strings.ToLower(name), " ", "-")
	if release == "" {
		return namespace, namespace
	}
	return namespace, namespace + "-" + strings.TrimPrefix(release, "v")
}

func splitLast(name string) (before, last string) {
	i := strings.LastIndexByte(name, '/')
	return name[:max(i, 0)], name[i+1:]
}
