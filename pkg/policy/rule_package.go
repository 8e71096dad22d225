package policy

import (
	"slices"
	"strings"
	"time"

	"github.com/runecast/runecast/pkg/advisory"
)

// packageTypes compiles the list of package types. Any word is accepted, as inventories learn new types; types are lower-case.
func (c *compiler) packageTypes(r *Rule, path string) condition {
	if r.PackageTypes == nil {
		return nil
	}
	c.texts(path+".packageTypes", r.PackageTypes)
	for _, t := range r.PackageTypes {
		if t != strings.ToLower(t) {
			c.failf(path+".packageTypes", "%q must be lower-case, as in package URLs: deb, apk, rpm, golang, npm, pypi, maven, gem, nuget, composer, cargo", clean(t, maxField))
		}
	}
	list := slices.Clone(r.PackageTypes)
	return func(f *advisory.Finding, _ time.Time) answer { return truth(slices.Contains(list, f.Package.Type)) }
}

// packages compiles the list of package names.
func (c *compiler) packages(r *Rule, path string) condition {
	if r.Packages == nil {
		return nil
	}
	c.texts(path+".packages", r.Packages)
	names := set(r.Packages)
	return func(f *advisory.Finding, _ time.Time) answer {
		if names[f.Package.Name] {
			return yes
		}
		return truth(f.Package.Source != "" && names[f.Package.Source])
	}
}

// ids compiles the list of vulnerabilities.
func (c *compiler) ids(r *Rule, path string) condition {
	if r.IDs == nil {
		return nil
	}
	c.texts(path+".ids", r.IDs)
	ids := idSet(r.IDs)
	return func(f *advisory.Finding, _ time.Time) answer { return truth(hasID(ids, f)) }
}

func set(list []string) map[string]bool {
	out := make(map[string]bool, len(list))
	for _, s := range list {
		out[s] = true
	}
	return out
}

func idSet(list []string) map[string]bool {
	out := make(map[string]bool, len(list))
	for _, id := range list {
		out[canonicalID(id)] = true
	}
	return out
}

// canonicalID gives ids people type as feeds write them: CVE in capitals, GHSA with a lower-case rest, others unchanged.
func canonicalID(id string) string {
	prefix, rest, found := strings.Cut(id, "-")
	switch {
	case found && strings.EqualFold(prefix, "CVE"):
		return "CVE-" + rest
	case found && strings.EqualFold(prefix, "GHSA"):
		return "GHSA-" + strings.ToLower(rest)
	}
	return id
}

// hasID tells whether a finding is known by one of the ids.
func hasID(ids map[string]bool, f *advisory.Finding) bool {
	return ids[f.ID] || ids[f.Advisory] || slices.ContainsFunc(f.Aliases, func(id string) bool { return ids[id] })
}
