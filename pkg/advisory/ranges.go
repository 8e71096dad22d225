package advisory

import (
	"cmp"
	"maps"
	"slices"
	"strings"
)

// A package's boundary versions, sorted, are v0 < v1 < … < vk. A position is where a version stands among them: 2i+1 is vi itself, 2i
// is below vi and above the one before it, 2k+2 is above all. With that every range is an interval of integers, computed once when
// the index is written, and judging an installed version is one binary search per package.

// noLimit as the upper end of an interval means that it has none.
const noLimit = 0

// interval is one stretch of affected positions.
type interval struct {
	from  int   // first affected position
	to    int   // first position that is not affected any more; noLimit: all above are affected
	fixed int   // 1 + index of the boundary that fixes it, or of the next fixed one of its range; 0: none
	at    int64 // when that version was published, seconds since 1970; 0: not known
}

func (iv interval) contains(position int) bool {
	return position >= iv.from && (iv.to == noLimit || position < iv.to)
}

// compiledRow is a Row in terms of its package's boundaries.
type compiledRow struct {
	intervals []interval
	exact     []string // listed versions that cannot be parsed: they match letter by letter only
	doubt     doubt    // about ranges that could not be compiled
	wontFix   string   // as in Row
}

// boundaries are the versions at which anything changes for a package.
type boundaries struct {
	texts  []string              // one for each, ascending
	rank   map[string]int        // every spelling → index in texts
	around map[string]neighbours // of the versions of ranges that cannot be parsed
}

// newBoundaries sorts the versions of a package's rows. Those that cannot be parsed are left out.
func newBoundaries(ecosystem string, rows []Row) (boundaries, error) {
	parsed, around := map[string]Version{}, map[string]neighbours{}
	add := func(text string) bool {
		if _, known := parsed[text]; known {
			return true
		}
		v, err := ParseVersion(ecosystem, text)
		if err == nil {
			parsed[text] = v
		}
		return err == nil
	}
	for _, row := range rows {
		for _, r := range row.Ranges {
			for _, e := range r {
				if e.unbounded() || add(e.Version) {
					continue
				}
				around[e.Version] = surround(ecosystem, e.Version)
			}
		}
		for _, v := range row.Versions {
			add(v)
		}
	}
	named := maps.Clone(parsed)
	for _, n := range around {
		for _, near := range []string{n.below, n.above} {
			if near != "" {
				add(near)
			}
		}
	}
	b, err := rankVersions(parsed, named)
	b.around = around
	return b, err
}

// rankVersions sorts versions. Of equal ones, those that the rows name come before neighbours, which nobody should be shown.
func rankVersions(parsed, named map[string]Version) (boundaries, error) {
	texts := make([]string, 0, len(parsed))
	for text := range parsed {
		texts = append(texts, text)
	}
	rank := func(text string) int {
		if _, ok := named[text]; ok {
			return 0
		}
		return 1
	}
	// Equal versions are in one order in every build.
	slices.SortFunc(texts, func(a, b string) int { return cmp.Or(cmp.Compare(rank(a), rank(b)), strings.Compare(a, b)) })
	var failed error
	compare := func(a, b string) int {
		order, err := parsed[a].Compare(parsed[b])
		if err != nil {
			failed = err
		}
		return order
	}
	slices.SortStableFunc(texts, compare)
	b := boundaries{rank: make(map[string]int, len(texts))}
	for _, text := range texts {
		if n := len(b.texts); n == 0 || compare(b.texts[n-1], text) != 0 {
			b.texts = append(b.texts, text)
		}
		b.rank[text] = len(b.texts) - 1
	}
	return b, failed
}

// unbounded tells whether the event stands for no version at all.
func (e Event) unbounded() bool {
	return e.Kind == EventIntroduced && e.Version == "0" || e.Kind == EventLimit && e.Version == "*"
}

