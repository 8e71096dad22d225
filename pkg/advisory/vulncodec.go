package advisory

import (
	"encoding/binary"
	"time"
)

// Bits that say which optional parts a record has.
const (
	hasCVSS = 1 << iota
	hasEPSS
	hasKEV
	hasRansomware
	hasPublished
	hasModified
)

// rating is what vulnerabilities and advisories have in common.
type rating struct {
	severity  Severity
	source    string
	cvss      *CVSS
	epss      *EPSS
	kev       *KEV
	published time.Time
	modified  time.Time
}

func (r *rating) flags() byte {
	var f byte
	for bit, set := range map[byte]bool{
		hasCVSS: r.cvss != nil, hasEPSS: r.epss != nil, hasKEV: r.kev != nil,
		hasRansomware: r.kev != nil && r.kev.Ransomware, hasPublished: !r.published.IsZero(), hasModified: !r.modified.IsZero(),
	} {
		if set {
			f |= bit
		}
	}
	return f
}

func (r *rating) append(b []byte, put func([]byte, string) []byte) []byte {
	b = append(b, byte(r.severity), r.flags())
	b = put(b, r.source)
	if r.cvss != nil {
		b = put(b, r.cvss.Version)
		b = put(b, r.cvss.Vector)
		b = putFloat(b, r.cvss.Score)
	}
	if r.epss != nil {
		b = putFloat(b, r.epss.Probability)
		b = putFloat(b, r.epss.Percentile)
	}
	if r.kev != nil {
		b = put(b, r.kev.DateAdded)
		b = put(b, r.kev.DueDate)
	}
	if !r.published.IsZero() {
		b = binary.AppendVarint(b, r.published.Unix())
	}
	if !r.modified.IsZero() {
		b = binary.AppendVarint(b, r.modified.Unix())
	}
	return b
}

func (c *cursor) rating(text func() string) rating {
	r := rating{severity: Severity(c.byte())}
	flags := c.byte()
	r.source = text()
	if r.severity > SeverityCritical {
		c.fail("severity %d is none", r.severity)
		return rating{}
	}
	if flags&hasCVSS != 0 {
		r.cvss = &CVSS{Version: text(), Vector: text(), Score: c.float()}
	}
	if flags&hasEPSS != 0 {
		r.epss = &EPSS{Probability: c.float(), Percentile: c.float()}
	}
	if flags&hasKEV != 0 {
		r.kev = &KEV{DateAdded: text(), DueDate: text(), Ransomware: flags&hasRansomware != 0}
	}
	if flags&hasPublished != 0 {
		r.published = time.Unix(c.signed(), 0).UTC()
	}
	if flags&hasModified != 0 {
		r.modified = time.Unix(c.signed(), 0).UTC()
	}
	return r
}

// appendVulnerability encodes v; its texts are string numbers, since most occur many times.
func appendVulnerability(b []byte, v *Vulnerability, number func(string) int) []byte {
	put := func(b []byte, s string) []byte { return putNumber(b, number(s)) }
	b = put(b, v.ID)
	b = put(b, v.Advisory)
	b = putNumber(b, len(v.Aliases))
	for _, a := range v.Aliases {
		b = put(b, a)
	}
	b = put(b, v.Summary)
	r := rating{severity: v.Severity, source: v.SeveritySource, cvss: v.CVSS, epss: v.EPSS, kev: v.KEV, published: v.Published}
	return r.append(b, put)
}

// vulnerability decodes one by its number. All of it is copied.
func (x *Index) vulnerability(i int) (*Vulnerability, error) {
	b, err := x.vulns.record(i)
	if err != nil {
		return nil, err
	}
	c := &cursor{b: b}
	text := func() string {
		s, err := x.strings.text(c.number(x.strings.n - 1))
		if err != nil {
			c.fail("%w", err)
		}
		return s
	}
	v := &Vulnerability{ID: text(), Advisory: text()}
	if n := c.count(); n > 0 {
		v.Aliases = make([]string, n)
		for i := range v.Aliases {
			v.Aliases[i] = text()
		}
	}
	v.Summary = text()
	r := c.rating(text)
	v.Severity, v.SeveritySource, v.CVSS, v.EPSS, v.KEV, v.Published = r.severity, r.source, r.cvss, r.epss, r.kev, r.published
	return v, c.err
}
