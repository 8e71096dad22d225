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
	switch {
	case u.Name == "":
		return false, errors.New("create user: it needs a name")
	case u.Source != auth.SourceLocal && u.Source != auth.SourceOIDC, (u.Source == auth.SourceLocal) != (u.Password != ""), (u.Source == auth.SourceOIDC) != (u.Identity != ""):
		return false, fmt.Errorf("create user %s: it needs a password's hash where it is local, or an identity where a provider vouches for it", u.Name)
	}
	created, err := s.execCount(ctx, `INSERT INTO users (name, role, password, must_change, created_at, source, identity, seen_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING`,
		key(u.Name), text(u.Role), text(u.Password), u.MustChange, u.CreatedAt.UnixMicro(), text(u.Source), key(u.Identity), moment(u.SeenAt))
	if err != nil {
		return false, fmt.Errorf("create user %s: %w", u.Name, err)
	}
	return created > 0, nil
}

// User implements auth.UserStore.
func (s *Store) User(ctx context.Context, name string) (*auth.User, error) {
	return s.oneUser(ctx, "WHERE name = $1", key(name))
}

// Identity implements auth.IdentityStore.
func (s *Store) Identity(ctx context.Context, identity string) (*auth.User, error) {
	return s.oneUser(ctx, "WHERE identity = $1 AND identity <> ''", key(identity))
}

func (s *Store) oneUser(ctx context.Context, where string, args ...any) (*auth.User, error) {
	list, err := s.queryUsers(ctx, where, args...)
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
		rows, failure := s.read.QueryContext(ctx, `SELECT name, role, password, must_change, created_at, source, identity, seen_at FROM users `+where+` ORDER BY name`, args...)
		if failure != nil {
			return failure
		}
		defer rows.Close()
		for rows.Next() {
			var u auth.User
			var created, seen sql.NullInt64
			if failure := rows.Scan(&u.Name, &u.Role, &u.Password, &u.MustChange, &created, &u.Source, &u.Identity, &seen); failure != nil {
				return failure
			}
			u.CreatedAt, u.SeenAt = timeOf(created), timeOf(seen)
			list = append(list, u)
		}
		return rows.Err()
	})
	return list, err
}

// SeeUser implements auth.IdentityStore.
func (s *Store) SeeUser(ctx context.Context, name string, role auth.Role, at time.Time) error {
	err := s.exec(ctx, `UPDATE users SET seen_at = $2, role = CASE WHEN source = 'local' THEN role ELSE $3 END WHERE name = $1`, key(name), moment(at), text(role))
	if err != nil {
		return fmt.Errorf("note the login of %s: %w", name, err)
	}
	return nil
}

// DeleteUser implements auth.UserStore.
func (s *Store) DeleteUser(ctx context.Context, name string) (found bool, err error) {
	err = s.changeUser(ctx, func(tx *sql.Tx) error {
		count, failure := execIn(ctx, tx, `DELETE FROM users WHERE name = $1`, key(name))
		found = count > 0
		return failure
	})
	if err != nil {
		return false, fmt.Errorf("delete user %s: %w", name, err)
	}
	return found, nil
}

// SetRole implements auth.UserStore.
func (s *Store) SetRole(ctx context.Context, name string, role auth.Role) (found bool, err error) {
	err = s.changeUser(ctx, func(tx *sql.Tx) error {
		count, failure := execIn(ctx, tx, `UPDATE users SET role = $2 WHERE name = $1 AND source = 'local'`, key(name), text(role))
		found = count > 0
		return failure
	})
	if err != nil {
		return false, fmt.Errorf("change the role of %s: %w", name, err)
	}
	return found, nil
}

// SetPassword implements auth.UserStore.
func (s *Store) SetPassword(ctx context.Context, name, hash string, mustChange bool) (found bool, err error) {
	err = s.changeUser(ctx, func(tx *sql.Tx) error {
		count, failure := execIn(ctx, tx, `UPDATE users SET password = $2, must_change = $3 WHERE name = $1 AND source = 'local'`, key(name), text(hash), mustChange)
		if found = count > 0; failure != nil || !found {
			return failure
		}
		_, failure = execIn(ctx, tx, `DELETE FROM sessions WHERE username = $1`, key(name))
		return failure
	})
	if err != nil {
		return false, fmt.Errorf("set the password of %s: %w", name, err)
	}
	return found, nil
}

// changeUser changes a user in one transaction, and undoes it where no administrator with a password would be left.
func (s *Store) changeUser(ctx context.Context, change func(*sql.Tx) error) error {
	return steadily(ctx, func() error {
		tx, err := s.write.BeginTx(ctx, nil)
		if err != nil {
			return err
		}
		defer tx.Rollback() //nolint:errcheck // after a commit it does nothing, and after a failure that failure is what counts
		// It locks the rows of all administrators, so that two changes of different ones take turns, and the later one counts what the
		// earlier one left. On SQLite a transaction of the writer is alone anyway.
		const administrators = `source = 'local' AND role = $1`
		before, err := execIn(ctx, tx, `UPDATE users SET role = role WHERE `+administrators, string(auth.RoleAdministrator))
		if err != nil {
			return err
		}
		if err := change(tx); err != nil {
			return err
		}
		var left int64
		if err := tx.QueryRowContext(ctx, `SELECT count(*) FROM users WHERE `+administrators, string(auth.RoleAdministrator)).Scan(&left); err != nil {
			return err
		}
		if left == 0 && before > 0 {
			return auth.ErrLastAdministrator
		}
		return tx.Commit()
	})
}

// execIn runs a statement in a transaction and gives how many rows there were.
func execIn(ctx context.Context, tx *sql.Tx, statement string, args ...any) (int64, error) {
	result, err := tx.ExecContext(ctx, statement, args...)
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}
