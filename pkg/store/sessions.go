package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/runecast/runecast/pkg/auth"
)

// CreateSession implements auth.SessionStore.
func (s *Store) CreateSession(ctx context.Context, session *auth.Session) error {
	if len(session.Hash) == 0 {
		return errors.New("create session: it needs a hash")
	}
	err := s.exec(ctx, `INSERT INTO sessions (hash, username, stamp, created_at, seen_at) VALUES ($1, $2, $3, $4, $5)`,
		session.Hash, key(session.User), text(session.Stamp), session.CreatedAt.UnixMicro(), session.SeenAt.UnixMicro())
	if err != nil {
		return fmt.Errorf("create session: %w", err)
	}
	return nil
}

// Session implements auth.SessionStore.
func (s *Store) Session(ctx context.Context, hash []byte) (*auth.Session, error) {
	session := auth.Session{Hash: hash}
	var created, seen sql.NullInt64
	err := steadily(ctx, func() error {
		return s.read.QueryRowContext(ctx, `SELECT username, stamp, created_at, seen_at FROM sessions WHERE hash = $1`, hash).Scan(&session.User, &session.Stamp, &created, &seen)
	})
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil //nolint:nilnil // missing is no error, as for reports
	}
	if err != nil {
		return nil, fmt.Errorf("read session: %w", err)
	}
	session.CreatedAt, session.SeenAt = timeOf(created), timeOf(seen)
	return &session, nil
}

// TouchSession implements auth.SessionStore.
func (s *Store) TouchSession(ctx context.Context, hash []byte, at time.Time) error {
	if err := s.exec(ctx, `UPDATE sessions SET seen_at = $2 WHERE hash = $1 AND seen_at < $2`, hash, at.UnixMicro()); err != nil {
		return fmt.Errorf("touch session: %w", err)
	}
	return nil
}

// DeleteSession implements auth.SessionStore.
func (s *Store) DeleteSession(ctx context.Context, hash []byte) error {
	if err := s.exec(ctx, `DELETE FROM sessions WHERE hash = $1`, hash); err != nil {
		return fmt.Errorf("delete session: %w", err)
	}
	return nil
}

// PruneSessions implements auth.SessionStore.
func (s *Store) PruneSessions(ctx context.Context, began, seen time.Time) error {
	if err := s.exec(ctx, `DELETE FROM sessions WHERE created_at < $1 OR seen_at < $2`, began.UnixMicro(), seen.UnixMicro()); err != nil {
		return fmt.Errorf("prune sessions: %w", err)
	}
	return nil
}
