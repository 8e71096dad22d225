package feed

import (
	"time"

	"github.com/runecast/runecast/pkg/advisory"
)

// knowledge is what is known of CVEs beside the OSV records that name versions.
type knowledge struct {
	wanted map[string]bool   // the CVEs that the records are about; others are not kept
	cveOf  map[string]string // other id → the one CVE it stands for; empty where it stands for several
	byID   map[string]*score // rating of an OSV record by its own id
	ghsa   map[string]*score // rating of GitHub's record that is about this CVE alone
	cna    map[string]*score // of the CVE Numbering Authority that published the CVE
	adp    map[string]*score // of CISA, which adds to CVE records what their publisher left out
	nvd    map[string]*score
	titles map[string]string // one line about a CVE
	epss   map[string]*advisory.EPSS
	kev    map[string]*advisory.KEV
	latest time.Time // dates after this are mistakes and do not count
}

// newKnowledge takes the time of the build. A day is left for clocks and zones.
func newKnowledge(now time.Time) *knowledge {
	return &knowledge{
		latest: now.Add(24 * time.Hour),
		wanted: map[string]bool{}, cveOf: map[string]string{}, byID: map[string]*score{}, ghsa: map[string]*score{}, cna: map[string]*score{},
		adp: map[string]*score{}, nvd: map[string]*score{}, titles: map[string]string{},
		epss: map[string]*advisory.EPSS{}, kev: map[string]*advisory.KEV{},
	}
}

// learn notes what a record says about others.
func (k *knowledge) learn(r *record) {
	for _, cve := range r.cves {
		k.wanted[cve] = true
	}
	if len(r.cves) == 1 && !isNotice(r.id) {
		for _, id := range append([]string{r.id}, r.aliases...) {
			if known, ok := k.cveOf[id]; ok && known != r.cves[0] {
				k.cveOf[id] = ""
			} else {
				k.cveOf[id] = r.cves[0]
			}
		}
	}
	own := r.cvss
	if own == nil {
		own = r.label
	}
	if own == nil {
		return
	}
	k.byID[r.id] = own
	if own.source == "GHSA" && len(r.cves) == 1 {
		if known := k.ghsa[r.cves[0]]; known == nil || own.better(known) {
			k.ghsa[r.cves[0]] = own
		}
	}
}

// date notes a modification date of a source. One in the future would make a feed look fresh for years and is ignored.
func (k *knowledge) date(s *advisory.Source, t time.Time) {
	if t.After(s.Modified) && !t.After(k.latest) {
		s.Modified = t
	}
}

// better tells which of two ratings of one source to take: the newer CVSS version, then the worse.
func (s *score) better(than *score) bool {
	a, b := "", ""
	if s.cvss != nil {
		a = s.cvss.Version
	}
	if than.cvss != nil {
		b = than.cvss.Version
	}
	if a != b {
		return a > b
	}
	if s.severity != than.severity {
		return s.severity > than.severity
	}
	return s.cvss != nil && than.cvss != nil && s.cvss.Vector < than.cvss.Vector
}

// rate joins the rating of one vulnerability in one package. The order is: the distribution's own word, the records' own CVSS, the
// records' own words, the ratings of records that they name as aliases or upstream or that GitHub has of the CVE, then of the CVE
// the publisher's, CISA's and NVD's. members come in the order of preference; cve is empty where there is none.
func (k *knowledge) rate(members []member, cve string) *score {
	for _, pick := range []func(member) *score{
		func(m member) *score { return m.affected.word },
		func(m member) *score { return m.affected.cvss },
		func(m member) *score { return m.record.cvss },
		func(m member) *score { return m.record.label },
		func(m member) *score { return k.ofOthers(m.record) },
	} {
		for _, m := range members {
			if s := pick(m); s != nil {
				return s
			}
		}
	}
	for _, known := range []map[string]*score{k.ghsa, k.cna, k.adp, k.nvd} {
		if s := known[cve]; s != nil {
			return s
		}
	}
	return &score{}
}

// ofOthers gives the rating of a record that this one names. A notice of several vulnerabilities has none of theirs.
func (k *knowledge) ofOthers(r *record) *score {
	if len(r.cves) > 1 {
		return nil
	}
	var found *score
	for _, id := range r.others {
		if s := k.byID[id]; s != nil && (found == nil || s.better(found)) {
			found = s
		}
	}
	return found
}
