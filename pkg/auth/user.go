package auth

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"time"
)

// Role is what a user of the pages may do.
type Role string

// The roles.
const (
	RoleAdministrator Role = "Administrator" // everything
	RoleReadOnly      Role = "Read-only"     // read
)

// Roles lists every role, the most powerful first.
func Roles() []Role { return []Role{RoleAdministrator, RoleReadOnly} }

// May tells whether the role allows an action. One that this version does not know allows nothing.
func (r Role) May(action Action) bool {
	switch r {
	case RoleAdministrator:
		return true
	case RoleReadOnly:
		return action == ActionRead
	default:
		return false
	}
}

// User is somebody who logs in to the pages.
type User struct {
	Name       string    // as they type it
	Role       Role      //
	Password   string    // its argon2id hash in PHC's form, never the password
	MustChange bool      // the password was given by somebody else: nothing is allowed but to choose another
	CreatedAt  time.Time //
}

// Session is a login that lasts.
type Session struct {
	Hash      []byte    // SHA-256 of the session's id, which the browser alone has
	User      string    //
	CreatedAt time.Time // of the login
	SeenAt    time.Time // of the last request, to the minute
}

// UserStore keeps users.
type UserStore interface {
	// CreateUser stores a user, and reports false where the name is taken.
	CreateUser(ctx context.Context, u *User) (bool, error)
	// User gives one user; nil without an error when there is none of that name.
	User(ctx context.Context, name string) (*User, error)
	// Users lists all users by name.
	Users(ctx context.Context) ([]User, error)
	// DeleteUser deletes a user and their sessions, and reports whether there was one.
	DeleteUser(ctx context.Context, name string) (bool, error)
	// SetPassword stores the hash of a new password, and ends the user's sessions.
	SetPassword(ctx context.Context, name, hash string, mustChange bool) error
}

// SessionStore keeps sessions.
type SessionStore interface {
	// CreateSession stores a new session.
	CreateSession(ctx context.Context, s *Session) error
	// Session gives the session of a hash; nil without an error when there is none.
	Session(ctx context.Context, hash []byte) (*Session, error)
	// TouchSession sets SeenAt, never to an earlier time.
	TouchSession(ctx context.Context, hash []byte, at time.Time) error
	// DeleteSession deletes a session; one that is not there is no error.
	DeleteSession(ctx context.Context, hash []byte) error
	// PruneSessions deletes the sessions that began before one time or were seen last before another.
	PruneSessions(ctx context.Context, began, seen time.Time) error
}

// userName is what a user's name may be: it stands in forms, paths and logs.
var userName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._@-]{0,62}$`)

// ErrUserExists says that a user's name is taken.
var ErrUserExists = errors.New("there is a user of that name already")

// AddUser makes a user with a one-time password, which is given back to be shown once. An empty password means a random one of
// 128 bits. ErrUserExists where the name is taken; a *RequestError for a name, role or password that cannot be.
func AddUser(ctx context.Context, store UserStore, name string, role Role, password string) (string, error) {
	var problems []error
	if !userName.MatchString(name) {
		problems = append(problems, errors.New("a user's name has 1 to 63 letters, digits and . _ @ -, and begins with a letter or digit"))
	}
	if role != RoleAdministrator && role != RoleReadOnly {
		problems = append(problems, fmt.Errorf("the role %q is none of %q, %q", role, RoleAdministrator, RoleReadOnly))
	}
	if password == "" {
		password = randomText(passwordBytes)
	}
	if err := checkPassword(password); err != nil {
		problems = append(problems, err)
	}
	if len(problems) > 0 {
		return "", fmt.Errorf("add user: %w", &RequestError{problems})
	}
	user := &User{Name: name, Role: role, Password: HashPassword(password), MustChange: true, CreatedAt: time.Now().UTC().Truncate(time.Microsecond)}
	created, err := store.CreateUser(ctx, user)
	if err != nil {
		return "", fmt.Errorf("add user %s: %w", name, err)
	}
	if !created {
		return "", fmt.Errorf("add user %s: %w", name, ErrUserExists)
	}
	return password, nil
}
