package advisory

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/runecast/runecast/pkg/inventory"
)

// hit is a finding before it is written out: sorting moves these.
type hit struct {
	p         *inventory.Package
	vuln      *Vulnerability
	severity  Severity
	uncertain string
	fixed     string
	possible  string // fixed version of an uncertain finding
	at        int64
	state     FixState
	wontFix   string
}

// add notes the finding.
func (m *matcher) add(p *inventory.Package, bounds []int, v verdict, state FixState) error {
	vuln := m.vulns[m.row.vuln]
	if vuln == nil {
		var err error
		if vuln, err = m.x.vulnerability(m.row.vuln); err != nil {
			return err
		}
		m.vulns[m.row.vuln] = vuln
	}
	h := hit{p: p, vuln: vuln, severity: vuln.Severity, uncertain: v.uncertain, at: v.at, state: state}
	if v.uncertain != "" {
		h.severity = SeverityUnknown
		var err error
		if h.possible, err = m.possibleFix(bounds, v); err != nil {
			return err
		}
	}
	if v.fixed > 0 {
		var err error
		if h.fixed, err = m.x.strings.text(bounds[v.fixed-1]); err != nil {
			return err
		}
	}
	if state == FixStateWontFix {
		var err error
		if h.wontFix, err = m.x.strings.text(m.row.wontFix - 1); err != nil {
			return err
		}
	}
	m.hits = append(m.hits, h)
	return nil
}

// possibleFix gives the fixed version of a row that may match. Where it is the installed version that has no place, that is the
// lowest one; else it is that of the range that has none.
func (m *matcher) possibleFix(bounds []int, v verdict) (string, error) {
	lowest := 0
	if v.unplaced {
		for _, iv := range m.row.intervals {
			if iv.fixed != 0 && (lowest == 0 || iv.fixed < lowest) {
				lowest = iv.fixed
			}
		}
	}
	switch {
	case lowest != 0:
		return m.x.strings.text(bounds[lowest-1])
	case m.row.fix != 0:
		return m.x.strings.text(m.row.fix - 1)
	}
	return "", nil
}

// findings writes the hits out, worst first.
func (m *matcher) findings() []Finding {
	order := make([]*hit, len(m.hits))
	for i := range m.hits {
		order[i] = &m.hits[i]
	}
	slices.SortStableFunc(order, worstFirst)
	findings := make([]Finding, len(order))
	for i, h := range order {
		f, v := &findings[i], h.vuln
		f.ID, f.Advisory, f.Aliases, f.Summary, f.Package, f.FixedVersion = v.ID, v.Advisory, v.Aliases, v.Summary, *h.p, h.fixed
		f.Severity, f.EPSS, f.KEV, f.Published, f.Uncertain = h.severity, v.EPSS, v.KEV, v.Published, h.uncertain
		f.FixState, f.WontFix = h.state, h.wontFix
		if h.uncertain == "" {
			f.SeveritySource, f.CVSS = v.SeveritySource, v.CVSS
		} else {
			f.RatedSeverity, f.RatedCVSS, f.PossibleFix = v.Severity, v.CVSS, h.possible
		}
		if h.at != 0 && h.fixed != "" {
			f.FixedAt = time.Unix(h.at, 0).UTC()
		}
	}
	return findings
}

// worstFirst orders findings by severity, then by what tells them apart. It is written out because most comparisons end early.
func worstFirst(a, b *hit) int {
	if a.severity != b.severity {
		return cmp.Compare(b.severity, a.severity)
	}
	if c := strings.Compare(a.vuln.ID, b.vuln.ID); c != 0 {
		return c
	}
	if c := strings.Compare(a.p.Name, b.p.Name); c != 0 {
		return c
	}
	if c := strings.Compare(a.p.Version, b.p.Version); c != 0 {
		return c
	}
	return strings.Compare(a.p.Path, b.p.Path)
}

func sortedUncovered(counts map[string]int) []Uncovered {
	var list []Uncovered
	for ecosystem, n := range counts {
		list = append(list, Uncovered{Ecosystem: ecosystem, Packages: n})
	}
	slices.SortFunc(list, func(a, b Uncovered) int { return strings.Compare(a.Ecosystem, b.Ecosystem) })
	return list
}
