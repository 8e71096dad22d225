package feed

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/runecast/runecast/pkg/advisory"
)

// packageKey names a package as the index does.
type packageKey struct{ ecosystem, name string }

// member is one record's word on one package.
type member struct {
	record   *record
	affected *affected
	cves     []string // that the record is about, or that its aliases stand for
	rank     int      // see rankOf
}

// rows turns all that is said of one package into one row per vulnerability.
//
// Records are about the same vulnerability when they are about the same CVE. A record about several CVEs, as a DSA or DLA is, stands
// for each of them; where another record is about one of these CVEs alone (DEBIAN-CVE-…), that record knows better, and the notice
// only gives the date of the fix. Records without a CVE take the one that other records know for their aliases, else they are joined
// by the ids that they share. Within a vulnerability, a version is affected when any record says so, but for those that affecting
// leaves out.
func (k *knowledge) rows(ecosystem string, members []member) []advisory.Row {
	home := homePrefix(ecosystem)
	for i := range members {
		members[i].cves = k.resolve(members[i].record)
		members[i].rank = rankOf(home, members[i])
	}
	slices.SortStableFunc(members, byPreference)
	own := map[string]bool{}
	for _, m := range members {
		if len(m.cves) == 1 {
			own[m.cves[0]] = true
		}
	}
	groups := map[string][]member{}
	fixedAt := map[string]time.Time{} // CVE and fixed version → publication of the notice
	var without []member
	for _, m := range members {
		if len(m.cves) == 0 {
			without = append(without, m)
		}
		for _, cve := range m.cves {
			m.noteFixes(fixedAt, cve)
			if len(m.cves) == 1 || !own[cve] {
				groups[cve] = append(groups[cve], m)
			}
		}
	}
	var rows []advisory.Row
	for cve, group := range groups {
		if group = affecting(group); len(group) > 0 {
			rows = append(rows, k.row(cve, group, fixedAt))
		}
	}
	for _, group := range joinByIDs(without) {
		if group = affecting(group); len(group) > 0 {
			rows = append(rows, k.row("", group, fixedAt))
		}
	}
	slices.SortFunc(rows, func(a, b advisory.Row) int { return strings.Compare(a.Vulnerability.ID, b.Vulnerability.ID) })
	return rows
}

// resolve gives the CVEs that a record is about, by its own word or by what others know of its aliases.
func (k *knowledge) resolve(r *record) []string {
	if len(r.cves) > 0 {
		return r.cves
	}
	var cves []string
	for _, id := range append([]string{r.id}, r.others...) {
		if cve := k.cveOf[id]; cve != "" {
			cves = append(cves, cve)
		}
	}
	return sortedSet(cves)
}

// homePrefix is what the ids of an ecosystem's own database start with; empty for ecosystems without one.
func homePrefix(ecosystem string) string {
	return map[string]string{
		"Debian": "DEBIAN-", "Ubuntu": "UBUNTU-", "Alpine": "ALPINE-", "Go": "GO-", "PyPI": "PYSEC-", "crates.io": "RUSTSEC-",
		"Wolfi": "CGA-", "Chainguard": "CGA-", "MinimOS": "MINI-", "Azure Linux": "AZL-",
		"npm": "GHSA-", "RubyGems": "GHSA-", "Maven": "GHSA-", "NuGet": "GHSA-", "Packagist": "GHSA-",
	}[advisory.BaseEcosystem(ecosystem)]
}

// rankOf orders the records of a vulnerability: the ecosystem's own database first, then GitHub's and others, then notices and
// records of several vulnerabilities.
func rankOf(home string, m member) int {
	switch {
	case len(m.cves) > 1:
		return 3
	case home != "" && strings.HasPrefix(m.record.id, home):
		return 0
	case isNotice(m.record.id):
		return 2
	default:
		return 1
	}
}

// byPreference sorts the records of one vulnerability: the first names it and is asked first.
func byPreference(a, b member) int {
	return cmp.Or(cmp.Compare(a.rank, b.rank), strings.Compare(a.record.id, b.record.id))
}

// noteFixes notes when a notice published its fixes.
func (m member) noteFixes(fixedAt map[string]time.Time, cve string) {
	if !isNotice(m.record.id) {
		return
	}
	for _, r := range m.affected.ranges {
		for _, e := range r {
			key := cve + " " + e.Version
			if known := fixedAt[key]; e.Kind == advisory.EventFixed && !e.At.IsZero() && (known.IsZero() || e.At.Before(known)) {
				fixedAt[key] = e.At
			}
		}
	}
}

// joinByIDs groups records that share an id, directly or through others.
func joinByIDs(members []member) [][]member {
	var groups [][]member
	var ids []map[string]bool
	for _, m := range members {
		joined := map[string]bool{m.record.id: true}
		for _, id := range m.record.others {
			joined[id] = true
		}
		group := []member{m}
		for i := 0; i < len(groups); {
			if !intersects(ids[i], joined) {
				i++
				continue
			}
			group = append(group, groups[i]...)
			for id := range ids[i] {
				joined[id] = true
			}
			groups, ids = slices.Delete(groups, i, i+1), slices.Delete(ids, i, i+1)
		}
		slices.SortStableFunc(group, byPreference)
		groups, ids = append(groups, group), append(ids, joined)
	}
	return groups
}

func intersects(a, b map[string]bool) bool {
	for id := range b {
		if a[id] {
			return true
		}
	}
	return false
}

// row makes the row of one vulnerability. cve is empty where it has none.
func (k *knowledge) row(cve string, group []member, fixedAt map[string]time.Time) advisory.Row {
	first := group[0].record
	rating := k.rate(group, cve)
	v := &advisory.Vulnerability{
		ID: cmp.Or(cve, first.id), Advisory: first.id,
		Severity: rating.severity, SeveritySource: rating.source, CVSS: rating.cvss,
		EPSS: k.epss[cve], KEV: k.kev[cve],
	}
	row := advisory.Row{Vulnerability: v}
	var aliases []string
	for _, m := range group {
		aliases = append(aliases, m.record.id)
		if len(m.cves) <= 1 {
			aliases = append(aliases, m.record.others...)
		}
		if v.Summary == "" {
			v.Summary = m.record.summary
		}
		if p := m.record.published; !p.IsZero() && (v.Published.IsZero() || p.Before(v.Published)) {
			v.Published = p
		}
		row.WontFix = cmp.Or(row.WontFix, m.affected.wontFix)
		row.Versions = append(row.Versions, m.affected.versions...)
		for _, r := range m.affected.ranges {
			r = dated(r, cve, fixedAt)
			if !slices.ContainsFunc(row.Ranges, func(known advisory.Range) bool { return slices.Equal(known, r) }) {
				row.Ranges = append(row.Ranges, r)
			}
		}
	}
	if v.Summary == "" {
		v.Summary = k.titles[cve]
	}
	v.Aliases = slices.DeleteFunc(sortedSet(aliases), func(id string) bool { return id == v.ID })
	row.Versions = sortedSet(row.Versions)
	return row
}

// dated gives a range whose fixes carry the dates of their notices.
func dated(r advisory.Range, cve string, fixedAt map[string]time.Time) advisory.Range {
	for i, e := range r {
		if at := fixedAt[cve+" "+e.Version]; e.Kind == advisory.EventFixed && e.At.IsZero() && !at.IsZero() {
			r = slices.Clone(r)
			r[i].At = at
		}
	}
	return r
}
