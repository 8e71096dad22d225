package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"time"

	"github.com/runecast/runecast/pkg/rematch"
)

func insertFlip(ctx context.Context, tx *sql.Tx, f *rematch.Flip) (created bool, err error) {
	causes, err := jsonList(f.Causes)
	if err != nil {
		return false, err
	}
	result, err := tx.ExecContext(ctx, `INSERT INTO flips (digest, policy_id, to_revision, since, at, reference, from_verdict, to_verdict, from_revision, causes)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT (digest, policy_id, to_revision, since) DO NOTHING`,
		key(f.Digest), key(f.PolicyID), key(f.ToRevision), f.Since.UnixMicro(), f.At.UnixMicro(), text(f.Reference), text(f.From), text(f.To), text(f.FromRevision), causes)
	if err != nil {
		return false, err
	}
	rows, err := result.RowsAffected()
	return rows > 0, err
}

// Flips lists the last flips, newest first: up to limit, which is 100 where it is not positive and at most 1000, of one policy or,
// with an empty id, of all.
func (s *Store) Flips(ctx context.Context, policyID string, limit int) (list []rematch.Flip, err error) {
	if limit <= 0 {
		limit = defaultPage
	}
	err = steadily(ctx, func() (err error) {
		list, err = s.queryFlips(ctx, policyID, min(limit, maxPage))
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list flips: %w", err)
	}
	return list, nil
}

func (s *Store) queryFlips(ctx context.Context, policyID string, limit int) ([]rematch.Flip, error) {
	rows, err := s.read.QueryContext(ctx, `SELECT digest, policy_id, to_revision, since, at, reference, from_verdict, to_verdict, from_revision, causes
		FROM flips WHERE $1 = '' OR policy_id = $1 ORDER BY at DESC, digest DESC, policy_id DESC LIMIT $2`, key(policyID), limit)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	list := []rematch.Flip{}
	for rows.Next() {
		var f rematch.Flip
		var since, at int64
		var causes sql.NullString
		if err := rows.Scan(&f.Digest, &f.PolicyID, &f.ToRevision, &since, &at, &f.Reference, &f.From, &f.To, &f.FromRevision, &causes); err != nil {
			return nil, err
		}
		f.Since, f.At = time.UnixMicro(since).UTC(), time.UnixMicro(at).UTC()
		if causes.Valid {
			if err := json.Unmarshal([]byte(causes.String), &f.Causes); err != nil {
				return nil, fmt.Errorf("flip of %s: %w", f.Digest, err)
			}
		}
		list = append(list, f)
	}
	return list, rows.Err()
}
