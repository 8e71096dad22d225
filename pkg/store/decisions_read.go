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

// DecisionFilter selects decisions; the zero value selects all, empty fields do not matter.
type DecisionFilter struct {
	Limit     int            // decisions of one page; default 100, at most 1000
	Before    string         // the cursor that the page before gave; empty: the newest
	PolicyID  string         //
	Namespace string         //
	Verdict   policy.Verdict //
	Trigger   admission.TriggerType
	Image     string    // a part of a reference of the decision's images, or one's whole digest
	From, To  time.Time // when the review arrived: from (inclusive) and to (exclusive)
	Scanned   bool      // only those that name images
	Status    string    // of web.StatusOf
	Complies  string    // yes or no: only those that comply with their policy, or do not
	Severity  string    // critical, high, medium, low or unknown: only those of which an image has such findings
}

// Decisions lists decisions, newest first, and gives the cursor of the next page, empty after the last. Pages go by the last
// decision seen, not by a count, so decisions that come in meanwhile neither repeat nor hide others.
func (s *Store) Decisions(ctx context.Context, filter DecisionFilter) ([]admission.Decision, string, error) { //nolint:gocritic // hugeParam: a value that callers write in place
	limit := filter.Limit
	if limit <= 0 {
		limit = defaultPage
	}
	limit = min(limit, maxPage)
	where, args, err := filter.where()
	if err != nil {
		return nil, "", fmt.Errorf("list decisions: %w", err)
	}
	list, err := s.findDecisions(ctx, where, append(args, limit+1))
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
	list, err := s.findDecisions(ctx, "WHERE id = $1", []any{key(id), 1})
	if err != nil {
		return nil, fmt.Errorf("read decision %s: %w", id, err)
	}
	if len(list) == 0 {
		return nil, nil //nolint:nilnil // missing is no error, as for reports
	}
	return &list[0], nil
}

// where gives the condition and its arguments.
func (f *DecisionFilter) where() (string, []any, error) {
	var conditions []string
	var args []any
	add := func(condition string, values ...any) {
		for _, value := range values {
			args = append(args, value)
			condition = strings.Replace(condition, "?", "$"+strconv.Itoa(len(args)), 1)
		}
		conditions = append(conditions, condition)
	}
	if f.PolicyID != "" {
		add("policy_id = ?", key(f.PolicyID))
	}
	if f.Namespace != "" {
		add("namespace = ?", key(f.Namespace))
	}
	if f.Verdict != "" {
		add("verdict = ?", key(f.Verdict))
	}
	f.more(add)
	if f.Before != "" {
		at, id, err := parseCursor(f.Before)
		if err != nil {
			return "", nil, err
		}
		add("(at, id) < (?, ?)", at, id)
	}
	if len(conditions) == 0 {
		return "", nil, nil
	}
	return "WHERE " + strings.Join(conditions, " AND "), args, nil
}

