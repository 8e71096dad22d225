package inventory

import "slices"

// Package types, the names that package URLs use for them
// (https://github.com/package-url/purl-spec/blob/main/PURL-TYPES.rst).
const (
	TypeDeb      = "deb"
	TypeAPK      = "apk"
	TypeRPM      = "rpm"
	TypeGolang   = "golang"
	TypeNPM      = "npm"
	TypePyPI     = "pypi"
	TypeGem      = "gem"
	TypeComposer = "composer"
	TypeNuGet    = "nuget"
	TypeMaven    = "maven"
	TypeCargo    = "cargo"
)

// OS is what the image's os-release file says of its distribution. The zero value means that the image has no such file.
type OS struct {
	ID         string `json:"id,omitempty"`         // os-release ID: debian, alpine, …
	VersionID  string `json:"versionId,omitempty"`  // os-release VERSION_ID: 10, 3.19.1; empty for Debian testing
	Codename   string `json:"codename,omitempty"`   // os-release VERSION_CODENAME: buster
	PrettyName string `json:"prettyName,omitempty"` // os-release PRETTY_NAME
}

// Package is one installed package of an image.
type Package struct {
	Type          string `json:"type"`                    // one of the Type constants
	Ecosystem     string `json:"ecosystem,omitempty"`     // OSV's ecosystem with its release: Debian:10, Alpine:v3.19, Go, npm, PyPI, crates.io, RubyGems, Packagist, NuGet, Maven; empty when the distribution is unknown
	Name          string `json:"name"`                    // as installed; for distributions the binary package
	Version       string `json:"version"`                 // as installed; Go module versions without the leading v
	Source        string `json:"source,omitempty"`        // source package, for distributions, where its name differs from Name
	SourceVersion string `json:"sourceVersion,omitempty"` // version of the source package where it differs from Version
	Arch          string `json:"arch,omitempty"`          // as the distribution writes it: amd64, x86_64, all
	Module        string `json:"module,omitempty"`        // module and stream of an rpm that is of one: nodejs:18
	Path          string `json:"path"`                    // file of the image it was found in, without a leading slash
	Layer         string `json:"layer,omitempty"`         // digest of the layer that brought that file
}

// Inventory is what an image contains: its distribution and its packages, as the union of its layers after deletions.
type Inventory struct {
	OS        OS        `json:"os"`
	Packages  []Package `json:"packages"`            // sorted by type, name, version, architecture, path
	Databases []string  `json:"databases,omitempty"` // the package managers' databases that were read, as paths; none: the distribution's packages are not known
	Owned     int       `json:"owned,omitempty"`     // language packages that are not listed, because their files belong to a distribution's package that is
	Unread    []string  `json:"unread,omitempty"`    // where the image must have packages that are not listed, and why: the image cannot be judged as a whole
	Warnings  []string  `json:"warnings,omitempty"`  // what could not be read and why; shown with every report
}

// FromDistribution tells the packages of distributions, which come from one database, from those of languages, which lie where
// Path says.
func (p Package) FromDistribution() bool { //nolint:gocritic // a package is a value; methods on one must not need its address
	return p.Type == TypeDeb || p.Type == TypeAPK || p.Type == TypeRPM
}

// AdvisoryName is the name under which advisories list the package: the source package where there is one, but for Red Hat and
// AlmaLinux, whose advisories name the packages as installed.
func (p Package) AdvisoryName() string { //nolint:gocritic // a package is a value; methods on one must not need its address
	if p.Source != "" && !listsBinaries(p.Ecosystem) {
		return p.Source
	}
	return p.Name
}

// AdvisoryVersion is the version that goes with AdvisoryName.
func (p Package) AdvisoryVersion() string { //nolint:gocritic // a package is a value; methods on one must not need its address
	if p.SourceVersion != "" && !listsBinaries(p.Ecosystem) {
		return p.SourceVersion
	}
	return p.Version
}

// Count gives the number of packages of each type, as sorted types and their counts.
func (i Inventory) Count() (types []string, counts map[string]int) { //nolint:gocritic // an inventory is a value
	counts = map[string]int{}
	for at := range i.Packages {
		counts[i.Packages[at].Type]++
	}
	for t := range counts {
		types = append(types, t)
	}
	slices.Sort(types)
	return types, counts
}
