package store

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/runecast/runecast/pkg/notify"
)

var (
	_ notify.Recording = (*Store)(nil)
	_ notify.Outbox    = (*Store)(nil)
	_ notify.Mailbox   = (*Store)(nil)
)

// putTries is how often a group's row is looked for again that another process made or sealed meanwhile.
const putTries = 5

// putNotifications puts drafts into the outbox. Everybody takes the rows in the same order, so that nobody waits in a circle.
func (s *Store) putNotifications(ctx context.Context, tx *sql.Tx, drafts []notify.Draft) error {
	if len(drafts) == 0 {
		return nil
	}
	all := notify.Collect(drafts)
	for len(all) > 0 {
		n := 1 // drafts to the same destination
		for n < len(all) && all[n].Destination == all[0].Destination {
			n++
		}
		if err := s.putDestination(ctx, tx, all[:n]); err != nil {
			return fmt.Errorf("put a notification to %s into the outbox: %w", all[0].Destination, err)
		}
		all = all[n:]
	}
	return nil
}

// putDestination puts the drafts to one destination; what goes beyond its limit is counted in one row, which comes last. The time
// is that of the events.
func (s *Store) putDestination(ctx context.Context, tx *sql.Tx, drafts []notify.Draft) error {
	var recent int
	var now time.Time
	for i := range drafts {
		if last := drafts[i].Content.Last; last.After(now) {
			now = last
		}
	}
	err := tx.QueryRowContext(ctx, `SELECT count(*) FROM notifications WHERE destination = $1 AND created_at > $2`,
		key(drafts[0].Destination), now.Add(-time.Hour).UnixMicro()).Scan(&recent)
	if err != nil {
		return err
	}
	var beyond []notify.Draft
	for i := range drafts {
		d := &drafts[i]
		made, full, err := s.putDraft(ctx, tx, d, d.MaxPerHour > 0 && recent >= d.MaxPerHour)
		switch {
		case err != nil:
			return err
		case full:
			beyond = append(beyond, d.Beyond())
		case made:
			recent++
		}
	}
	beyond = notify.Collect(beyond) // one
	for i := range beyond {
		if _, _, err := s.putDraft(ctx, tx, &beyond[i], false); err != nil {
			return err
		}
	}
	return nil
}

// lastOfGroup is the newest row of a group.
type lastOfGroup struct {
	id      string
	slot    int64
	sealed  bool
	endsAt  int64
	content string
}

// putDraft joins a draft to its group's row if that was not sent yet, else makes one, unless there are too many already.
func (s *Store) putDraft(ctx context.Context, tx *sql.Tx, d *notify.Draft, tooMany bool) (made, full bool, err error) {
	for range putTries {
		last, err := s.lastOfGroup(ctx, tx, d)
		if err != nil {
			return false, false, err
		}
		if last != nil && !last.sealed && json.Valid([]byte(last.content)) { // a damaged row is no reason to lose a decision
			joined, failure := join(ctx, tx, last, d)
			if failure != nil || joined {
				return false, false, failure
			}
			continue
		}
		if tooMany {
			return false, true, nil
		}
		if made, err = insertNotification(ctx, tx, last, d); err != nil || made {
			return made, false, err
		}
	}
	return false, false, errors.New("its row changes all the time")
}

func (s *Store) lastOfGroup(ctx context.Context, tx *sql.Tx, d *notify.Draft) (*lastOfGroup, error) {
	lock := ""
	if s.dialect == dialectPostgres { // SQLite has one writer at a time
		lock = " FOR UPDATE"
	}
	last := &lastOfGroup{}
	err := tx.QueryRowContext(ctx, `SELECT id, slot, sealed, ends_at, content FROM notifications
		WHERE destination = $1 AND group_key = $2 ORDER BY slot DESC LIMIT 1`+lock, key(d.Destination), key(d.Group)).
		Scan(&last.id, &last.slot, &last.sealed, &last.endsAt, &last.content)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil //nolint:nilnil // the first of its group
	}
	return last, err
}

// join adds a draft's events to a row, unless it was sealed meanwhile.
func join(ctx context.Context, tx *sql.Tx, last *lastOfGroup, d *notify.Draft) (bool, error) {
	var content notify.Content
	if err := json.Unmarshal([]byte(last.content), &content); err != nil {
		return false, fmt.Errorf("notification %s: the stored content is damaged: %w", last.id, err)
	}
	content.Add(&d.Content)
	encoded, err := json.Marshal(&content)
	if err != nil {
		return false, err
	}
	result, err := tx.ExecContext(ctx, `UPDATE notifications SET content = $1 WHERE id = $2 AND NOT sealed`, text(string(encoded)), last.id)
	if err != nil {
		return false, err
	}
	rows, err := result.RowsAffected()
	return rows > 0, err
}

