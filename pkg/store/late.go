package store

import (
	"context"
	"database/sql"
	"errors"
	"time"
)

// began gives the feed revision that inventories are being matched at, or were last; empty: none yet. On PostgreSQL it holds off the
// begin of another re-match until the transaction ends, so that the re-match sees what the transaction stores or the transaction
// knows of the re-match; on SQLite writers take turns anyway.
func (s *Store) began(ctx context.Context, tx *sql.Tx) (revision string, err error) {
	query := `SELECT began FROM rematches WHERE id = 1`
	if s.dialect == dialectPostgres {
		query += ` FOR SHARE`
	}
	err = tx.QueryRowContext(ctx, query).Scan(&revision)
	if errors.Is(err, sql.ErrNoRows) {
		return "", nil
	}
	return revision, err
}

// insertLate takes note that an image may have been missed by the re-match.
func insertLate(ctx context.Context, tx *sql.Tx, digest string) error {
	_, err := tx.ExecContext(ctx, `INSERT INTO rematch_late (digest, count, at) VALUES ($1, 1, $2)
		ON CONFLICT (digest) DO UPDATE SET count = rematch_late.count + 1, at = excluded.at`, key(digest), time.Now().UnixMicro())
	return err
}
