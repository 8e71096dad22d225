package feed

import (
	"bytes"
	"encoding/json"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/runecast/runecast/pkg/advisory"
)

// DecodeForTest takes one record through everything up to the rows of its packages.
func DecodeForTest(text []byte) (map[string][]advisory.Row, error) {
	o, err := decodeOSV(text)
	if err != nil {
		return nil, err
	}
	r, err := interner{}.newRecord(o)
	if err != nil {
		return nil, err
	}
	k := newKnowledge(time.Time{})
	k.learn(r)
	rows := map[string][]advisory.Row{}
	for i := range r.affected {
		a := &r.affected[i]
		rows[a.ecosystem+"/"+a.name] = k.rows(a.ecosystem, []member{{record: r, affected: a}})
	}
	return rows, nil
}

// NewHolderForTest makes a holder that opens its file in another way.
func NewHolderForTest(path string, interval time.Duration, log logrus.FieldLogger, open func(string) (*advisory.Index, error)) *Holder {
	h := &Holder{path: path, interval: interval, log: log, open: open}
	h.poll()
	return h
}

// Learned is what a source of ratings says of one CVE.
type Learned struct {
	Source advisory.Source
	CVSS   []*advisory.CVSS // nil for a rating in words
	Title  string
	EPSS   *advisory.EPSS
	KEV    *advisory.KEV
}

// LearnForTest reads a source of ratings, nvd, cve, kev or epss, whose file has this text, for one CVE that matters.
func LearnForTest(source string, text []byte, cve string, latest time.Time) (Learned, error) {
	k := newKnowledge(latest)
	k.wanted[cve] = true
	l := Learned{Source: advisory.Source{Name: source}}
	var err error
	switch source {
	case "nvd":
		err = k.scanNVD(bytes.NewReader(text), &l.Source, func(int64, int64) {})
	case "kev":
		err = k.scanKEV(bytes.NewReader(text), &l.Source)
	case "epss":
		err = k.scanEPSS(bytes.NewReader(text), &l.Source)
	case "cve":
		var r *cveRecord
		if r, err = decodeCVE(text); err == nil {
			l.Source.Records = 1
			k.date(&l.Source, parseTime(r.CVEMetadata.DateUpdated))
			if k.addCVE(r) {
				l.Source.Used++
			}
		}
	}
	for _, known := range []map[string]*score{k.nvd, k.cna, k.adp} {
		if s := known[cve]; s != nil {
			l.CVSS = append(l.CVSS, s.cvss)
		}
	}
	l.Title, l.EPSS, l.KEV = k.titles[cve], k.epss[cve], k.kev[cve]
	return l, err
}

// DetailsForTest gives the part of a record that its own page shows.
func DetailsForTest(text []byte) (advisory.Advisory, error) {
	o, err := decodeOSV(text)
	if err != nil {
		return advisory.Advisory{}, err
	}
	return details(o), nil
}

// StatementForTest reads what an affected package's entry says beside versions; field is ecosystem_specific.
func StatementForTest(ecosystem string, field []byte) (notAffected bool, wontFix string) {
	a := osvAffected{EcosystemSpecific: json.RawMessage(field)}
	a.Package.Ecosystem = ecosystem
	s := interner{}.statement(&a)
	return s.notAffected, s.wontFix
}
