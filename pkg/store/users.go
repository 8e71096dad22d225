package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/runecast/runecast/pkg/auth"
)

var _ auth.PageStore = (*Store)(nil)

// CreateUser implements auth.UserStore.
func (s *Store) CreateUser(ctx context.Context, u *auth.User) (bool, error) {
	if u.Name == "" || u.Password == "" {
		return false, errors.New("create user: it needs a name and a password's hash")
	}
	created, err := s.execCount(ctx, `INSERT INTO users (name, role, password, must_change, created_at) VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING`,
		key(u.Name), text(u.Role), text(u.Password), u.MustChange, u.CreatedAt.UnixMicro())
	if err != nil {
		return false, fmt.Errorf("create user %s: %w", u.Name, err)
	}
	return created > 0, nil
}

// User implements auth.UserStore.
func (s *Store) User(ctx context.Context, name string) (*auth.User, error) {
	list, err := s.queryUsers(ctx, "WHERE name = $1", key(name))
	if err != nil {
		return nil, fmt.Errorf("read user: %w", err)
	}
	if len(list) == 0 {
		return nil, nil //nolint:nilnil // missing is no error, as for reports
	}
	return &list[0], nil
}

// Users implements auth.UserStore.
func (s *Store) Users(ctx context.Context) ([]auth.User, error) {
	list, err := s.queryUsers(ctx, "")
	if err != nil {
		return nil, fmt.Errorf("list users: %w", err)
	}
	return list, nil
}

func (s *Store) queryUsers(ctx context.Context, where string, args ...any) (list []auth.User, err error) {
	err = steadily(ctx, func() error {
		list = nil
		//nolint:gosec // where is made of our own texts and placeholders
		rows, failure := s.read.QueryContext(ctx, `SELECT name, role, password, must_change, created_at FROM users `+where+` ORDER BY name`, args...)
		if failure != nil {
			return failure
		}
		defer rows.Close()
		for rows.Next() {
			var u auth.User
			var created sql.NullInt64
			if failure := rows.Scan(&u.Name, &u.Role, &u.Password, &u.MustChange, &created); failure != nil {
				return failure
			}
			u.CreatedAt = timeOf(created)
			list = append(list, u)
		}
		return rows.Err()
	})
	return list, err
}

// DeleteUser implements auth.UserStore.
func (s *Store) DeleteUser(ctx context.Context, name string) (bool, error) {
	gone, err := s.execCount(ctx, `DELETE FROM users WHERE name = $1`, key(name))
	if err != nil {
		return false, fmt.Errorf("delete user %s: %w", name, err)
	}
	return gone > 0, nil
}

// SetPassword implements auth.UserStore.
func (s *Store) SetPassword(ctx context.Context, name, hash string, mustChange bool) error {
	// First the password: where the second statement fails, the sessions of the old one last until they expire, and the caller knows.
	changed, err := s.execCount(ctx, `UPDATE users SET password = $2, must_change = $3 WHERE name = $1`, key(name), text(hash), mustChange)
	if err == nil && changed == 0 {
		err = errors.New("there is no such user")
	}
	if err == nil {
		err = s.exec(ctx, `DELETE FROM sessions WHERE username = $1`, key(name))
	}
	if err != nil {
		return fmt.Errorf("set the password of %s: %w", name, err)
	}
	return nil
}

// CreateSession implements auth.SessionStore.
func (s *Store) CreateSession(ctx context.Context, session *auth.Session) error {
	if len(session.Hash) == 0 {
		return errors.New("create session: it needs a hash")
	}
	err := s.exec(ctx, `INSERT INTO sessions (hash, username, created_at, seen_at) VALUES ($1, $2, $3, $4)`,
		session.Hash, key(session.User), session.CreatedAt.UnixMicro(), session.SeenAt.UnixMicro())
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
		return s.read.QueryRowContext(ctx, `SELECT username, created_at, seen_at FROM sessions WHERE hash = $1`, hash).Scan(&session.User, &created, &seen)
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
