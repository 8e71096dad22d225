package store

import (
	"context"
	"database/sql"
	"strings"

	"github.com/runecast/runecast/pkg/web"
)

// fewScans is up to how many scans a search gathers and sorts. Where more have a term, a walk in the order of the list comes upon a page of
// them soon.
const fewScans = 5000

// searching is a text that scans are searched by.
type searching struct {
	kind, text string
	whole      bool // not a part
}

// searches lists what of a query is a search.
func searches(q *web.ScanQuery) []searching {
	var all []searching
	add := func(kind, text string) {
		if text != "" {
			all = append(all, searching{kind: kind, text: searchable(text)})
		}
	}
	if strings.HasPrefix(q.Image, "sha256:") {
		all = append(all, searching{termDigest, key(q.Image), true})
	} else {
		add(termImage, q.Image)
	}
	add(termName, q.Name)
	add(termUser, q.User)
	return all
}

// condition chooses the terms that a text is in.
func (s *searching) condition() (string, []any) {
	if s.whole {
		return "kind = ? AND text = ?", []any{s.kind, s.text}
	}
	return `kind = ? AND text LIKE ? ESCAPE '\'`, []any{s.kind, "%" + literally(s.text) + "%"}
}

// literally gives a text as a part of a pattern of LIKE that is escaped by backslashes.
func literally(text string) string {
	return strings.NewReplacer(`\`, `\\`, "%", `\%`, "_", `\_`).Replace(text)
}

// found is what a search found: the terms, where few scans have them.
type found struct {
	searching

	few bool
	ids []int64
}

// search looks how many scans have the text. errNothing says that none has.
func (s *Store) search(ctx context.Context, what searching) (*found, error) {
	c := &conditions{}
	condition, values := what.condition()
	c.add(condition, values...)
	f := &found{searching: what}
	var sum int64
	err := s.each(ctx, `SELECT id, uses FROM terms`+c.where()+` AND uses > 0`, c.args, func(rows *sql.Rows) error {
		var id, uses int64
		if failure := rows.Scan(&id, &uses); failure != nil {
			return failure
		}
		if sum += uses; sum <= fewScans {
			f.ids = append(f.ids, id)
		}
		return nil
	})
	switch {
	case err != nil:
		return nil, err
	case sum == 0:
		return nil, errNothing
	}
	f.few = sum <= fewScans
	return f, nil
}

// from is what few scans are gathered from, to be joined before the table of scans.
func (f *found) from(c *conditions) string {
	from := c.fill("(SELECT DISTINCT scan FROM scan_terms WHERE term IN (?)) AS few CROSS JOIN ", f.ids)
	c.add("s.seq = few.scan")
	return from
}

// many is the condition of each scan on the walk past them. PostgreSQL would turn EXISTS into a join with all terms of all scans, and
// SQLite, but for the plus sign, look for each of the terms in turn.
func (f *found) many(c *conditions) {
	condition, values := f.condition()
	c.add(`(SELECT COUNT(*) FROM scan_terms AS l WHERE l.scan = s.seq AND +l.term IN (SELECT id FROM terms WHERE `+condition+`)) > 0`, values...)
}
