package store

import (
	"context"
	"database/sql"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/runecast/runecast/pkg/admission"
	"github.com/runecast/runecast/pkg/policy"
	"github.com/runecast/runecast/pkg/web"
)

const (
	defaultPage = 100
	maxPage     = 1000
)

// ErrBadCursor says that a cursor is none that Decisions gave.
var ErrBadCursor error = cursorError{}

type cursorError struct{}

// Error implements error.
func (cursorError) Error() string { return "the cursor is not valid: start again without one" }

// BadCursor tells callers that do not import this package.
func (cursorError) BadCursor() bool { return true }

// FindDecisions implements web.DecisionReader.
func (s *Store) FindDecisions(ctx context.Context, q *web.DecisionQuery) ([]admission.Decision, string, error) {
	return s.listDecisions(ctx, q)
}

// DecisionFilter selects decisions; the zero value selects all, empty fields do not matter.
type DecisionFilter struct {
	Limit     int            // decisions of one page; default 100, at most 1000
	Before    string         // the cursor that the page before gave; empty: the newest
	PolicyID  string         //
	Namespace string         //
	Verdict   policy.Verdict //
}

// Decisions lists decisions, newest first, and gives the cursor of the next page, empty after the last. Pages go by the last
// decision seen, not by a count, so decisions that come in meanwhile neither repeat nor hide others.
func (s *Store) Decisions(ctx context.Context, filter DecisionFilter) ([]admission.Decision, string, error) {
	return s.listDecisions(ctx, &web.DecisionQuery{
		Limit: filter.Limit, Before: filter.Before, PolicyID: filter.PolicyID, Namespace: filter.Namespace, Verdict: filter.Verdict,
	})
}

func (s *Store) listDecisions(ctx context.Context, q *web.DecisionQuery) ([]admission.Decision, string, error) {
	limit := q.Limit
	if limit <= 0 {
		limit = defaultPage
	}
	limit = min(limit, maxPage)
	c, err := decisionConditions(q)
	if err != nil {
		return nil, "", fmt.Errorf("list decisions: %w", err)
	}
	list, err := s.findDecisions(ctx, withViolations, c.where(), append(c.args, limit+1))
	if err != nil {
		return nil, "", fmt.Errorf("list decisions: %w", err)
	}
	if len(list) <= limit {
		return list, "", nil
	}
	list = list[:limit]
	return list, place(list[limit-1].At, list[limit-1].ID), nil
}

// Decision gives one decision; nil without an error when there is none of that id.
func (s *Store) Decision(ctx context.Context, id string) (*admission.Decision, error) {
	list, err := s.findDecisions(ctx, withViolations, "WHERE id = $1", []any{key(id), 1})
	if err != nil {
		return nil, fmt.Errorf("read decision %s: %w", id, err)
	}
	if len(list) == 0 {
		return nil, nil //nolint:nilnil // missing is no error, as for reports
	}
	return &list[0], nil
}

// decisionConditions gives what decisions have to meet.
func decisionConditions(q *web.DecisionQuery) (*conditions, error) {
	c := &conditions{}
	for _, column := range []struct{ name, value string }{
		{"policy_id", q.PolicyID},
		{"policy_revision", q.PolicyRevision},
		{"namespace", q.Namespace},
		{"verdict", string(q.Verdict)},
		{"triggered", string(q.Trigger)},
		{"reason", q.Reason},
		{"kind", q.Kind},
		{"name", q.Name},
		{"username", q.User},
	} {
		if column.value != "" {
			c.add(column.name+" = ?", key(column.value))
		}
	}
	if q.Allowed != "" {
		c.add("allowed = ?", q.Allowed == "yes")
	}
	if !q.From.IsZero() {
		c.add("at >= ?", q.From.UnixMicro())
	}
	if !q.To.IsZero() {
		c.add("at < ?", q.To.UnixMicro())
	}
	if q.Before != "" {
		at, id, err := parseCursor(q.Before)
		if err != nil {
			return nil, err
		}
		c.add("(at, id) < (?, ?)", at, id)
	}
	return c, nil
}

// place is the cursor of the place after a row.
func place(at time.Time, id string) string {
	return base64.RawURLEncoding.EncodeToString([]byte(strconv.FormatInt(at.UnixMicro(), 10) + " " + id))
}

