package main

import (
	"strings"

	"github.com/package-url/packageurl-go"

	"github.com/runecast/runecast/pkg/advisory"
)

// finding is one vulnerability of one installed package, in words that all programs share.
type finding struct {
	ecosystem     string // OSV's, without a release: Debian, Go, npm
	name          string // of the package, as the ecosystem's advisories spell it; for distributions the package that is installed
	version       string // without what programs put before it: v1.2.3 and go1.2.3 are 1.2.3
	vulnerability string // CVE, else the first id of those that stand for it
	path          string // file that told of the package, without a leading slash; empty for a distribution's packages
}

// findings are those of one program about one image.
type findings map[finding]bool

// add notes a package's vulnerability under each of the names that a record's id stands for.
func (f findings) add(d dictionary, about *finding, id string) {
	one := about.normal()
	for _, one.vulnerability = range d.names(id) {
		f[one] = true
	}
}

// normal spells a finding as all programs' are.
func (f *finding) normal() finding {
	one := *f
	one.name = advisory.NormalizeName(one.ecosystem, one.name)
	one.path = strings.TrimPrefix(one.path, "/")
	switch one.ecosystem {
	case "Debian", "Alpine":
		one.path = ""
	case "Packagist":
		one.version = strings.TrimPrefix(one.version, "v")
	case "Go":
		one.version = strings.TrimPrefix(strings.TrimPrefix(one.version, "v"), "go")
	}
	return one
}

// ecosystems gives OSV's name of the ecosystem for a type of package URLs, where any program has findings of it.
func ecosystems() map[string]string {
	return map[string]string{
		packageurl.TypeDebian: "Debian", packageurl.TypeApk: "Alpine", packageurl.TypeGolang: "Go", packageurl.TypeNPM: "npm",
		packageurl.TypePyPi: "PyPI", packageurl.TypeGem: "RubyGems", packageurl.TypeMaven: "Maven", packageurl.TypeNuget: "NuGet",
		packageurl.TypeComposer: "Packagist", packageurl.TypeCargo: "crates.io",
	}
}

// nameOf gives the name that advisories have for what a package URL names.
func nameOf(p *packageurl.PackageURL) string {
	switch {
	case p.Type == packageurl.TypeDebian, p.Type == packageurl.TypeApk, p.Namespace == "":
		return p.Name
	case p.Type == packageurl.TypeMaven:
		return p.Namespace + ":" + p.Name
	default:
		return p.Namespace + "/" + p.Name
	}
}
