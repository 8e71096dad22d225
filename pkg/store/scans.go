package store

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

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
	if err := scanConditions(c, q, s.dialect); err != nil {
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
	by := order.by("s")
	if q.Sort == web.SortWorst && leading(q) != "" {
		// No index has this order: few are sorted, rather than all walked past in the order of the list.
		by = strings.Replace(by, "s.critical", "s.critical + 0", 1)
	}
	return `SELECT s.* FROM ` + few + `scans AS s` + c.where() + ` ORDER BY ` + by, c.args, nil
}

// leading names the column whose index is to lead to scans, that by which few are to be expected; "" where the order of the list leads.
func leading(q *web.ScanQuery) string {
	switch {
	case q.Namespace != "":
		return "namespace"
	case q.Status != "" && q.Status != web.StatusSuccess:
		return "status"
	case q.PolicyID != "":
		return "policy_id"
	case q.Sort == web.SortWorst || q.Worst != "":
		return ""
	case q.Verdict != "":
		return "verdict"
	case q.Trigger != "":
		return "triggered"
	case q.Status != "":
		return "status"
	}
	return "complies"
}

// scanConditions adds what the columns of scans tell. SQLite, which knows nothing of how much a value has, is kept by a plus sign from
// being led by another column than the leading one (https://www.sqlite.org/optoverview.html#uplus).
func scanConditions(c *conditions, q *web.ScanQuery, d dialect) error {
	lead := leading(q)
	equal := func(column string, value any) {
		if d == dialectSQLite && column != lead {
			c.add("+s."+column+" = ?", value)
			return
		}
		c.add("s."+column+" = ?", value)
	}
	for _, column := range []struct{ name, value string }{
		{"status", key(q.Status)}, {"verdict", key(q.Verdict)}, {"triggered", key(q.Trigger)}, {"policy_id", key(q.PolicyID)}, {"namespace", key(q.Namespace)},
	} {
		if column.value != "" {
			equal(column.name, column.value)
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
		equal("complies", q.Complies == "yes")
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
