package advisory

import "slices"

// UncoveredVersions gives those of a list that the ranges do not cover: a record's long list need not be kept where its
// ranges say the same.
func UncoveredVersions(ecosystem string, ranges []Range, versions []string) ([]string, error) {
	if len(versions) == 0 || len(ranges) == 0 {
		return versions, nil
	}
	row := Row{Ranges: ranges, Versions: versions}
	b, err := newBoundaries(ecosystem, []Row{row})
	if err != nil {
		return nil, err
	}
	compiled := b.compileRow(Row{Ranges: ranges})
	var kept []string
	for _, v := range versions {
		i, ok := b.rank[v]
		if ok && slices.ContainsFunc(compiled.intervals, func(iv interval) bool { return iv.contains(2*i + 1) }) {
			continue
		}
		kept = append(kept, v)
	}
	return kept, nil
}
