package feed

import (
	"slices"
	"strings"
	"time"

	"github.com/runecast/runecast/pkg/advisory"
)

const (
	summaryRunes  = 300
	detailRunes   = 2000
	maxReferences = 20
	urlBytes      = 500
)

// record is what is kept in memory of an OSV record; its details are in the spool.
type record struct {
	id        string
	others    []string // aliases and upstream ids
	aliases   []string
	cves      []string // that it is about, sorted
	summary   string
	published time.Time
	cvss      *score // its own
	label     *score // its own, in words
	affected  []affected
	spooled   span
}

// affected is one package of a record.
type affected struct {
	ecosystem string
	name      string
	word      *score // of the distribution
	cvss      *score // of this package alone
	ranges    []advisory.Range
	versions  []string
	statement // of the distribution
}

// source is the name of a record's own rating.
func source(id string) string {
	if strings.HasPrefix(id, "GHSA-") {
		return "GHSA"
	}
	return "OSV"
}

// isNotice tells whether a record is a distribution's announcement of a fix, so that its publication is the fix's.
func isNotice(id string) bool {
	for _, prefix := range []string{
		"DSA-", "DLA-", "DTSA-", "USN-", "LSN-", "RHSA-", "RHBA-", "RHEA-", "RLSA-", "RLBA-", "RLEA-", "RXSA-", "ALSA-", "ALBA-", "ALEA-",
		"SUSE-", "openSUSE-", "MGASA-", "OESA-", "PHSA-",
	} {
		if strings.HasPrefix(id, prefix) {
			return true
		}
	}
	return false
}

// interner keeps one copy of every text that occurs often.
type interner map[string]string

func (in interner) text(s string) string {
	if known, ok := in[s]; ok {
		return known
	}
	s = strings.Clone(s)
	in[s] = s
	return s
}

func (in interner) texts(list []string) []string {
	kept := make([]string, len(list))
	for i, s := range list {
		kept[i] = in.text(s)
	}
	return kept
}

// newRecord keeps what matters of an OSV record. A package without a version that could be affected, as GIT ranges alone leave it,
// is not affected by the schema's own evaluation and left out.
func (in interner) newRecord(o *osvRecord) (*record, error) {
	r := &record{
		id: in.text(o.ID), aliases: in.texts(o.Aliases), cves: in.texts(o.cvesOf()), published: parseTime(o.Published),
		summary: oneLine(o.Summary), cvss: cvssOf(source(o.ID), o.Severity), label: labelOf(source(o.ID), o),
	}
	if r.summary == "" {
		r.summary = oneLine(o.Details)
	}
	r.others = append(append(r.others, r.aliases...), in.texts(o.Upstream)...)
	for i := range o.Affected {
		a := &o.Affected[i]
		ecosystem := advisory.ReleaseEcosystem(a.Package.Ecosystem)
		if a.Package.Name == "" || ecosystem == "" || !releaseless(ecosystem) {
			continue // a distribution without its release matches nothing: another release's fix would be taken for this one's
		}
		kept := affected{
			ecosystem: in.text(ecosystem),
			word:      wordOf(o, a), cvss: cvssOf(source(o.ID), a.Severity), ranges: in.ranges(o, a),
			statement: in.statement(a),
		}
		if isNoVulnerability(a) {
			continue
		}
		if kept.notAffected {
			kept.ranges = nil
			kept.name = in.text(advisory.NormalizeName(ecosystem, a.Package.Name))
			r.affected = append(r.affected, kept)
			continue
		}
		var err error
		if kept.versions, err = advisory.UncoveredVersions(ecosystem, kept.ranges, a.Versions); err != nil {
			return nil, err
		}
		kept.versions = in.texts(slices.DeleteFunc(kept.versions, func(v string) bool { return v == "" })) // an empty text is no version
		if len(kept.ranges) > 0 || len(kept.versions) > 0 {
			for _, name := range namesOf(o, ecosystem, a) {
				kept.name = in.text(name)
				r.affected = append(r.affected, kept)
			}
		}
	}
	return r, nil
}

// ranges keeps an affected package's ranges. A fix was published when the notice of it was; for a language's packages, whose
// records have no other date, it is the record's publication. A distribution's record of a CVE is dated by the CVE, not by the fix.
func (in interner) ranges(o *osvRecord, a *osvAffected) []advisory.Range {
	var at time.Time
	if isNotice(o.ID) || releaseless(advisory.BaseEcosystem(a.Package.Ecosystem)) {
		at = parseTime(o.Published)
	}
	ranges := a.ranges()
	for _, r := range ranges {
		for i := range r {
			r[i].Version = in.text(r[i].Version)
			if r[i].Kind == advisory.EventFixed {
				r[i].At = at
			}
		}
	}
	return ranges
}

// details is the part of a record that only its own page shows.
func details(o *osvRecord) advisory.Advisory {
	a := advisory.Advisory{
		ID: o.ID, Aliases: sortedSet(o.Aliases), Upstream: sortedSet(o.Upstream),
		Summary: oneLine(o.Summary), Details: shorten(strings.TrimSpace(o.Details), detailRunes),
		Published: parseTime(o.Published), Modified: parseTime(o.Modified),
	}
	for _, r := range o.References {
		if len(a.References) == maxReferences {
			break
		}
		if r.URL != "" && len(r.URL) <= urlBytes {
			a.References = append(a.References, advisory.Reference{Type: r.Type, URL: r.URL})
		}
	}
	return a
}