func parseCursor(text string) (int64, string, error) {
	plain, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		return 0, "", ErrBadCursor
	}
	micros, id, found := strings.Cut(string(plain), " ")
	at, err := strconv.ParseInt(micros, 10, 64)
	if err != nil || !found || id == "" || key(id) != id {
		return 0, "", ErrBadCursor
	}
	return at, id, nil
}

// The columns of images that are most of a decision, and none in their place.
const (
	withViolations    = "i.violations, i.exempted"
	withoutViolations = "NULL, NULL"
)

// findDecisions reads decisions with their images by one statement, and so from one state of the database. The last of args is
// the limit.
func (s *Store) findDecisions(ctx context.Context, large, where string, args []any) (list []admission.Decision, err error) {
	from := `(SELECT * FROM decisions ` + where + ` ORDER BY at DESC, id DESC LIMIT $` + strconv.Itoa(len(args)) + `) AS d
		LEFT JOIN decision_images AS i ON i.decision_id = d.id ORDER BY d.at DESC, d.id DESC, i.position`
	err = steadily(ctx, func() (err error) {
		list, err = s.queryDecisions(ctx, large, from, args)
		return err
	})
	return list, err
}

// queryDecisions reads decisions. large is withViolations or withoutViolations.
func (s *Store) queryDecisions(ctx context.Context, large, from string, args []any) ([]admission.Decision, error) {
	rows, err := s.reader.QueryContext(ctx, `SELECT d.id, d.review_uid, d.at, d.duration, d.triggered, d.policy_id, d.policy_name, d.mode, d.verdict,
		d.allowed, d.reason, d.message, d.operation, d.api_group, d.kind, d.namespace, d.name, d.username, d.policy_revision,
		i.reference, i.digest, i.platform, i.feed_revision, i.verdict, i.cause, i.violated, i.outcome, i.critical, i.high, i.medium, i.low, i.unknown, `+
		large+` FROM `+from, args...)
	if err != nil {
		return nil, err
	}
	list := []admission.Decision{}
	err = eachRow(rows, func(rows *sql.Rows) error {
		decision, image, failure := scanDecision(rows)
		if failure != nil {
			return failure
		}
		if len(list) == 0 || list[len(list)-1].ID != decision.ID {
			list = append(list, *decision)
		}
		if image != nil {
			last := &list[len(list)-1]
			last.Images = append(last.Images, *image)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return list, nil
}

// scanDecision reads one row: a decision and, where it has any, one of its images.
func scanDecision(rows *sql.Rows) (*admission.Decision, *admission.DecisionImage, error) {
	d := admission.Decision{Images: []admission.DecisionImage{}}
	var at int64
	var violated sql.NullInt64
	var counts [5]sql.NullInt64
	var reference, digest, platform, feed, verdict, cause, outcome, violations, exempted sql.NullString
	if err := rows.Scan(&d.ID, &d.ReviewUID, &at, &d.Duration, &d.Trigger, &d.PolicyID, &d.Policy, &d.Mode, &d.Verdict,
		&d.Allowed, &d.Reason, &d.Message, &d.Operation, &d.Group, &d.Kind, &d.Namespace, &d.Name, &d.User, &d.PolicyRevision,
		&reference, &digest, &platform, &feed, &verdict, &cause, &violated, &outcome,
		&counts[0], &counts[1], &counts[2], &counts[3], &counts[4], &violations, &exempted); err != nil {
		return nil, nil, err
	}
	d.At = time.UnixMicro(at).UTC()
	if !reference.Valid {
		return &d, nil, nil
	}
	image := admission.DecisionImage{
		Reference: reference.String, Digest: digest.String, Platform: platform.String, FeedRevision: feed.String,
		Outcome: policy.Outcome(outcome.String), Verdict: policy.Verdict(verdict.String), Cause: cause.String, Violated: int(violated.Int64),
	}
	if counts[0].Valid {
		image.Counts = &admission.Counts{
			Critical: int(counts[0].Int64), High: int(counts[1].Int64), Medium: int(counts[2].Int64), Low: int(counts[3].Int64), Unknown: int(counts[4].Int64),
		}
	}
	for column, list := range map[*sql.NullString]any{&violations: &image.Violations, &exempted: &image.Exempted} {
		if !column.Valid {
			continue
		}
		if err := json.Unmarshal([]byte(column.String), list); err != nil {
			return nil, nil, fmt.Errorf("decision %s, image %s: %w", d.ID, image.Reference, err)
		}
	}
	return &d, &image, nil
}
