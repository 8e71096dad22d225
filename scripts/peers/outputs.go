package main

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/package-url/packageurl-go"
)

// look runs a program on an image and gives what it found.
func (p *program) look(ctx context.Context, d dictionary) (findings, error) {
	out, err := p.output(ctx)
	if err != nil {
		return nil, err
	}
	read := map[string]func([]byte, dictionary) (findings, error){runecast: readRunecast, grype: readGrype, osvScanner: readScanner}[p.name]
	found, err := read(out, d)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", p.name, err)
	}
	return found, nil
}

// readRunecast reads what `runecast scan -o json` prints.
func readRunecast(text []byte, d dictionary) (findings, error) {
	var report struct {
		Findings []struct {
			ID      string `json:"id"`
			Package struct {
				Ecosystem string `json:"ecosystem"`
				Name      string `json:"name"`
				Version   string `json:"version"`
				Path      string `json:"path"`
			} `json:"package"`
		} `json:"findings"`
		Unread []string `json:"unread"`
	}
	if err := json.Unmarshal(text, &report); err != nil {
		return nil, err
	}
	if len(report.Unread) > 0 {
		return nil, fmt.Errorf("it could not read all: %s", strings.Join(report.Unread, "; "))
	}
	found := findings{}
	for _, f := range report.Findings {
		ecosystem, _, _ := strings.Cut(f.Package.Ecosystem, ":")
		found.add(d, &finding{ecosystem: ecosystem, name: f.Package.Name, version: f.Package.Version, path: f.Package.Path}, f.ID)
	}
	return found, nil
}

// readGrype reads what `grype -o json` prints.
func readGrype(text []byte, d dictionary) (findings, error) {
	var report struct {
		Matches []struct {
			Vulnerability struct {
				ID string `json:"id"`
			} `json:"vulnerability"`
			Artifact struct {
				Version   string `json:"version"`
				PURL      string `json:"purl"`
				Name      string `json:"name"`
				Type      string `json:"type"`
				Locations []struct {
					Path        string            `json:"path"`
					Annotations map[string]string `json:"annotations"`
				} `json:"locations"`
			} `json:"artifact"`
		} `json:"matches"`
	}
	if err := json.Unmarshal(text, &report); err != nil {
		return nil, err
	}
	found := findings{}
	for _, m := range report.Matches {
		p, err := packageurl.FromString(m.Artifact.PURL)
		if err != nil || ecosystems()[p.Type] == "" {
			return nil, fmt.Errorf("package %s of type %s: its URL %q is not understood (%w)", m.Artifact.Name, m.Artifact.Type, m.Artifact.PURL, err)
		}
		about := finding{ecosystem: ecosystems()[p.Type], name: nameOf(&p), version: m.Artifact.Version}
		for _, l := range m.Artifact.Locations {
			if l.Annotations["evidence"] == "supporting" {
				continue
			}
			about.path = l.Path
			found.add(d, &about, m.Vulnerability.ID)
		}
	}
	return found, nil
}

// readScanner reads what `osv-scanner scan image --format json` prints.
func readScanner(text []byte, d dictionary) (findings, error) {
	var report struct {
		Results []struct {
			Source struct {
				Path string `json:"path"`
			} `json:"source"`
			Packages []struct {
				Package struct {
					Name      string `json:"name"`
					OSName    string `json:"os_package_name"` //nolint:tagliatelle // osv-scanner's name
					Version   string `json:"version"`
					Ecosystem string `json:"ecosystem"`
				} `json:"package"`
				Vulnerabilities []struct {
					ID string `json:"id"`
				} `json:"vulnerabilities"`
			} `json:"packages"`
		} `json:"results"`
	}
	if err := json.Unmarshal(text, &report); err != nil {
		return nil, err
	}
	found := findings{}
	for _, result := range report.Results {
		for _, p := range result.Packages {
			ecosystem, _, _ := strings.Cut(p.Package.Ecosystem, ":")
			about := finding{ecosystem: ecosystem, name: p.Package.Name, version: p.Package.Version, path: result.Source.Path}
			if p.Package.OSName != "" {
				about.name = p.Package.OSName
			}
			for _, v := range p.Vulnerabilities {
				found.add(d, &about, v.ID)
			}
		}
	}
	return found, nil
}

// count gives the number of findings by ecosystem, sorted.
func (f findings) count() []string {
	counts := map[string]int{}
	for one := range f {
		counts[one.ecosystem]++
	}
	var out []string
	for _, ecosystem := range sorted(counts) {
		out = append(out, fmt.Sprintf("%s %d", ecosystem, counts[ecosystem]))
	}
	return slices.Clip(out)
}
