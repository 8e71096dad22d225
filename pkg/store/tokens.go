package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/runecast/runecast/pkg/auth"
)

// CreateToken stores a new token; an id or hash that exists already is an error.
func (s *Store) CreateToken(ctx context.Context, t auth.Token) error { //nolint:gocritic // the interface passes tokens by value
	if t.ID == "" || len(t.Hash) == 0 {
		return errors.New("create token: it needs an id and a hash")
	}
	result, err := s.write.ExecContext(ctx, `INSERT INTO tokens
		(id, name, access_type, hash, created_at, expires_at, revoked_at, last_used_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING`,
		key(t.ID), text(t.Name), text(t.AccessType), t.Hash, t.CreatedAt.UnixMicro(), moment(t.ExpiresAt), moment(t.RevokedAt), moment(t.LastUsedAt))
	if err != nil {
		return fmt.Errorf("create token %s: %w", t.ID, err)
	}
	created, err := result.RowsAffected()
	if err != nil {
		return fmt.Errorf("create token %s: %w", t.ID, err)
	}
	if created == 0 {
		return fmt.Errorf("create token %s: a token with this id or hash exists already", t.ID)
	}
	return nil
}

// Tokens lists all tokens, revoked and expired ones too, oldest first.
func (s *Store) Tokens(ctx context.Context) ([]auth.Token, error) {
	var tokens []auth.Token
	err := steadily(ctx, func() (err error) {
		tokens, err = s.queryTokens(ctx)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list tokens: %w", err)
	}
	return tokens, nil
}

func (s *Store) queryTokens(ctx context.Context) ([]auth.Token, error) {
	rows, err := s.read.QueryContext(ctx, `SELECT id, name, access_type, hash, created_at, expires_at, revoked_at, last_used_at
		FROM tokens ORDER BY created_at, id`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	tokens := []auth.Token{}
	for rows.Next() {
		var t auth.Token
		var created, expires, revoked, used sql.NullInt64
		if err := rows.Scan(&t.ID, &t.Name, &t.AccessType, &t.Hash, &created, &expires, &revoked, &used); err != nil {
			return nil, err
		}
		t.CreatedAt, t.ExpiresAt, t.RevokedAt, t.LastUsedAt = timeOf(created), timeOf(expires), timeOf(revoked), timeOf(used)
		tokens = append(tokens, t)
	}
	return tokens, rows.Err()
}

// RevokeToken sets RevokedAt and reports whether a live token had that id; one that is revoked or expired stays as it is.
func (s *Store) RevokeToken(ctx context.Context, id string, at time.Time) (bool, error) {
	result, err := s.write.ExecContext(ctx, `UPDATE tokens SET revoked_at = $2
		WHERE id = $1 AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > $2)`, key(id), at.UnixMicro())
	if err != nil {
		return false, fmt.Errorf("revoke token %s: %w", id, err)
	}
	revoked, err := result.RowsAffected()
	if err != nil {
		return false, fmt.Errorf("revoke token %s: %w", id, err)
	}
	return revoked > 0, nil
}

// TouchToken sets LastUsedAt, never to an earlier time: servers that share a database tell of their uses in any order.
func (s *Store) TouchToken(ctx context.Context, id string, at time.Time) error {
	err := s.exec(ctx, `UPDATE tokens SET last_used_at = $2
		WHERE id = $1 AND (last_used_at IS NULL OR last_used_at < $2)`, key(id), at.UnixMicro())
	if err != nil {
		return fmt.Errorf("touch token %s: %w", id, err)
	}
	return nil
}
