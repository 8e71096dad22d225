package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/runecast/runecast/pkg/notify"
)

const notificationColumns = `id, destination, kind, state, content, created_at, attempts, due_at, settled_at, error`

func scanNotifications(rows *sql.Rows) ([]notify.Notification, error) {
	defer rows.Close()
	list := []notify.Notification{}
	for rows.Next() {
		var n notify.Notification
		var content string
		var created, due int64
		var settled sql.NullInt64
		if err := rows.Scan(&n.ID, &n.Destination, &n.Kind, &n.State, &content, &created, &n.Attempts, &due, &settled, &n.Error); err != nil {
			return nil, err
		}
		if err := json.Unmarshal([]byte(content), &n.Content); err != nil {
			return nil, fmt.Errorf("notification %s: the stored content is damaged: %w", n.ID, err)
		}
		n.CreatedAt, n.SettledAt = time.UnixMicro(created).UTC(), timeOf(settled)
		if n.State == notify.StateWaiting {
			n.DueAt = time.UnixMicro(due).UTC()
		}
		list = append(list, n)
	}
	return list, rows.Err()
}

// Notifications implements notify.Mailbox. A page has 100 where the limit is not positive, and at most 1000.
func (s *Store) Notifications(ctx context.Context, q notify.Query) (list []notify.Notification, next string, err error) {
	limit := q.Limit
	if limit <= 0 {
		limit = defaultPage
	}
	limit = min(limit, maxPage)
	where, args := "WHERE 1 = 1", []any{limit + 1}
	add := func(condition string, values ...any) {
		for _, value := range values {
			args = append(args, value)
			condition = strings.Replace(condition, "?", "$"+strconv.Itoa(len(args)), 1)
		}
		where += " AND " + condition
	}
	if q.State != "" {
		add("state = ?", key(q.State))
	}
	if q.Destination != "" {
		add("destination = ?", key(q.Destination))
	}
	if q.Before != "" {
		at, id, failure := parseCursor(q.Before)
		if failure != nil {
			return nil, "", fmt.Errorf("list notifications: %w", failure)
		}
		add("(created_at, id) < (?, ?)", at, id)
	}
	err = steadily(ctx, func() error {
		//nolint:gosec // where is made of our own texts and placeholders
		rows, failure := s.read.QueryContext(ctx, `SELECT `+notificationColumns+` FROM notifications `+where+` ORDER BY created_at DESC, id DESC LIMIT $1`, args...)
		if failure != nil {
			return failure
		}
		list, failure = scanNotifications(rows)
		return failure
	})
	if err != nil {
		return nil, "", fmt.Errorf("list notifications: %w", err)
	}
	if len(list) > limit {
		list = list[:limit]
		next = place(list[limit-1].CreatedAt, list[limit-1].ID)
	}
	return list, next, nil
}

// NotificationCounts implements notify.Mailbox.
func (s *Store) NotificationCounts(ctx context.Context) (counts map[notify.State]int64, err error) {
	err = steadily(ctx, func() error {
		rows, failure := s.read.QueryContext(ctx, `SELECT state, count(*) FROM notifications GROUP BY state`)
		if failure != nil {
			return failure
		}
		defer rows.Close()
		counts = map[notify.State]int64{}
		for rows.Next() {
			var state notify.State
			var n int64
			if failure := rows.Scan(&state, &n); failure != nil {
				return failure
			}
			counts[state] = n
		}
		return rows.Err()
	})
	if err != nil {
		return nil, fmt.Errorf("count notifications: %w", err)
	}
	return counts, nil
}

// RetryNotification implements notify.Mailbox.
func (s *Store) RetryNotification(ctx context.Context, id string, now time.Time) (bool, error) {
	rows, err := s.execCount(ctx, `UPDATE notifications SET state = $1, due_at = $2, settled_at = NULL, attempts = 0 WHERE id = $3 AND state = $4`,
		key(notify.StateWaiting), now.UnixMicro(), key(id), key(notify.StateDead))
	if err != nil {
		return false, fmt.Errorf("retry notification %s: %w", id, err)
	}
	return rows > 0, nil
}

// DiscardNotification implements notify.Mailbox.
func (s *Store) DiscardNotification(ctx context.Context, id string) (bool, error) {
	rows, err := s.execCount(ctx, `DELETE FROM notifications WHERE id = $1 AND state = $2`, key(id), key(notify.StateDead))
	if err != nil {
		return false, fmt.Errorf("discard notification %s: %w", id, err)
	}
	return rows > 0, nil
}
