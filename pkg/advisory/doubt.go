package advisory

import (
	"slices"
	"strconv"
	"strings"
)

// doubt is what is left of the ranges that name a version that cannot be parsed.
type doubt struct {
	reason    string     // empty: no such range
	fix       string     // the first fixed version that these ranges name; empty: none
	intervals []interval // where the row may match
}

// neighbours are versions around one that cannot be parsed. Every order of versions begins with the numbers that are separated by
// dots, so 1.9.0b1 stands above 1.8 and below 1.9.1, and 2.x above 1 and below 3, whatever the rest means. Empty: none is certain.
type neighbours struct{ below, above string }

// doubted adds a range whose version bad cannot be parsed.
func (b boundaries) doubted(d *doubt, r Range, bad string) {
	d.reason = "the advisory's version \"" + shorten(bad) + "\" cannot be parsed"
	if i := slices.IndexFunc(r, func(e Event) bool { return e.Kind == EventFixed }); i >= 0 && d.fix == "" {
		d.fix = r[i].Version
	}
	d.intervals = append(d.intervals, interval{from: b.firstStart(r), to: b.lastEnd(r)})
}

// ends tells whether the event ends a stretch of affected versions.
func (e Event) ends() bool { return e.Kind == EventFixed || e.Kind == EventLastAffected }

// firstStart gives the position below which nothing can be affected.
func (b boundaries) firstStart(r Range) int {
	first := -1
	for _, e := range r {
		if e.Kind != EventIntroduced {
			continue
		}
		i, ok := b.rank[e.Version]
		if !ok {
			return 0
		}
		if first < 0 || 2*i+1 < first {
			first = 2*i + 1
		}
	}
	return max(first, 0)
}

// lastEnd gives the position from which on nothing can be affected, so that 9.0.0 is not suspected of what was fixed in 1.x. It is
// noLimit unless every start is certain to be followed by an end.
func (b boundaries) lastEnd(r Range) int {
	top, ended := 0, 0 // above all ends; at or below one of them
	for _, e := range r {
		if !e.ends() {
			continue
		}
		if i, ok := b.rank[e.Version]; ok {
			at := 2*i + 1
			if e.Kind == EventLastAffected {
				at++
			}
			top, ended = max(top, at), max(ended, at)
			continue
		}
		n := b.around[e.Version]
		if n.above == "" {
			return noLimit
		}
		top = max(top, 2*b.rank[n.above]+1)
		if n.below != "" {
			ended = max(ended, 2*b.rank[n.below]+2)
		}
	}
	if slices.ContainsFunc(r, func(e Event) bool { return !b.startsBefore(e, ended) }) {
		return noLimit
	}
	return top
}

// startsBefore tells whether an event is certain to be no start from a position on.
func (b boundaries) startsBefore(e Event, position int) bool {
	if e.Kind != EventIntroduced || e.unbounded() {
		return true
	}
	if i, ok := b.rank[e.Version]; ok {
		return 2*i+1 < position
	}
	above := b.around[e.Version].above
	return above != "" && 2*b.rank[above] < position
}

// surround finds the neighbours of a version that cannot be parsed.
func surround(ecosystem, bad string) neighbours {
	numbers := leadingNumbers(bad)
	near := func(step int) string {
		for n := len(numbers); n > 0; n-- {
			last := numbers[n-1] + step
			if last < 0 {
				continue
			}
			parts := make([]string, n)
			for i, number := range numbers[:n] {
				parts[i] = strconv.Itoa(number)
			}
			parts[n-1] = strconv.Itoa(last)
			candidate := strings.Join(parts, ".")
			if _, err := ParseVersion(ecosystem, candidate); err == nil {
				return candidate
			}
		}
		return ""
	}
	return neighbours{below: near(-1), above: near(1)}
}

// leadingNumbers gives the numbers that a version begins with. One with an epoch has none, as that counts for more than what follows.
func leadingNumbers(version string) []int {
	const maxDigits = 15
	rest := strings.TrimPrefix(version, "v")
	if strings.ContainsAny(rest, ":!") {
		return nil
	}
	var numbers []int
	for {
		after := strings.TrimLeft(rest, "0123456789")
		digits := rest[:len(rest)-len(after)]
		number, err := strconv.Atoi(digits)
		if err != nil || len(digits) > maxDigits {
			return numbers
		}
		numbers = append(numbers, number)
		if rest = strings.TrimPrefix(after, "."); rest == after {
			return numbers
		}
	}
}
