package ui

import (
	"cmp"
	"slices"

	"github.com/runecast/runecast/pkg/advisory"
)

// bump is what to do about a package: the version that fixes all that can be fixed in it.
type bump struct {
	Name, Type, Version string
	To                  string
	Fixes, Of           int // vulnerabilities that it fixes, of all that the package has
	Worst               advisory.Severity
}

// bumps gives one line for each package that has something to be fixed, the worst first. Where two versions cannot be compared, the fix of
// the worse finding stays.
func bumps(findings []advisory.Finding) []bump {
	type key struct{ name, kind, version string }
	at := map[key]int{}
	var list []bump
	for i := range findings {
		f := &findings[i]
		k := key{f.Package.Name, f.Package.Type, f.Package.Version}
		n, known := at[k]
		if !known {
			n = len(list)
			at[k] = n
			list = append(list, bump{Name: k.name, Type: k.kind, Version: k.version})
		}
		b := &list[n]
		if b.Of++; !f.Fixable() {
			continue
		}
		b.Fixes++
		b.Worst = max(b.Worst, f.Severity)
		if b.To == "" {
			b.To = f.FixedVersion
		} else if more, err := advisory.CompareVersions(f.Package.Ecosystem, f.FixedVersion, b.To); err == nil && more > 0 {
			b.To = f.FixedVersion
		}
	}
	list = slices.DeleteFunc(list, func(b bump) bool { return b.Fixes == 0 })
	slices.SortStableFunc(list, func(a, b bump) int {
		return cmp.Or(cmp.Compare(b.Worst, a.Worst), cmp.Compare(b.Fixes, a.Fixes), cmp.Compare(a.Name, b.Name))
	})
	return list
}
