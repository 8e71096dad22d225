package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/runecast/runecast/pkg/notify"
	"github.com/runecast/runecast/pkg/rematch"
	"github.com/runecast/runecast/pkg/scan"
)

// rematchLock is the key of PostgreSQL's advisory lock for re-matching, a number of our own.
const rematchLock = 0x72756e656d61

// pruneBatch is how many reports are deleted at a time, so that other writers get their turns.
const pruneBatch = 500

// lateFor is how long an image that is late waits for its inventory to be stored.
const lateFor = 24 * time.Hour

// Inventories implements rematch.Store.
func (s *Store) Inventories(ctx context.Context, q rematch.Query) ([]rematch.Stored, error) {
	var page []rematch.Stored
	err := steadily(ctx, func() (err error) {
		page, err = s.inventories(ctx, q)
		return err
	})
	if err == nil && len(page) > 0 {
		err = steadily(ctx, func() error { return s.judged(ctx, page, q.Revision) })
	}
	if err != nil {
		return nil, fmt.Errorf("list inventories: %w", err)
	}
	return page, nil
}

func (s *Store) inventories(ctx context.Context, q rematch.Query) ([]rematch.Stored, error) {
	statement := `SELECT digest, document, 0 FROM inventories WHERE digest > $1 ORDER BY digest LIMIT $2`
	if q.Late {
		statement = `SELECT i.digest, i.document, l.count FROM rematch_late AS l JOIN inventories AS i ON i.digest = l.digest
			WHERE l.digest > $1 ORDER BY l.digest LIMIT $2`
	}
	rows, err := s.read.QueryContext(ctx, statement, q.After, q.Limit)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var page []rematch.Stored
	for rows.Next() {
		var stored rematch.Stored
		var packed []byte
		if err := rows.Scan(&stored.Digest, &packed, &stored.Late); err != nil {
			return nil, err
		}
		stored.Load = func() (*scan.Contents, error) {
			contents := &scan.Contents{}
			if err := s.codec.unpack(packed, contents); err != nil {
				return nil, fmt.Errorf("inventory of %s: the stored document is damaged: %w", stored.Digest, err)
			}
			return contents, nil
		}
		page = append(page, stored)
	}
	return page, rows.Err()
}

// judged finds the last verdict of each image of a page under each policy: of a decision at another feed revision, or a flip.
func (s *Store) judged(ctx context.Context, page []rematch.Stored, revision string) error {
	args := []any{key(revision)}
	places := make([]string, len(page))
	byDigest := make(map[string]*rematch.Stored, len(page))
	for i := range page {
		page[i].Judged = nil
		byDigest[page[i].Digest] = &page[i]
		args = append(args, page[i].Digest)
		places[i] = "$" + strconv.Itoa(len(args))
	}
	list := strings.Join(places, ", ")
	//nolint:gosec // the list has placeholders alone
	rows, err := s.read.QueryContext(ctx, `SELECT digest, policy_id, reference, verdict, feed_revision, at FROM (
		SELECT digest, policy_id, reference, verdict, feed_revision, at,
			ROW_NUMBER() OVER (PARTITION BY digest, policy_id ORDER BY at DESC, source DESC, id DESC) AS place FROM (
			SELECT i.digest, d.policy_id, i.reference, i.verdict, i.feed_revision, d.at, d.id, 0 AS source
			FROM decision_images AS i JOIN decisions AS d ON d.id = i.decision_id
			WHERE i.digest IN (`+list+`) AND i.feed_revision <> '' AND i.feed_revision <> $1 AND NOT EXISTS (SELECT 1 FROM flips AS f
				WHERE f.digest = i.digest AND f.policy_id = d.policy_id AND f.to_revision = $1 AND f.from_revision = i.feed_revision)
			UNION ALL
			SELECT digest, policy_id, reference, to_verdict, to_revision, at, '', 1 FROM flips WHERE digest IN (`+list+`)
		) AS verdicts) AS ranked WHERE place = 1 ORDER BY digest, at DESC, policy_id`, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var digest string
		var at int64
		var j rematch.Judged
		if err := rows.Scan(&digest, &j.PolicyID, &j.Reference, &j.Verdict, &j.Revision, &at); err != nil {
			return err
		}
		j.At = time.UnixMicro(at).UTC()
		if stored := byDigest[digest]; stored != nil {
			stored.Judged = append(stored.Judged, j)
		}
	}
	return rows.Err()
}

// PutFlips implements rematch.Store.
func (s *Store) PutFlips(ctx context.Context, page []rematch.Stored, flips []rematch.Flip) ([]rematch.Flip, error) {
	return s.PutFlipsNotifying(ctx, page, flips, func(*rematch.Flip) []notify.Draft { return nil })
}

