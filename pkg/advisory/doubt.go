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
	intervals []interval // where the row may match: their fixed versions mean nothing
}

// doubted adds a range whose version bad cannot be parsed. Where only the ends of its stretches are in doubt, they are taken to be as
// high as they can be, so that 9.0.0 is not suspected of something that was fixed in 1.x; else any version may be in it.
func (b boundaries) doubted(d *doubt, r Range, bad string) {
	d.reason = "the advisory's version \"" + shorten(bad) + "\" cannot be parsed"
	if i := slices.IndexFunc(r, func(e Event) bool { return e.Kind == EventFixed }); i >= 0 && d.fix == "" {
		d.fix = r[i].Version
	}
	bounded := slices.Clone(r)
	for i := range bounded {
		if above := b.above[r[i].Version]; r[i].ends() && above != "" {
			bounded[i] = Event{Kind: EventFixed, Version: above}
		}
	}
	intervals, bad := b.compileRange(bounded)
	if bad != "" {
		intervals = []interval{{from: 0, to: noLimit}}
	}
	d.intervals = append(d.intervals, intervals...)
}

// ends tells whether the event ends a stretch of affected versions.
func (e Event) ends() bool { return e.Kind == EventFixed || e.Kind == EventLastAffected }

// versionAbove gives a version that is above one that cannot be parsed: every order of versions begins with the numbers that are
// separated by dots, so 1.9.0b1 is below 1.9.1 and 2.x below 3, whatever the rest means. Empty: there is none that is certain.
func versionAbove(ecosystem, bad string) string {
	const maxDigits = 15
	rest := strings.TrimPrefix(bad, "v")
	if strings.ContainsAny(rest, ":!") { // an epoch, which counts for more than what follows it
		return ""
	}
	var numbers []string
	for {
		after := strings.TrimLeft(rest, "0123456789")
		digits := rest[:len(rest)-len(after)]
		if digits == "" || len(digits) > maxDigits {
			break
		}
		numbers = append(numbers, digits)
		if rest = strings.TrimPrefix(after, "."); rest == after {
			break
		}
	}
	for n := len(numbers); n > 0; n-- {
		last, err := strconv.Atoi(numbers[n-1])
		if err != nil {
			return ""
		}
		candidate := strings.Join(append(slices.Clone(numbers[:n-1]), strconv.Itoa(last+1)), ".")
		if _, err := ParseVersion(ecosystem, candidate); err == nil {
			return candidate
		}
	}
	return ""
}