// more adds the conditions of lists of scans.
func (f *DecisionFilter) more(add func(condition string, values ...any)) {
	if f.Trigger != "" {
		add("triggered = ?", key(f.Trigger))
	}
	if !f.From.IsZero() {
		add("at >= ?", f.From.UnixMicro())
	}
	if !f.To.IsZero() {
		add("at < ?", f.To.UnixMicro())
	}
	f.outcome(add)
	const images = "EXISTS (SELECT 1 FROM decision_images AS x WHERE x.decision_id = decisions.id"
	switch {
	case strings.HasPrefix(f.Image, "sha256:"):
		add(images+" AND x.digest = ?)", key(f.Image))
	case f.Image != "":
		add(images+` AND x.reference LIKE ? ESCAPE '\')`, "%"+strings.NewReplacer(`\`, `\\`, "%", `\%`, "_", `\_`).Replace(key(f.Image))+"%")
	case f.Scanned:
		add(images + ")")
	}
}

// outcome adds the conditions about what came of a scan. Statuses are those of web.StatusOf.
func (f *DecisionFilter) outcome(add func(condition string, values ...any)) {
	const failed = "verdict = ? AND reason NOT IN (?, ?, ?)"
	reasons := []any{string(policy.VerdictUnknown), admission.ReasonPending, admission.ReasonStaleFeed, admission.ReasonUnknownDistro}
	switch f.Status {
	case "":
	case web.StatusRunning:
		add("reason = ?", admission.ReasonPending)
	case web.StatusFailed:
		add(failed, reasons...)
	case web.StatusSuccess:
		add("reason <> ? AND NOT ("+failed+")", append([]any{admission.ReasonPending}, reasons...)...)
	default:
		add("1 = 0")
	}
	switch f.Complies {
	case "":
	case "yes":
		add("verdict = ?", string(policy.VerdictAllow))
	case "no":
		add("verdict <> ?", string(policy.VerdictAllow))
	default:
		add("1 = 0")
	}
	columns := map[string]string{"critical": "critical", "high": "high", "medium": "medium", "low": "low + r.negligible", "unknown": "unknown"}
	if column, known := columns[f.Severity]; known {
		add("EXISTS (SELECT 1 FROM decision_images AS v JOIN reports AS r ON r.digest = v.digest AND r.feed_revision = v.feed_revision WHERE v.decision_id = decisions.id AND r." + column + " > 0)")
	} else if f.Severity != "" {
		add("1 = 0")
	}
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

// findDecisions reads decisions with their images by one statement, and so from one state of the database. The last of args is
// the limit.
func (s *Store) findDecisions(ctx context.Context, where string, args []any) ([]admission.Decision, error) {
	var list []admission.Decision
	err := steadily(ctx, func() (err error) {
		list, err = s.queryDecisions(ctx, where, args)
		return err
	})
	return list, err
}

func (s *Store) queryDecisions(ctx context.Context, where string, args []any) ([]admission.Decision, error) {
	//nolint:gosec // where is made of our own texts and placeholders
	rows, err := s.read.QueryContext(ctx, `SELECT d.id, d.review_uid, d.at, d.duration, d.triggered, d.policy_id, d.policy_name, d.mode, d.verdict,
		d.allowed, d.reason, d.message, d.operation, d.api_group, d.kind, d.namespace, d.name, d.username,
		i.reference, i.digest, i.platform, i.feed_revision, i.verdict, i.cause, i.violated, i.violations, i.exempted
		FROM (SELECT * FROM decisions `+where+` ORDER BY at DESC, id DESC LIMIT $`+strconv.Itoa(len(args))+`) AS d
		LEFT JOIN decision_images AS i ON i.decision_id = d.id
		ORDER BY d.at DESC, d.id DESC, i.position`, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	list := []admission.Decision{}
	for rows.Next() {
		decision, image, err := scanDecision(rows)
		if err != nil {
			return nil, err
		}
		if len(list) == 0 || list[len(list)-1].ID != decision.ID {
			list = append(list, *decision)
		}
		if image != nil {
			last := &list[len(list)-1]
			last.Images = append(last.Images, *image)
		}
	}
	return list, rows.Err()
}

// scanDecision reads one row: a decision and, where it has any, one of its images.
func scanDecision(rows *sql.Rows) (*admission.Decision, *admission.DecisionImage, error) {
	d := admission.Decision{Images: []admission.DecisionImage{}}
	var at int64
	var violated sql.NullInt64
	var reference, digest, platform, feed, verdict, cause, violations, exempted sql.NullString
	if err := rows.Scan(&d.ID, &d.ReviewUID, &at, &d.Duration, &d.Trigger, &d.PolicyID, &d.Policy, &d.Mode, &d.Verdict,
		&d.Allowed, &d.Reason, &d.Message, &d.Operation, &d.Group, &d.Kind, &d.Namespace, &d.Name, &d.User,
		&reference, &digest, &platform, &feed, &verdict, &cause, &violated, &violations, &exempted); err != nil {
		return nil, nil, err
	}
	d.At = time.UnixMicro(at).UTC()
	if !reference.Valid {
		return &d, nil, nil
	}
	image := admission.DecisionImage{
		Reference: reference.String, Digest: digest.String, Platform: platform.String, FeedRevision: feed.String,
		Verdict: policy.Verdict(verdict.String), Cause: cause.String, Violated: int(violated.Int64),
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
