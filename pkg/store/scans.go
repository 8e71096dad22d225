package store

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/runecast/runecast/pkg/admission"
	"github.com/runecast/runecast/pkg/web"
)

// Scans implements web.Store.
func (s *Store) Scans(ctx context.Context, q *web.ScanQuery) (list []admission.Decision, next string, err error) {
	limit := pageOf(q.Limit)
	list = []admission.Decision{}
	err = steadily(ctx, func() (err error) {
		list, next, err = s.scans(ctx, q, limit)
		return err
	})
	if err != nil {
		return nil, "", fmt.Errorf("list scans: %w", err)
	}
	return list, next, nil
}

func (s *Store) scans(ctx context.Context, q *web.ScanQuery, limit int) ([]admission.Decision, string, error) {
	order, ok := orderOf(q.Sort)
	if !ok {
		return nil, "", fmt.Errorf("there is no order %q", q.Sort)
	}
	statement, args, err := s.scanStatement(ctx, q, order)
	if errors.Is(err, errNothing) {
		return []admission.Decision{}, "", nil
	}
	if err != nil {
		return nil, "", err
	}
	list, err := s.queryDecisions(ctx, withoutViolations, "("+statement+` LIMIT $`+strconv.Itoa(len(args)+1)+`) AS page
		JOIN decisions AS d ON d.id = page.id LEFT JOIN decision_images AS i ON i.decision_id = d.id
		ORDER BY `+order.by("page")+`, i.position`, append(args, limit+1))
	if err != nil || len(list) <= limit {
		return list, "", err
	}
	list = list[:limit]
	return list, order.cursor(&list[limit-1]), nil
}

// scanStatement gives the statement that chooses scans, without its limit, and its arguments. errNothing says that there are none.
func (s *Store) scanStatement(ctx context.Context, q *web.ScanQuery, order scanOrder) (string, []any, error) {
	c := &conditions{}
	if err := scanConditions(c, q); err != nil {
		return "", nil, err
	}
	if q.Before != "" {
		values, err := order.parse(q.Before)
		if err != nil {
			return "", nil, err
		}
		c.add(order.after(), values...)
	}
	few := ""
	for _, search := range searches(q) {
		found, err := s.search(ctx, search)
		if err != nil {
			return "", nil, err
		}
		switch {
		case found.few && few == "":
			few = found.from(c)
		case found.few:
			c.add("s.seq IN (SELECT scan FROM scan_terms WHERE term IN (?))", found.ids)
		default:
			found.many(c)
		}
	}
	return `SELECT s.* FROM ` + few + `scans AS s` + c.where() + ` ORDER BY ` + order.by("s"), c.args, nil
}

// scanConditions adds what the columns of scans tell.
func scanConditions(c *conditions, q *web.ScanQuery) error {
	for _, column := range []struct{ name, value string }{
		{"status", key(q.Status)}, {"verdict", key(q.Verdict)}, {"triggered", key(q.Trigger)}, {"policy_id", key(q.PolicyID)}, {"namespace", key(q.Namespace)},
	} {
		if column.value != "" {
			c.add("s."+column.name+" = ?", column.value)
		}
	}
	if !q.From.IsZero() {
		c.add("s.at >= ?", q.From.UnixMicro())
	}
	if !q.To.IsZero() {
		c.add("s.at < ?", q.To.UnixMicro())
	}
	switch q.Complies {
	case "":
	case "yes", "no":
		c.add("s.complies = ?", q.Complies == "yes")
	default:
		return errNothing
	}
	switch q.Worst {
	case "":
	case "critical", "high", "medium", "low", "unknown":
		c.add("s." + q.Worst + " > 0") // as the indexes have it
	default:
		return errNothing
	}
	return nil
}