// compileRow turns a row into intervals.
func (b boundaries) compileRow(row Row) compiledRow {
	c := compiledRow{wontFix: row.WontFix}
	for _, r := range row.Ranges {
		intervals, bad := b.compileRange(r)
		if bad != "" {
			b.doubted(&c.doubt, r, bad)
			continue
		}
		c.intervals = append(c.intervals, intervals...)
	}
	for _, v := range row.Versions {
		i, ok := b.rank[v]
		if !ok {
			c.exact = append(c.exact, v)
			continue
		}
		point := interval{from: 2*i + 1, to: 2*i + 2}
		if !slices.ContainsFunc(c.intervals, func(iv interval) bool { return iv.contains(point.from) }) {
			c.intervals = append(c.intervals, point)
		}
	}
	slices.Sort(c.exact)
	c.exact = slices.Compact(c.exact)
	return c
}

// change is an event at its position: from there on versions are affected or not.
type change struct {
	position int
	affected bool
	fixed    int // 1 + boundary for a fixed event
	at       int64
}

// compileRange evaluates a range as the OSV schema says (https://ossf.github.io/osv-schema/#evaluation): sorted by version, the last
// event at or below a version decides. A range with a version that cannot be parsed gives that version.
func (b boundaries) compileRange(r Range) (intervals []interval, bad string) {
	changes, limit, bad := b.changes(r)
	if bad != "" {
		return nil, bad
	}
	slices.SortStableFunc(changes, func(x, y change) int { return cmp.Compare(x.position, y.position) })
	open := -1
	for i, c := range changes {
		switch {
		case c.affected && open < 0:
			open = c.position
		case !c.affected && open >= 0:
			if c.position > open {
				fixed, at := nextFix(changes[i:])
				intervals = append(intervals, interval{from: open, to: c.position, fixed: fixed, at: at})
			}
			open = -1
		}
	}
	if open >= 0 {
		intervals = append(intervals, interval{from: open, to: noLimit})
	}
	return clip(intervals, limit), ""
}

// changes gives the range's events by position, and the position from which on the range says nothing.
func (b boundaries) changes(r Range) (changes []change, limit int, bad string) {
	limits := 0
	for _, e := range r {
		if e.unbounded() {
			if e.Kind == EventLimit {
				limits, limit = limits+1, -1
				continue
			}
			changes = append(changes, change{affected: true})
			continue
		}
		i, ok := b.rank[e.Version]
		if !ok {
			return nil, 0, e.Version
		}
		switch e.Kind {
		case EventIntroduced:
			changes = append(changes, change{position: 2*i + 1, affected: true})
		case EventFixed:
			c := change{position: 2*i + 1, fixed: i + 1}
			if !e.At.IsZero() {
				c.at = e.At.Unix()
			}
			changes = append(changes, c)
		case EventLastAffected:
			changes = append(changes, change{position: 2*i + 2})
		case EventLimit:
			limits++
			if limit >= 0 {
				limit = max(limit, 2*i+1)
			}
		}
	}
	if limits == 0 || limit < 0 {
		limit = noLimit
	}
	if !slices.ContainsFunc(changes, func(c change) bool { return c.affected }) {
		// The schema demands a start; a record that forgot it means "from the beginning".
		changes = append([]change{{affected: true}}, changes...)
	}
	return changes, limit, ""
}

// nextFix gives the lowest fixed version from a point of a range on.
func nextFix(changes []change) (fixed int, at int64) {
	for _, c := range changes {
		if c.fixed != 0 {
			return c.fixed, c.at
		}
	}
	return 0, 0
}

// clip cuts intervals at a limit. An interval that ends there is not fixed there.
func clip(intervals []interval, limit int) []interval {
	if limit == noLimit {
		return intervals
	}
	var kept []interval
	for _, iv := range intervals {
		if iv.from >= limit {
			continue
		}
		if iv.to == noLimit || iv.to > limit {
			iv.to = limit
		}
		kept = append(kept, iv)
	}
	return kept
}
