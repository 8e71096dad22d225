package advisory

import (
	"bytes"
	"sort"
	"strings"

	"github.com/runecast/runecast/pkg/inventory"
)

// Red Hat's releases and those made from them have packages in several streams at once, such as nodejs:18 and nodejs:20, of which an
// image has one (https://docs.fedoraproject.org/en-US/modularity/). A fix in one stream says nothing of another, nor of the package
// outside of modules. So an index lists what a modular build fixes under a name of its own.

// ModularName gives the name under which an index lists a package of a module's stream: nodejs::nodejs:18. An empty module stands for
// records that do not tell it.
func ModularName(name, module string) string { return name + "::" + module }

// IsModular tells from its release whether a version is a module's build: 18.20.4-1.module+el9.4.0+22195+c221878e, or with
// module_el9 as AlmaLinux has it.
func IsModular(ecosystem, version string) bool {
	switch BaseEcosystem(ecosystem) {
	case "Red Hat", "Rocky Linux", "AlmaLinux":
		return strings.Contains(version, ".module+el") || strings.Contains(version, ".module_el")
	}
	return false
}

// names gives the names under which the index may list a package. Of a modular one whose module nobody tells they are those of all
// streams: too many findings, never too few.
func (x *Index) names(p *inventory.Package) []string {
	name := NormalizeName(p.Ecosystem, p.AdvisoryName())
	switch {
	case !IsModular(p.Ecosystem, p.AdvisoryVersion()):
		return []string{name}
	case p.Module != "":
		return []string{ModularName(name, p.Module), ModularName(name, "")}
	}
	var all []string
	prefix, n := []byte(ModularName(name, "")), len(x.packages)/packageWidth
	for i := sort.Search(n, func(i int) bool { return x.comparePackage(i, p.Ecosystem, string(prefix)) >= 0 }); i < n; i++ {
		entry := x.packages[i*packageWidth:]
		if listed := x.stringBytes(entry[4:]); string(x.stringBytes(entry)) == p.Ecosystem && bytes.HasPrefix(listed, prefix) {
			all = append(all, string(listed))
			continue
		}
		break
	}
	return all
}

// once drops of the hits from one on those of a vulnerability that an earlier one has: several names may list it.
func (m *matcher) once(from int) {
	seen, kept := map[string]bool{}, m.hits[:from]
	for _, h := range m.hits[from:] {
		if !seen[h.vuln.ID] {
			seen[h.vuln.ID], kept = true, append(kept, h)
		}
	}
	m.hits = kept
}
