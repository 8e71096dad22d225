package advisory

// appendAdvisory encodes a. Its texts are inline: few occur twice.
func appendAdvisory(b []byte, a *Advisory) []byte {
	b = putText(b, a.ID)
	for _, list := range [][]string{a.Aliases, a.Upstream} {
		b = putNumber(b, len(list))
		for _, s := range list {
			b = putText(b, s)
		}
	}
	b = putText(b, a.Summary)
	b = putText(b, a.Details)
	b = putNumber(b, len(a.References))
	for _, r := range a.References {
		b = putText(b, r.Type)
		b = putText(b, r.URL)
	}
	r := rating{
		severity: a.Severity, source: a.SeveritySource, cvss: a.CVSS, epss: a.EPSS, kev: a.KEV,
		published: a.Published, modified: a.Modified,
	}
	return r.append(b, putText)
}

func decodeAdvisory(b []byte) (Advisory, error) {
	c := &cursor{b: b}
	a := Advisory{ID: c.text()}
	a.Aliases = c.texts()
	a.Upstream = c.texts()
	a.Summary = c.text()
	a.Details = c.text()
	for range c.count() {
		a.References = append(a.References, Reference{Type: c.text(), URL: c.text()})
		if c.err != nil {
			break
		}
	}
	r := c.rating(c.text)
	a.Severity, a.SeveritySource, a.CVSS, a.EPSS, a.KEV = r.severity, r.source, r.cvss, r.epss, r.kev
	a.Published, a.Modified = r.published, r.modified
	return a, c.err
}

func (c *cursor) texts() []string {
	var list []string
	for range c.count() {
		list = append(list, c.text())
		if c.err != nil {
			break
		}
	}
	return list
}