// insertNotification makes a row, unless another process made it meanwhile. One that follows within the window of the row before waits for that window's
// end, and collects what comes until then.
func insertNotification(ctx context.Context, tx *sql.Tx, last *lastOfGroup, d *notify.Draft) (bool, error) {
	now := d.Content.Last
	slot, due, ends := int64(0), now.Add(d.Settle), now.Add(d.Window)
	if last != nil {
		slot = last.slot + 1
		if end := time.UnixMicro(last.endsAt); end.After(now) {
			due, ends = end, end.Add(d.Window)
		}
	}
	encoded, err := json.Marshal(&d.Content)
	if err != nil {
		return false, err
	}
	result, err := tx.ExecContext(ctx, `INSERT INTO notifications
		(id, destination, group_key, slot, kind, state, sealed, content, created_at, ends_at, due_at, attempts, lease, lease_until, error)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, 0, '', 0, '') ON CONFLICT (destination, group_key, slot) DO NOTHING`,
		uuid.NewString(), key(d.Destination), key(d.Group), slot, key(d.Kind), key(notify.StateWaiting), false, text(string(encoded)),
		now.UnixMicro(), ends.UnixMicro(), due.UnixMicro())
	if err != nil {
		return false, err
	}
	rows, err := result.RowsAffected()
	return rows > 0, err
}

// ClaimNotifications implements notify.Outbox. It is not done again where a connection was lost: what was claimed then comes back when its lease ends.
func (s *Store) ClaimNotifications(ctx context.Context, c notify.Claim) ([]notify.Notification, error) { //nolint:gocritic // hugeParam: a value cannot be changed meanwhile
	skip := ""
	if s.dialect == dialectPostgres {
		skip = " FOR UPDATE SKIP LOCKED"
	}
	// Most looks find nothing, and write nothing then.
	var due int
	err := steadily(ctx, func() error {
		return s.read.QueryRowContext(ctx, `SELECT count(*) FROM (SELECT 1 FROM notifications WHERE destination = $1 AND state = $2 AND due_at <= $3 AND lease_until < $3 LIMIT 1) AS n`,
			key(c.Destination), key(notify.StateWaiting), c.Now.UnixMicro()).Scan(&due)
	})
	if err != nil {
		return nil, fmt.Errorf("look for notifications to %s: %w", c.Destination, err)
	}
	if due == 0 {
		return nil, nil
	}
	rows, err := s.write.QueryContext(ctx, `WITH due AS MATERIALIZED (SELECT id FROM notifications
			WHERE destination = $4 AND state = $5 AND due_at <= $6 AND lease_until < $6 ORDER BY due_at, id LIMIT $7`+skip+`)
		UPDATE notifications SET sealed = $1, lease = $2, lease_until = $3, attempts = attempts + 1 WHERE id IN (SELECT id FROM due)
		RETURNING `+notificationColumns,
		true, key(c.Lease), c.Until.UnixMicro(), key(c.Destination), key(notify.StateWaiting), c.Now.UnixMicro(), c.Limit)
	if err != nil {
		return nil, fmt.Errorf("claim notifications to %s: %w", c.Destination, err)
	}
	list, err := scanNotifications(rows)
	if err != nil {
		return nil, fmt.Errorf("claim notifications to %s: %w", c.Destination, err)
	}
	slices.SortFunc(list, func(a, b notify.Notification) int {
		return cmp.Or(a.DueAt.Compare(b.DueAt), strings.Compare(a.ID, b.ID))
	})
	return list, nil
}

// SettleNotification implements notify.Outbox.
func (s *Store) SettleNotification(ctx context.Context, id, lease string, o notify.Outcome) (bool, error) { //nolint:gocritic // hugeParam: a value cannot be changed meanwhile
	settled, due, untried := sql.NullInt64{}, o.DueAt, 0
	if o.State != notify.StateWaiting {
		settled, due = moment(o.At), o.At
	}
	if o.Again {
		untried = 1
	}
	rows, err := s.execCount(ctx, `UPDATE notifications SET state = $1, due_at = $2, settled_at = $3, error = $4, lease = '', lease_until = 0, attempts = attempts - $5
		WHERE id = $6 AND lease = $7`, key(o.State), due.UnixMicro(), settled, text(o.Error), untried, key(id), key(lease))
	if err != nil {
		return false, fmt.Errorf("note what came of notification %s: %w", id, err)
	}
	return rows > 0, nil
}

// PruneNotifications implements notify.Outbox.
func (s *Store) PruneNotifications(ctx context.Context, before time.Time, limit int) (int64, error) {
	gone, err := s.execCount(ctx, `DELETE FROM notifications WHERE id IN (
		SELECT id FROM notifications WHERE created_at < $1 AND COALESCE(settled_at, created_at) < $1 ORDER BY created_at, id LIMIT $2)`, before.UnixMicro(), limit)
	if err != nil {
		return 0, fmt.Errorf("delete the notifications before %s: %w", before.UTC().Format(time.RFC3339), err)
	}
	return gone, nil
}
