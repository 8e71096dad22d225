package store

import (
	"strconv"
	"strings"

	"github.com/runecast/runecast/pkg/admission"
	"github.com/runecast/runecast/pkg/web"
)

// scanOrder is an order of lists of scans: by columns, the last of which is the id, all ascending or all descending, so that a page
// goes on after the values of its last row.
type scanOrder struct {
	name    string
	columns []string
	down    bool
}

// orderOf gives the order of a name; "" is the newest first.
func orderOf(name string) (scanOrder, bool) {
	switch name {
	case "", web.SortNewest:
		return scanOrder{web.SortNewest, []string{"at", "id"}, true}, true
	case web.SortOldest:
		return scanOrder{web.SortOldest, []string{"at", "id"}, false}, true
	case web.SortWorst:
		return scanOrder{web.SortWorst, []string{"critical", "high", "medium", "low", "unknown", "at", "id"}, true}, true
	}
	return scanOrder{}, false
}

// by gives the order for a table of that name.
func (o scanOrder) by(table string) string {
	columns := make([]string, len(o.columns))
	for i, column := range o.columns {
		if columns[i] = table + "." + column; o.down {
			columns[i] += " DESC"
		}
	}
	return strings.Join(columns, ", ")
}

// after is the condition that a row comes after the values of another.
func (o scanOrder) after() string {
	sign := " > ("
	if o.down {
		sign = " < ("
	}
	return "(s." + strings.Join(o.columns, ", s.") + ")" + sign + strings.Repeat("?, ", len(o.columns)-1) + "?)"
}

// cursor names the place after a row, and the order. That of the newest first is the one that Decisions gives.
func (o scanOrder) cursor(d *admission.Decision) string {
	if o.name == web.SortNewest {
		return place(d.At, d.ID)
	}
	words := []string{o.name}
	if o.name == web.SortWorst {
		c := d.Counts()
		for _, n := range []int{c.Critical, c.High, c.Medium, c.Low, c.Unknown} {
			words = append(words, strconv.Itoa(n))
		}
	}
	words = append(words, strconv.FormatInt(d.At.UnixMicro(), 10), d.ID)
	return wordsCursor(words...)
}

// parse gives the values of a cursor of this order.
func (o scanOrder) parse(cursor string) ([]any, error) {
	if o.name == web.SortNewest {
		at, id, err := parseCursor(cursor)
		return []any{at, id}, err
	}
	numbers := make([]bool, len(o.columns)+1) // the name and the id are none
	for i := 1; i < len(o.columns); i++ {
		numbers[i] = true
	}
	values, err := cursorWords(cursor, numbers...)
	if err != nil {
		return nil, err
	}
	if values[0] != o.name {
		return nil, ErrBadCursor
	}
	return values[1:], nil
}
