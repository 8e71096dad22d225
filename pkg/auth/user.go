package auth

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
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

// Source says who vouches for a user.
type Source string

// The sources.
const (
	SourceLocal Source = "local" // a password that is kept here
	SourceOIDC  Source = "OIDC"  // an OpenID provider
)

// User is somebody who logs in to the pages.
type User struct {
	Name       string    `json:"name"`               // as they type it, or as their provider calls them
	Role       Role      `json:"role"`               // of one of a provider: as of the last login; empty: none any more
	Source     Source    `json:"source"`             //
	Password   string    `json:"-"`                  // its argon2id hash in PHC's form, never the password; empty for those of a provider
	MustChange bool      `json:"oneTimePassword"`    // the password was given by somebody else: nothing is allowed but to choose another
	Identity   string    `json:"-"`                  // issuer and subject of one of a provider, which no other user ever has
	CreatedAt  time.Time `json:"createdAt"`          //
	SeenAt     time.Time `json:"lastLogin,omitzero"` // zero: never
}

// Session is a login that lasts.
type Session struct {
	Hash      []byte    // SHA-256 of the session's id, which the browser alone has
	User      string    //
	Stamp     string    // of what the user logged in with: where they have something else now, the session has ended
	CreatedAt time.Time // of the login
	SeenAt    time.Time // of the last request, to the minute
}

// UserStore keeps users. There is always a local user of the role Administrator once there was one: what would leave none is
// ErrLastAdministrator, also where several such changes are made at the same time.
type UserStore interface {
	// CreateUser stores a user, and reports false where the name or identity is taken.
	CreateUser(ctx context.Context, u *User) (bool, error)
	// User gives one user; nil without an error when there is none of that name.
	User(ctx context.Context, name string) (*User, error)
	// Users lists all users by name.
	Users(ctx context.Context) ([]User, error)
	// DeleteUser deletes a user and their sessions, and reports whether there was one.
	DeleteUser(ctx context.Context, name string) (bool, error)
	// SetRole changes what a local user may do, from their next request on, and reports whether there is such a local user.
	SetRole(ctx context.Context, name string, role Role) (bool, error)
	// SetPassword stores the hash of a local user's new password and ends their sessions, both or neither, and reports whether there is such a local user.
	SetPassword(ctx context.Context, name, hash string, mustChange bool) (bool, error)
}

// IdentityStore keeps who logged in, and those whom an OpenID provider vouches for.
type IdentityStore interface {
	// Identity gives the user of an identity; nil without an error when there is none.
	Identity(ctx context.Context, identity string) (*User, error)
	// SeeUser notes a login. A user of a provider gets the role; that of a local one stays.
	SeeUser(ctx context.Context, name string, role Role, at time.Time) error
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

// CheckUserName tells what is wrong with a user's name; nil where nothing is.
func CheckUserName(name string) error {
	if !userName.MatchString(name) {
		return errors.New("a user's name has 1 to 63 letters, digits and . _ @ -, and begins with a letter or digit")
	}
	return nil
}

// Errors about users.
var (
	// ErrUserExists says that a user's name is taken.
	ErrUserExists = errors.New("there is a user of that name already")
	// ErrNoUser says that there is no user of a name, or that an OpenID provider vouches for them where one with a password is needed.
	ErrNoUser = errors.New("there is no user of that name who has a password here")
	// ErrLastAdministrator says that a change would leave no local administrator, so that nobody could log in without a provider.
	ErrLastAdministrator = errors.New("this is the last administrator with a password here: make another one first")
)

// AddUser makes a local user with a one-time password, which is given back to be shown once. An empty password means a random one of
// 128 bits. ErrUserExists where the name is taken; a *RequestError for a name, role or password that cannot be.
func AddUser(ctx context.Context, store UserStore, name string, role Role, password string) (string, error) {
	problems := []error{CheckUserName(name), checkRole(role)}
	if password == "" {
		password = randomText(passwordBytes)
	}
	if err := requestError(append(problems, checkPassword(password))...); err != nil {
		return "", fmt.Errorf("add user: %w", err)
	}
	user := &User{
		Name: name, Role: role, Source: SourceLocal, Password: HashPassword(password), MustChange: true, CreatedAt: time.Now().UTC().Truncate(time.Microsecond),
	}
	created, err := store.CreateUser(ctx, user)
	if err != nil {
		return "", fmt.Errorf("add user %s: %w", name, err)
	}
	if !created {
		return "", fmt.Errorf("add user %s: %w", name, ErrUserExists)
	}
	return password, nil
}

// ResetPassword gives a local user a random one-time password of 128 bits in place of theirs, and ends their sessions. It is given back to
// be shown once. ErrNoUser where there is no such local user.
func ResetPassword(ctx context.Context, store UserStore, name string) (string, error) {
	password := randomText(passwordBytes)
	found, err := store.SetPassword(ctx, name, HashPassword(password), true)
	if err != nil {
		return "", fmt.Errorf("reset the password: %w", err)
	}
	if !found {
		return "", fmt.Errorf("reset the password of %q: %w", name, ErrNoUser)
	}
	return password, nil
}

// ChangeRole changes what a local user may do. ErrNoUser where there is no such local user, ErrLastAdministrator where none would be
// left; a *RequestError for a role that cannot be.
func ChangeRole(ctx context.Context, store UserStore, name string, role Role) error {
	if err := requestError(checkRole(role)); err != nil {
		return fmt.Errorf("change the role: %w", err)
	}
	found, err := store.SetRole(ctx, name, role)
	if err == nil && !found {
		err = fmt.Errorf("change the role of %q: %w", name, ErrNoUser)
	}
	return err //nolint:wrapcheck // it says all there is to say
}

func checkRole(role Role) error {
	if role != RoleAdministrator && role != RoleReadOnly {
		return fmt.Errorf("the role %q is none of %q, %q", role, RoleAdministrator, RoleReadOnly)
	}
	return nil
}

// ParseRole reads a role's name; case, and a hyphen or underscore for a space, do not matter.
func ParseRole(name string) (Role, error) {
	plain := strings.NewReplacer("_", "-", " ", "-").Replace(strings.TrimSpace(name))
	for _, known := range Roles() {
		if strings.EqualFold(plain, string(known)) {
			return known, nil
		}
	}
	return "", checkRole(Role(name))
}

// requestError is a *RequestError of those that are errors; nil where none is.
func requestError(problems ...error) error {
	problems = slices.DeleteFunc(problems, func(err error) bool { return err == nil })
	if len(problems) == 0 {
		return nil
	}
	return &RequestError{problems}
}
