package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/runecast/runecast/pkg/auth"
)

var _ auth.AuditStore = (*Store)(nil)

// CreateAuditEntry implements auth.AuditStore.
func (s *Store) CreateAuditEntry(ctx context.Context, e *auth.AuditEntry) error {
	if e.ID == "" {
		return errors.New("create audit entry: it has no id")
	}
	details := sql.NullString{}
	if len(e.Details) > 0 {
		plain, err := json.Marshal(e.Details)
		if err != nil {
			return fmt.Errorf("create audit entry %s: %w", e.ID, err)
		}
		// Its JSON may say \u0000, which is text for both databases.
		details = sql.NullString{String: text(string(plain)), Valid: true}
	}
	err := s.exec(ctx, `INSERT INTO audit (id, at, actor_kind, actor, actor_id, address, action, subject, details)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (id) DO NOTHING`,
		key(e.ID), e.At.UnixMicro(), text(e.Actor.Kind), key(e.Actor.Name), text(e.Actor.ID), text(e.Address), key(e.Action), key(e.Subject), details)
	if err != nil {
		return fmt.Errorf("create audit entry %s: %w", e.ID, err)
	}
	return nil
}

// AuditEntries implements auth.AuditStore. A cursor that it did not give is ErrBadCursor.
func (s *Store) AuditEntries(ctx context.Context, query *auth.AuditQuery) ([]auth.AuditEntry, string, error) {
	limit := query.Limit
	if limit <= 0 {
		limit = defaultPage
	}
	limit = min(limit, maxPage)
	where, args, err := auditWhere(query)
	if err != nil {
		return nil, "", fmt.Errorf("list the audit log: %w", err)
	}
	var list []auth.AuditEntry
	err = steadily(ctx, func() (err error) {
		list, err = s.queryAudit(ctx, where, append(args, limit+1))
		return err
	})
	if err != nil {
		return nil, "", fmt.Errorf("list the audit log: %w", err)
	}
	if len(list) <= limit {
		return list, "", nil
	}
	list = list[:limit]
	last := &list[limit-1]
	return list, place(last.At, last.ID), nil
}

// auditWhere gives the condition of a query and its arguments.
func auditWhere(query *auth.AuditQuery) (string, []any, error) {
	var conditions []string
	var args []any
	add := func(condition string, values ...any) {
		for _, value := range values {
			args = append(args, value)
			condition = strings.Replace(condition, "?", "$"+strconv.Itoa(len(args)), 1)
		}
		conditions = append(conditions, condition)
	}
	for _, column := range []struct{ name, value string }{
		{"actor_kind", string(query.Kind)}, {"actor", query.Actor}, {"action", query.Action}, {"subject", query.Subject},
	} {
		if column.value != "" {
			add(column.name+" = ?", key(column.value))
		}
	}
	if !query.From.IsZero() {
		add("at >= ?", query.From.UnixMicro())
	}
	if !query.To.IsZero() {
		add("at < ?", query.To.UnixMicro())
	}
	if query.Before != "" {
		at, id, err := parseCursor(query.Before)
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

func (s *Store) queryAudit(ctx context.Context, where string, args []any) ([]auth.AuditEntry, error) {
	//nolint:gosec // where is made of our own texts and placeholders
	rows, err := s.read.QueryContext(ctx, `SELECT id, at, actor_kind, actor, actor_id, address, action, subject, details FROM audit `+where+
		` ORDER BY at DESC, id DESC LIMIT $`+strconv.Itoa(len(args)), args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	list := []auth.AuditEntry{}
	for rows.Next() {
		var e auth.AuditEntry
		var at int64
		var details sql.NullString
		if err := rows.Scan(&e.ID, &at, &e.Actor.Kind, &e.Actor.Name, &e.Actor.ID, &e.Address, &e.Action, &e.Subject, &details); err != nil {
			return nil, err
		}
		e.At = time.UnixMicro(at).UTC()
		if details.Valid {
			if err := json.Unmarshal([]byte(details.String), &e.Details); err != nil {
				return nil, fmt.Errorf("details of entry %s: %w", e.ID, err)
			}
		}
		list = append(list, e)
	}
	return list, rows.Err()
}

// PruneAudit implements retention.Store.
func (s *Store) PruneAudit(ctx context.Context, before time.Time, limit int) (int64, error) {
	gone, err := s.execCount(ctx, `DELETE FROM audit WHERE id IN (SELECT id FROM audit WHERE at < $1 ORDER BY at, id LIMIT $2)`, before.UnixMicro(), limit)
	if err != nil {
		return 0, fmt.Errorf("delete the audit entries before %s: %w", before.UTC().Format(time.RFC3339), err)
	}
	return gone, nil
}
