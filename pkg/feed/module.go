package feed

import (
	"regexp"
	"slices"

	"github.com/runecast/runecast/pkg/advisory"
)

// moduleStream finds the modules that a notice is about in its summary: nodejs:18 security update.
var moduleStream = regexp.MustCompile(`\b([A-Za-z0-9][A-Za-z0-9._+-]*:[A-Za-z0-9][A-Za-z0-9._+-]*)`)

// namesOf gives the names under which an affected package is listed: of what a modular build fixes, one for each module that the record
// names.
func namesOf(o *osvRecord, ecosystem string, a *osvAffected) []string {
	name := advisory.NormalizeName(ecosystem, a.Package.Name)
	modular := slices.ContainsFunc(a.ranges(), func(r advisory.Range) bool {
		return slices.ContainsFunc(r, func(e advisory.Event) bool {
			return e.Kind == advisory.EventFixed && advisory.IsModular(ecosystem, e.Version)
		})
	})
	if !modular {
		return []string{name}
	}
	modules := moduleStream.FindAllString(o.Summary, -1)
	if len(modules) == 0 {
		return []string{advisory.ModularName(name, "")}
	}
	names := make([]string, len(modules))
	for i, module := range modules {
		names[i] = advisory.ModularName(name, module)
	}
	return names
}
