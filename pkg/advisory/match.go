package advisory

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"slices"
	"sort"
	"time"

	"github.com/runecast/runecast/pkg/inventory"
)

// UnknownDistribution is the ecosystem under which Matches.Uncovered counts packages of a distribution that could not be told.
const UnknownDistribution = "unknown distribution"

// Match finds the vulnerabilities of every package of an inventory.
//
// Packages are looked up by their ecosystem with its release and by AdvisoryName, and judged by AdvisoryVersion. An installed
// version that cannot be parsed, or an advisory's, makes the finding uncertain and its severity unknown; what the advisory says of
// it is in the finding's RatedSeverity, RatedCVSS and PossibleFix. Packages of an ecosystem
// for which the index has no data are counted in Uncovered. Findings of one vulnerability share its details: do not change them.
//
//nolint:gocritic // hugeParam: once per image, and an inventory is a value everywhere
func (x *Index) Match(ctx context.Context, inv inventory.Inventory) (Matches, error) {
	var found Matches
	err := x.guarded(func() error {
		m := matcher{x: x, vulns: map[int]*Vulnerability{}}
		uncovered := map[string]int{}
		var oldest time.Time
		for i := range inv.Packages {
			if i%256 == 0 && ctx.Err() != nil {
				return fmt.Errorf("match %d packages: %w", len(inv.Packages), ctx.Err())
			}
			p := &inv.Packages[i]
			switch {
			case p.Ecosystem == "":
				uncovered[UnknownDistribution]++
			case !x.covers(p.Ecosystem):
				uncovered[p.Ecosystem]++
			default:
				date := x.covered[p.Ecosystem]
				if !date.IsZero() && (oldest.IsZero() || date.Before(oldest)) {
					oldest = date
				}
				if err := m.match(p); err != nil {
					return x.damaged("package %s of %s: %v", p.AdvisoryName(), p.Ecosystem, err)
				}
			}
		}
		found = Matches{Findings: m.findings(), Uncovered: sortedUncovered(uncovered), Date: oldest}
		return nil
	})
	if err != nil {
		return Matches{}, err
	}
	return found, nil
}

func (x *Index) covers(ecosystem string) bool {
	_, ok := x.covered[ecosystem]
	return ok
}

// matcher is the state of one Match.
type matcher struct {
	x      *Index
	vulns  map[int]*Vulnerability // decoded ones: many packages share them
	row    row
	bounds []int // reused by every package
	hits   []hit
}

// match judges one package.
func (m *matcher) match(p *inventory.Package) error {
	names, from := m.x.names(p), len(m.hits)
	for _, name := range names {
		if offset, ok := m.x.findPackage(p.Ecosystem, name); ok {
			if err := m.matchRows(p, offset); err != nil {
				return err
			}
		}
	}
	if len(names) > 1 {
		m.once(from)
	}
	return nil
}

// matchRows judges one package by the rows at an offset.
func (m *matcher) matchRows(p *inventory.Package, offset uint64) error {
	rows := m.x.packageRows(offset, m.bounds[:0])
	m.bounds = rows.bounds
	position, unparsable, err := m.position(rows.bounds, p)
	if err != nil {
		return err
	}
	for rows.next(&m.row) {
		v := verdict{uncertain: unparsable, unplaced: position < 0}
		v.judge(m.row.intervals, position)
		if !v.affected || v.uncertain != "" {
			if err := m.doubt(&v, p, position, unparsable); err != nil {
				return err
			}
		}
		if v.affected {
			if err := m.add(p, rows.bounds, v, v.fixState(&m.row, position)); err != nil {
				return err
			}
		}
	}
	return rows.err
}

// position places the installed version among the boundaries. A version that cannot be parsed has none, and the reason is given.
func (m *matcher) position(bounds []int, p *inventory.Package) (position int, unparsable string, err error) {
	installed, err := ParseVersion(p.Ecosystem, p.AdvisoryVersion())
	if err != nil {
		return -1, "the installed " + err.Error(), nil
	}
	equal := false
	i := sort.Search(len(bounds), func(i int) bool {
		order, compareErr := m.compare(p.Ecosystem, bounds[i], installed)
		if compareErr != nil {
			err = compareErr
		}
		equal = equal || order == 0
		return order >= 0
	})
	if err != nil {
		return 0, "", err
	}
	if equal {
		return 2*i + 1, "", nil
	}
	return 2 * i, "", nil
}

