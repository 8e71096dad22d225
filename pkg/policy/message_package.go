package policy

import (
	"fmt"
	"slices"
	"strings"

	"github.com/google/osv-scalibr/semantic"

	"github.com/runecast/runecast/pkg/advisory"
)

// packageGroup is one installed package with its findings, worst first.
type packageGroup struct {
	findings []*advisory.Finding
	paths    []string // where the image has it; empty for distributions' packages, whose database names no place of interest
}

// groupByPackage gathers violations so that a developer sees which package to update to what. Groups are in the order of their
// worst violation. The same package at several paths is one group, each vulnerability of it is listed once.
func groupByPackage(violations []Violation) []packageGroup {
	type key struct{ kind, ecosystem, name, version string }
	var out []packageGroup
	at := map[key]int{}
	for i := range violations {
		f := violations[i].Finding
		k := key{f.Package.Type, f.Package.Ecosystem, f.Package.Name, f.Package.Version}
		g, ok := at[k]
		if !ok {
			g = len(out)
			at[k] = g
			out = append(out, packageGroup{})
		}
		if path := f.Package.Path; !f.Package.FromDistribution() && path != "" && !slices.Contains(out[g].paths, path) {
			out[g].paths = append(out[g].paths, path)
		}
		if !slices.ContainsFunc(out[g].findings, func(other *advisory.Finding) bool { return other.ID == f.ID }) {
			out[g].findings = append(out[g].findings, f)
		}
	}
	return out
}

// where is (usr/bin/app), or (usr/bin/app and 2 more places): which program or directory to rebuild.
func (g *packageGroup) where() string {
	if len(g.paths) == 0 {
		return ""
	}
	text := "  (" + clean(g.paths[0], maxName)
	if more := len(g.paths) - 1; more > 0 {
		text += " and " + plural(more, "more place")
	}
	return text + ")"
}

// line is libssl1.1 1.1.1d-0+deb10u6 → 1.1.1d-0+deb10u7  CVE-2021-3711 critical.
func (g *packageGroup) line() string {
	p := &g.findings[0].Package
	buf := appendClean(nil, p.Name, maxField)
	buf = append(buf, ' ')
	buf = appendClean(buf, p.Version, maxField)
	if target := g.fixed(); target != "" {
		buf = append(buf, " → "...)
		buf = append(buf, target...)
	}
	buf = append(buf, "  "...)
	for i, f := range g.findings {
		if i == maxPerLine {
			return string(buf) + fmt.Sprintf(" and %d more", len(g.findings)-i) + g.where()
		}
		if i > 0 {
			buf = append(buf, ", "...)
		}
		buf = appendClean(buf, f.ID, maxField)
		buf = append(buf, ' ')
		buf = append(buf, f.Severity.String()...)
		switch {
		case f.FixedVersion != "":
		case f.FixState == advisory.FixStateWontFix:
			buf = append(buf, " (will not be fixed)"...)
		default:
			buf = append(buf, " (no fix)"...)
		}
	}
	return string(buf) + g.where()
}

// fixed is the version to update to: the highest of the fixed versions, which has all the fixes. Where the ecosystem's order is not
// known or one cannot be compared, all of them are listed rather than guessing.
func (g *packageGroup) fixed() string {
	var versions []string
	for _, f := range g.findings {
		if f.FixedVersion != "" && !slices.Contains(versions, f.FixedVersion) {
			versions = append(versions, f.FixedVersion)
		}
	}
	if len(versions) > 1 {
		if highest, ok := highestVersion(versions, g.findings[0].Package.Ecosystem); ok {
			versions = []string{highest}
		}
	}
	for i := range versions {
		versions[i] = clean(versions[i], maxField)
	}
	if more := len(versions) - maxPerLine; more > 0 {
		versions = append(versions[:maxPerLine], fmt.Sprintf("%d more", more))
	}
	return strings.Join(versions, ", ")
}

func highestVersion(versions []string, ecosystem string) (string, bool) {
	highest := versions[0]
	for _, candidate := range versions[1:] {
		parsed, err := semantic.Parse(candidate, ecosystem)
		if err != nil {
			return "", false
		}
		order, err := parsed.CompareStr(highest)
		if err != nil {
			return "", false
		}
		if order > 0 {
			highest = candidate
		}
	}
	return highest, true
}