// PutFlipsNotifying implements notify.Recording.
func (s *Store) PutFlipsNotifying(ctx context.Context, page []rematch.Stored, flips []rematch.Flip, plan func(*rematch.Flip) []notify.Draft) (fresh []rematch.Flip, err error) {
	late := 0
	for i := range page {
		if page[i].Late != 0 {
			late++
		}
	}
	if late == 0 && len(flips) == 0 {
		return nil, nil
	}
	err = steadily(ctx, func() (err error) {
		fresh, err = s.putFlips(ctx, page, flips, plan)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("store %d flips: %w", len(flips), err)
	}
	return fresh, nil
}

func (s *Store) putFlips(ctx context.Context, page []rematch.Stored, flips []rematch.Flip, plan func(*rematch.Flip) []notify.Draft) ([]rematch.Flip, error) {
	tx, err := s.write.BeginTx(ctx, nil)
	if err != nil {
		return nil, err
	}
	defer tx.Rollback() //nolint:errcheck // after a commit it does nothing, and after a failure that failure is what counts
	var fresh []rematch.Flip
	var drafts []notify.Draft
	for i := range flips {
		created, err := insertFlip(ctx, tx, &flips[i])
		if err != nil {
			return nil, err
		}
		if created {
			fresh = append(fresh, flips[i])
			drafts = append(drafts, plan(&flips[i])...)
		}
	}
	if err := flipVerdicts(ctx, tx, fresh); err != nil {
		return nil, err
	}
	for i := range page {
		if page[i].Late == 0 {
			continue
		}
		if _, err := tx.ExecContext(ctx, `DELETE FROM rematch_late WHERE digest = $1 AND count = $2`, page[i].Digest, page[i].Late); err != nil {
			return nil, err
		}
	}
	if err := s.putNotifications(ctx, tx, drafts); err != nil {
		return nil, err
	}
	return fresh, tx.Commit()
}

// Rematched implements rematch.Store.
func (s *Store) Rematched(ctx context.Context) (p rematch.Progress, err error) {
	var at int64
	err = steadily(ctx, func() error {
		return s.read.QueryRowContext(ctx, `SELECT revision, previous, finished_at FROM rematches WHERE id = 1`).Scan(&p.Revision, &p.Previous, &at)
	})
	if errors.Is(err, sql.ErrNoRows) {
		return rematch.Progress{}, nil
	}
	if err != nil {
		return rematch.Progress{}, fmt.Errorf("read the revision that was matched last: %w", err)
	}
	p.At = time.UnixMicro(at).UTC()
	return p, nil
}

// BeginRematch implements rematch.Store.
func (s *Store) BeginRematch(ctx context.Context, revision string) error {
	err := s.exec(ctx, `INSERT INTO rematches (id, revision, previous, began) VALUES (1, '', '', $1)
		ON CONFLICT (id) DO UPDATE SET began = excluded.began`, key(revision))
	if err != nil {
		return fmt.Errorf("note that feed %s is being matched: %w", revision, err)
	}
	return nil
}

// FinishRematch implements rematch.Store.
func (s *Store) FinishRematch(ctx context.Context, revision string) error {
	now := time.Now()
	// Told twice, the row stays: all that is set goes by what is there.
	err := s.exec(ctx, `INSERT INTO rematches (id, revision, previous, began, finished_at) VALUES (1, $1, '', $1, $2)
		ON CONFLICT (id) DO UPDATE SET previous = rematches.revision, revision = excluded.revision, finished_at = excluded.finished_at
		WHERE rematches.revision <> excluded.revision`, key(revision), now.UnixMicro())
	if err != nil {
		return fmt.Errorf("note that feed %s is matched: %w", revision, err)
	}
	if err := s.exec(ctx, `DELETE FROM rematch_late WHERE at < $1`, now.Add(-lateFor).UnixMicro()); err != nil {
		return fmt.Errorf("delete what waits for its inventory: %w", err)
	}
	for {
		gone, err := s.execCount(ctx, `DELETE FROM reports WHERE (digest, feed_revision) IN (
			SELECT r.digest, r.feed_revision FROM reports AS r, rematches AS m
			WHERE m.id = 1 AND m.previous <> '' AND r.feed_revision <> m.revision AND r.feed_revision <> m.previous LIMIT $1)`, pruneBatch)
		if err != nil {
			return fmt.Errorf("delete the reports of earlier feeds: %w", err)
		}
		if gone == 0 {
			return s.forgetImages(ctx)
		}
	}
}

// Exclusively implements rematch.Store. An SQLite file has one server, so nothing is locked there.
func (s *Store) Exclusively(ctx context.Context, fn func(context.Context) error) (ran bool, err error) {
	if s.dialect != dialectPostgres {
		return true, fn(ctx)
	}
	conn, err := s.write.Conn(ctx)
	if err != nil {
		return false, fmt.Errorf("take the turn to match again: %w", err)
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	if err = conn.QueryRowContext(ctx, `SELECT pg_try_advisory_lock($1)`, int64(rematchLock)).Scan(&ran); err != nil || !ran {
		return false, err
	}
	defer func() {
		_, unlockErr := conn.ExecContext(context.WithoutCancel(ctx), `SELECT pg_advisory_unlock($1)`, int64(rematchLock))
		err = errors.Join(err, unlockErr)
	}()
	return true, fn(ctx)
}
