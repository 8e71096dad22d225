package advisory

import "encoding/binary"

// The rows of a package: count and string numbers of its boundary versions, count of its rows, then per row the number of its
// vulnerability, 1 + the string number of who will not fix it or 0, its intervals (from, to, fixed, time), the string numbers of exact versions, and its doubt: 1 + the string number of
// the reason, or 0 for none and nothing after it, 1 + that of a fixed version or 0, and intervals (from, to).

// appendRows encodes the rows of one package; number gives the number of a string.
func appendRows(b []byte, bounds boundaries, vulns []int, rows []compiledRow, number func(string) int) []byte {
	b = putNumber(b, len(bounds.texts))
	for _, text := range bounds.texts {
		b = putNumber(b, number(text))
	}
	b = putNumber(b, len(rows))
	for i, row := range rows {
		b = putNumber(b, vulns[i])
		b = putOptional(b, row.wontFix, number)
		b = putNumber(b, len(row.intervals))
		for _, iv := range row.intervals {
			b = putNumber(b, iv.from)
			b = putNumber(b, iv.to)
			b = putNumber(b, iv.fixed)
			b = binary.AppendVarint(b, iv.at)
		}
		b = putNumber(b, len(row.exact))
		for _, text := range row.exact {
			b = putNumber(b, number(text))
		}
		b = row.doubt.append(b, number)
	}
	return b
}

func (d *doubt) append(b []byte, number func(string) int) []byte {
	if d.reason == "" {
		return putNumber(b, 0)
	}
	b = putNumber(b, 1+number(d.reason))
	b = putOptional(b, d.fix, number)
	b = putNumber(b, len(d.intervals))
	for _, iv := range d.intervals {
		b = putNumber(b, iv.from)
		b = putNumber(b, iv.to)
	}
	return b
}

// putOptional writes 1 + the number of a text, or 0 for an empty one.
func putOptional(b []byte, text string, number func(string) int) []byte {
	if text == "" {
		return putNumber(b, 0)
	}
	return putNumber(b, 1+number(text))
}

// packageRows reads what appendRows wrote, row by row.
type packageRows struct {
	cursor
	x      *Index
	bounds []int // string numbers, ascending by version
	rows   int   // still to read
}

// row is a decoded row. Its slices are reused by the next one.
type row struct {
	vuln      int
	wontFix   int // 1 + string number; 0: nobody says so
	intervals []interval
	exact     []int // string numbers
	uncertain int   // 1 + string number of the reason of its doubt; 0: certain
	fix       int   // 1 + string number of the doubt's fixed version; 0: none
	doubted   []interval
}

// packageRows starts reading the rows at an offset. The boundaries go into the buffer given.
func (x *Index) packageRows(offset uint64, bounds []int) packageRows {
	p := packageRows{x: x, bounds: bounds}
	if offset > uint64(len(x.rows)) {
		p.fail("rows lie outside their section")
		return p
	}
	p.b = x.rows[offset:]
	for range p.count() {
		p.bounds = append(p.bounds, p.number(x.strings.n-1))
		if p.err != nil {
			return p
		}
	}
	p.rows = p.count()
	return p
}

// next decodes one row into r; false at the end or after an error, which is in p.err.
func (p *packageRows) next(r *row) bool {
	if p.rows == 0 || p.err != nil {
		return false
	}
	p.rows--
	r.vuln = p.number(p.x.vulns.n - 1)
	r.wontFix = p.number(p.x.strings.n)
	r.intervals = r.intervals[:0]
	last := 2*len(p.bounds) + 1
	for range p.count() {
		iv := interval{from: p.number(last), to: p.number(last), fixed: p.number(len(p.bounds)), at: p.signed()}
		if p.err != nil {
			return false
		}
		r.intervals = append(r.intervals, iv)
	}
	r.exact = r.exact[:0]
	for range p.count() {
		r.exact = append(r.exact, p.number(p.x.strings.n-1))
		if p.err != nil {
			return false
		}
	}
	r.fix, r.doubted = 0, r.doubted[:0]
	if r.uncertain = p.number(p.x.strings.n); r.uncertain == 0 {
		return p.err == nil
	}
	r.fix = p.number(p.x.strings.n)
	for range p.count() {
		r.doubted = append(r.doubted, interval{from: p.number(last), to: p.number(last)})
		if p.err != nil {
			return false
		}
	}
	return p.err == nil
}
