package store

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/runecast/runecast/pkg/advisory"
)

// countChange is what changes in a vulnerability's row: images by severity, fixable ones, all.
type countChange struct {
	severities      [advisory.SeverityCritical + 1]int64
	fixable, images int64
}

func (c *countChange) add(s summed, n int64) {
	c.severities[s.severity] += n
	c.images += n
	if s.fixable {
		c.fixable += n
	}
}

// indexChanges is what a transaction changes for vulnerabilities.
type indexChanges struct {
	added  [][2]int64 // vulnerability, image
	gone   map[int64][]int64
	counts map[int64]*countChange
}

// add notes an image's change from what was there to what will be.
func (c *indexChanges) add(image int64, before, after map[int64]summed) {
	count := func(vulnerability int64, s summed, n int64) {
		if c.counts[vulnerability] == nil {
			c.counts[vulnerability] = &countChange{}
		}
		c.counts[vulnerability].add(s, n)
	}
	for vulnerability, now := range after {
		was, had := before[vulnerability]
		if !had {
			c.added = append(c.added, [2]int64{vulnerability, image})
		} else if was != now {
			count(vulnerability, was, -1)
		}
		if !had || was != now {
			count(vulnerability, now, 1)
		}
	}
	for vulnerability, was := range before {
		if _, has := after[vulnerability]; !has {
			if c.gone == nil {
				c.gone = map[int64][]int64{}
			}
			c.gone[image] = append(c.gone[image], vulnerability)
			count(vulnerability, was, -1)
		}
	}
}

func (c *indexChanges) write(ctx context.Context, tx *transaction) error {
	for _, image := range slices.Sorted(maps.Keys(c.gone)) {
		for part := range slices.Chunk(c.gone[image], maxRows) {
			q := &conditions{args: []any{image}}
			q.add("vulnerability IN (?)", part)
			if _, err := tx.exec(ctx, `DELETE FROM findings`+q.where()+` AND image = $1`, q.args...); err != nil {
				return err
			}
		}
	}
	slices.SortFunc(c.added, func(a, b [2]int64) int { return cmp.Or(cmp.Compare(a[0], b[0]), cmp.Compare(a[1], b[1])) })
	rows := make([][]any, len(c.added))
	for i, pair := range c.added {
		rows[i] = []any{pair[0], pair[1]}
	}
	if err := tx.rowsOf(ctx, `INSERT INTO findings (vulnerability, image) VALUES $rows ON CONFLICT (vulnerability, image) DO NOTHING`, make([]string, 2), rows); err != nil {
		return err
	}
	return c.writeCounts(ctx, tx)
}

// writeCounts adds to the numbers of vulnerabilities, and has the worst severity follow from them.
func (c *indexChanges) writeCounts(ctx context.Context, tx *transaction) error {
	var rows [][]any
	for _, id := range slices.Sorted(maps.Keys(c.counts)) {
		n := c.counts[id]
		row := []any{id, n.fixable, n.images}
		for _, severity := range advisory.Severities() {
			row = append(row, n.severities[severity])
		}
		rows = append(rows, row)
	}
	columns := []string{"critical", "high", "medium", "low", "none", "unknown"}
	set, worst := []string{"fixable = v.fixable + c.column2", "images = v.images + c.column3"}, []string{}
	for i, column := range columns {
		sum := fmt.Sprintf("v.%s + c.column%d", column, i+4)
		set = append(set, column+" = "+sum)
		worst = append(worst, fmt.Sprintf("WHEN %s > 0 THEN %d", sum, advisory.Severities()[i]))
	}
	types := slices.Repeat([]string{"BIGINT"}, 9)
	return tx.rowsOf(ctx, `UPDATE vulnerabilities AS v SET `+strings.Join(set, ", ")+`, severity = CASE `+strings.Join(worst, " ")+` ELSE 0 END
		FROM (VALUES $rows) AS c WHERE v.id = c.column1`, types, rows)
}
