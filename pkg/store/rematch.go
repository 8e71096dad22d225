package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/runecast/runecast/pkg/rematch"
	"github.com/runecast/runecast/pkg/scan"
)

// rematchLock is the key of PostgreSQL's advisory lock for re-matching, a number of our own.
const rematchLock = 0x72756e656d61

// pruneBatch is how many reports are deleted at a time, so that other writers get their turns.
const pruneBatch = 500

// Inventories implements rematch.Store.
func (s *Store) Inventories(ctx context.Context, after, revision string, limit int) ([]rematch.Stored, error) {
	var page []rematch.Stored
	err := steadily(ctx, func() (err error) {
		page, err = s.inventories(ctx, after, limit)
		return err
	})
	if err == nil && len(page) > 0 {
		err = steadily(ctx, func() error { return s.judged(ctx, page, revision) })
	}
	if err != nil {
		return nil, fmt.Errorf("list inventories: %w", err)
	}
	return page, nil
}

func (s *Store) inventories(ctx context.Context, after string, limit int) ([]rematch.Stored, error) {
	rows, err := s.read.QueryContext(ctx, `SELECT digest, document FROM inventories WHERE digest > $1 ORDER BY digest LIMIT $2`, after, limit)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var page []rematch.Stored
	for rows.Next() {
		var digest string
		var packed []byte
		if err := rows.Scan(&digest, &packed); err != nil {
			return nil, err
		}
		page = append(page, rematch.Stored{Digest: digest, Load: func() (*scan.Contents, error) {
			contents := &scan.Contents{}
			if err := s.codec.unpack(packed, contents); err != nil {
				return nil, fmt.Errorf("inventory of %s: the stored document is damaged: %w", digest, err)
			}
			return contents, nil
		}})
	}
	return page, rows.Err()
}

// judged finds the last verdict of each image of a page under each policy: of a decision at another feed revision, or a flip.
func (s *Store) judged(ctx context.Context, page []rematch.Stored, revision string) error {
	byDigest := make(map[string]*rematch.Stored, len(page))
	for i := range page {
		page[i].Judged = nil
		byDigest[page[i].Digest] = &page[i]
	}
	rows, err := s.read.QueryContext(ctx, `SELECT digest, policy_id, reference, verdict, feed_revision, at FROM (
		SELECT digest, policy_id, reference, verdict, feed_revision, at,
			ROW_NUMBER() OVER (PARTITION BY digest, policy_id ORDER BY at DESC, source DESC, id DESC) AS place FROM (
			SELECT i.digest, d.policy_id, i.reference, i.verdict, i.feed_revision, d.at, d.id, 0 AS source
			FROM decision_images AS i JOIN decisions AS d ON d.id = i.decision_id
			WHERE i.digest >= $1 AND i.digest <= $2 AND i.feed_revision <> '' AND i.feed_revision <> $3
			UNION ALL
			SELECT digest, policy_id, reference, to_verdict, to_revision, at, '', 1 FROM flips WHERE digest >= $1 AND digest <= $2
		) AS verdicts) AS ranked WHERE place = 1 ORDER BY digest, at DESC, policy_id`,
		page[0].Digest, page[len(page)-1].Digest, key(revision))
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

// PutRematched implements rematch.Store.
func (s *Store) PutRematched(ctx context.Context, reports []*scan.Report, flips []rematch.Flip) (fresh []rematch.Flip, err error) {
	packed := make([][]any, len(reports))
	for i, r := range reports {
		if packed[i], err = s.reportArgs(r); err != nil {
			return nil, err
		}
	}
	err = steadily(ctx, func() (err error) {
		fresh, err = s.putRematched(ctx, packed, flips)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("store %d reports and %d flips: %w", len(reports), len(flips), err)
	}
	return fresh, nil
}

func (s *Store) putRematched(ctx context.Context, reports [][]any, flips []rematch.Flip) ([]rematch.Flip, error) {
	tx, err := s.write.BeginTx(ctx, nil)
	if err != nil {
		return nil, err
	}
	defer tx.Rollback() //nolint:errcheck // after a commit it does nothing, and after a failure that failure is what counts
	for _, args := range reports {
		if _, err := tx.ExecContext(ctx, putReport, args...); err != nil {
			return nil, err
		}
	}
	var fresh []rematch.Flip
	for i := range flips {
		created, err := insertFlip(ctx, tx, &flips[i])
		if err != nil {
			return nil, err
		}
		if created {
			fresh = append(fresh, flips[i])
		}
	}
	return fresh, tx.Commit()
}

// Rematched implements rematch.Store.
func (s *Store) Rematched(ctx context.Context) (revision string, err error) {
	err = steadily(ctx, func() error {
		return s.read.QueryRowContext(ctx, `SELECT revision FROM rematches WHERE id = 1`).Scan(&revision)
	})
	if errors.Is(err, sql.ErrNoRows) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("read the revision that was matched last: %w", err)
	}
	return revision, nil
}

// FinishRematch implements rematch.Store.
func (s *Store) FinishRematch(ctx context.Context, revision string) error {
	// Told twice, the row stays: all that is set goes by what is there.
	err := s.exec(ctx, `INSERT INTO rematches (id, revision, previous) VALUES (1, $1, '')
		ON CONFLICT (id) DO UPDATE SET previous = rematches.revision, revision = excluded.revision WHERE rematches.revision <> excluded.revision`, key(revision))
	if err != nil {
		return fmt.Errorf("note that feed %s is matched: %w", revision, err)
	}
	for {
		var gone int64
		err := steadily(ctx, func() error {
			result, err := s.write.ExecContext(ctx, `DELETE FROM reports WHERE (digest, feed_revision) IN (
				SELECT r.digest, r.feed_revision FROM reports AS r, rematches AS m
				WHERE m.id = 1 AND m.previous <> '' AND r.feed_revision <> m.revision AND r.feed_revision <> m.previous LIMIT $1)`, pruneBatch)
			if err == nil {
				gone, err = result.RowsAffected()
			}
			return err
		})
		if err != nil {
			return fmt.Errorf("delete the reports of earlier feeds: %w", err)
		}
		if gone == 0 {
			return nil
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