// compare orders a boundary against the installed version.
func (m *matcher) compare(ecosystem string, bound int, installed Version) (int, error) {
	text, err := m.x.strings.text(bound)
	if err != nil {
		return 0, err
	}
	v, err := ParseVersion(ecosystem, text)
	if err != nil {
		return 0, err
	}
	return v.Compare(installed)
}

// verdict is what a row says about the installed version.
type verdict struct {
	affected  bool
	uncertain string // why affected is not certain
	unplaced  bool   // the installed version could not be parsed
	fixed     int    // 1 + boundary of the fixed version; 0: none
	at        int64
}

// judge evaluates intervals at a position; -1 stands for a version that cannot be parsed, which only an interval of all versions
// is certain to contain.
func (v *verdict) judge(intervals []interval, position int) {
	if position < 0 {
		for _, iv := range intervals {
			if iv.from == 0 && iv.to == noLimit {
				v.affected, v.uncertain = true, ""
			}
		}
		return
	}
	for _, iv := range intervals {
		if !iv.contains(position) {
			continue
		}
		v.affected = true
		if iv.fixed != 0 && (v.fixed == 0 || iv.fixed < v.fixed) {
			v.fixed, v.at = iv.fixed, iv.at
		}
	}
	if v.affected {
		v.escape(intervals, position)
	}
}

// escape looks for the version that ends the match in all ranges of the row: records of one vulnerability may differ in where it is
// fixed, and the lowest fix that one of them names may still be affected by another's word. Where no version ends it, the lowest
// fix that any matching range names stays.
func (v *verdict) escape(intervals []interval, position int) {
	var last interval
	for range intervals {
		i := slices.IndexFunc(intervals, func(iv interval) bool { return iv.contains(position) })
		if i < 0 {
			break
		}
		last = intervals[i]
		if last.to == noLimit {
			return
		}
		position = last.to
	}
	ends := slices.ContainsFunc(intervals, func(iv interval) bool { return iv.contains(position) })
	if !ends && last.fixed != 0 && 2*last.fixed-1 == position {
		v.fixed, v.at = last.fixed, last.at
	}
}

// doubt completes a verdict by what is not decided by intervals: versions that match letter by letter, an installed version
// without a place, ranges that could not be compiled.
func (m *matcher) doubt(v *verdict, p *inventory.Package, position int, unparsable string) error {
	for _, number := range m.row.exact {
		text, err := m.x.strings.record(number)
		if err != nil {
			return err
		}
		if string(text) == p.AdvisoryVersion() {
			v.affected, v.uncertain = true, ""
			return nil
		}
	}
	if unparsable != "" {
		v.affected, v.uncertain = true, unparsable
		return nil
	}
	if m.row.uncertain != 0 && slices.ContainsFunc(m.row.doubted, func(iv interval) bool { return iv.contains(position) }) {
		reason, err := m.x.strings.text(m.row.uncertain - 1)
		if err != nil {
			return err
		}
		v.affected, v.uncertain = true, reason
	}
	return nil
}

// findPackage gives the offset of a package's rows.
func (x *Index) findPackage(ecosystem, name string) (offset uint64, ok bool) {
	n := len(x.packages) / packageWidth
	i := sort.Search(n, func(i int) bool { return x.comparePackage(i, ecosystem, name) >= 0 })
	if i == n || x.comparePackage(i, ecosystem, name) != 0 {
		return 0, false
	}
	return binary.LittleEndian.Uint64(x.packages[i*packageWidth+8:]), true
}

func (x *Index) comparePackage(i int, ecosystem, name string) int {
	entry := x.packages[i*packageWidth:]
	if c := bytes.Compare(x.stringBytes(entry), []byte(ecosystem)); c != 0 {
		return c
	}
	return bytes.Compare(x.stringBytes(entry[4:]), []byte(name))
}
