package main

import (
	"fmt"
	"strings"

	v6 "github.com/anchore/grype/grype/db/v6"
	"github.com/anchore/grype/grype/db/v6/name"
	"github.com/anchore/syft/syft/pkg"
)

// batchSize is the number of records that are written in one go.
const batchSize = 500

// batch gathers what is to be written.
type batch struct {
	writer        v6.ReadWriter
	provider      *v6.Provider
	vulns         []*v6.VulnerabilityHandle
	packages      [][]*v6.AffectedPackageHandle // of each of vulns
	records, rows int
}

func (b *batch) add(r *record) error {
	var packages []*v6.AffectedPackageHandle
	for i := range r.Affected {
		if p := affectedPackage(&r.Affected[i], r.cves()); p != nil {
			packages = append(packages, p)
		}
	}
	if len(packages) == 0 {
		return nil
	}
	b.vulns = append(b.vulns, &v6.VulnerabilityHandle{
		Name: r.ID, Status: v6.VulnerabilityActive, ProviderID: b.provider.ID, Provider: b.provider,
		BlobValue: &v6.VulnerabilityBlob{ID: r.ID, Description: r.Summary, Aliases: append(r.Aliases, r.Upstream...)},
	})
	b.packages = append(b.packages, packages)
	b.records++
	b.rows += len(packages)
	if len(b.vulns) < batchSize {
		return nil
	}
	return b.flush()
}

func (r *record) cves() (cves []string) {
	for _, id := range append(append([]string{r.ID}, r.Aliases...), r.Upstream...) {
		if strings.HasPrefix(id, "CVE-") {
			cves = append(cves, id)
		}
	}
	return cves
}

func (b *batch) flush() error {
	if err := b.writer.AddVulnerabilities(b.vulns...); err != nil {
		return fmt.Errorf("write vulnerabilities: %w", err)
	}
	var all []*v6.AffectedPackageHandle
	for i, packages := range b.packages {
		for _, p := range packages {
			p.VulnerabilityID = b.vulns[i].ID
			all = append(all, p)
		}
	}
	for len(all) > 0 {
		n := min(batchSize, len(all))
		if err := b.writer.AddAffectedPackages(all[:n]...); err != nil {
			return fmt.Errorf("write affected packages: %w", err)
		}
		all = all[n:]
	}
	b.vulns, b.packages = nil, nil
	return nil
}

// affectedPackage gives nil for ecosystems that Grype has no matcher for.
func affectedPackage(a *affected, cves []string) *v6.AffectedPackageHandle {
	ecosystem, release, _ := strings.Cut(a.Package.Ecosystem, ":")
	kind, ok := map[string]struct{ pkg, version string }{
		"Debian": {"deb", "dpkg"}, "Alpine": {"apk", "apk"}, "Go": {"go-module", "go"}, "PyPI": {"python", "python"},
		"RubyGems": {"gem", "gem"}, "crates.io": {"rust-crate", "semantic"}, "npm": {"npm", "semantic"},
		"Maven": {"java-archive", "maven"}, "NuGet": {"dotnet", "nuget"}, "Packagist": {"php-composer", "composer"},
	}[ecosystem]
	constraints := a.constraints()
	if !ok || len(constraints) == 0 {
		return nil
	}
	blob := &v6.PackageBlob{CVEs: cves}
	for _, c := range constraints {
		fix := &v6.Fix{State: v6.NotFixedStatus}
		if c.fixed != "" {
			fix = &v6.Fix{State: v6.FixedStatus, Version: c.fixed}
		}
		blob.Ranges = append(blob.Ranges, v6.Range{Version: v6.Version{Type: kind.version, Constraint: c.versions}, Fix: fix})
	}
	p := &v6.AffectedPackageHandle{Package: &v6.Package{Ecosystem: kind.pkg, Name: name.Normalize(a.Package.Name, pkg.Type(kind.pkg))}, BlobValue: blob}
	if ecosystem == "Debian" || ecosystem == "Alpine" {
		if release == "" {
			return nil // advisories without a release match no image
		}
		major, minor, _ := strings.Cut(strings.TrimPrefix(release, "v"), ".")
		p.OperatingSystem = &v6.OperatingSystem{
			Name: strings.ToLower(ecosystem), ReleaseID: strings.ToLower(ecosystem), MajorVersion: major, MinorVersion: minor,
			Codename: map[string]string{"8": "jessie", "9": "stretch", "10": "buster", "11": "bullseye", "12": "bookworm", "13": "trixie"}[major+minor], // Grype asks for both; Alpine has none
		}
	}
	return p
}
