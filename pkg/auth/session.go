package auth

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"time"
)

// How long a session lasts without a request, and at all.
const (
	SessionIdle     = 30 * time.Minute
	SessionAbsolute = 12 * time.Hour
)

const (
	sessionBytes = 32 // random bytes of a session's id
	touchAfter   = time.Minute
	maxHashing   = 2 // passwords hashed at a time: each takes 19 MiB
)

// Errors of a login.
var (
	ErrBadLogin  = errors.New("the name or the password is wrong")
	ErrThrottled = errors.New("too many attempts: wait a quarter of an hour")
	ErrNoSession = errors.New("there is no session: log in")
)

// PageStore is what logins need of the store.
type PageStore interface {
	UserStore
	SessionStore
}

// Sessions logs users in and knows their sessions. It is safe for concurrent use.
type Sessions struct {
	store   PageStore
	now     func() time.Time
	tries   throttle
	hashing chan struct{}
	nobody  string // a hash to compare with where there is no such user, so that both take as long
}

// NewSessions makes a Sessions; now defaults to time.Now.
func NewSessions(store PageStore, now func() time.Time) *Sessions {
	if now == nil {
		now = time.Now
	}
	return &Sessions{store: store, now: now, hashing: make(chan struct{}, maxHashing), nobody: HashPassword(randomText(passwordBytes))}
}

// Login checks a password and begins a session, always one with a new id, which it gives back. ErrBadLogin tells neither that a name
// is known nor that it is not; ErrThrottled comes after 10 attempts as one user or 50 of one address in 15 minutes.
func (s *Sessions) Login(ctx context.Context, name, password, address string) (string, *User, error) {
	user, err := s.check(ctx, name, password, address)
	if err != nil {
		return "", nil, err
	}
	now := s.now().UTC().Truncate(time.Microsecond)
	if err := s.store.PruneSessions(ctx, now.Add(-SessionAbsolute), now.Add(-SessionIdle)); err != nil {
		return "", nil, fmt.Errorf("log in: %w", err)
	}
	id := randomText(sessionBytes)
	if err := s.store.CreateSession(ctx, &Session{Hash: sessionHash(id), User: user.Name, CreatedAt: now, SeenAt: now}); err != nil {
		return "", nil, fmt.Errorf("log in: %w", err)
	}
	return id, user, nil
}

// check gives the user whose name and password these are.
func (s *Sessions) check(ctx context.Context, name, password, address string) (*User, error) {
	if !userName.MatchString(name) || len(password) > maxPassword {
		name, password = "", ""
	}
	now := s.now()
	if !s.tries.take("address "+address, perAddress, now) || !s.tries.take("user "+name, perUser, now) {
		return nil, ErrThrottled
	}
	user, err := s.store.User(ctx, name)
	if err != nil {
		return nil, fmt.Errorf("log in: %w", err)
	}
	hash := s.nobody
	if user != nil {
		hash = user.Password
	}
	right, err := s.verify(ctx, hash, password)
	switch {
	case err != nil:
		return nil, fmt.Errorf("log in: %w", err)
	case user == nil || !right:
		return nil, ErrBadLogin
	}
	s.tries.forget("user " + name)
	return user, nil
}

func (s *Sessions) verify(ctx context.Context, hash, password string) (bool, error) {
	select {
	case s.hashing <- struct{}{}:
	case <-ctx.Done():
		return false, ctx.Err()
	}
	defer func() { <-s.hashing }()
	return VerifyPassword(hash, password)
}

// User gives whose session an id is; ErrNoSession where there is none, or it has expired.
func (s *Sessions) User(ctx context.Context, id string) (*User, error) {
	if id == "" || len(id) > maxSecret {
		return nil, ErrNoSession
	}
	hash, now := sessionHash(id), s.now()
	session, err := s.store.Session(ctx, hash)
	if err != nil {
		return nil, fmt.Errorf("read the session: %w", err)
	}
	if session == nil || now.Sub(session.CreatedAt) >= SessionAbsolute || now.Sub(session.SeenAt) >= SessionIdle {
		return nil, ErrNoSession
	}
	user, err := s.store.User(ctx, session.User)
	if err != nil {
		return nil, fmt.Errorf("read the session's user: %w", err)
	}
	if user == nil {
		return nil, ErrNoSession
	}
	if now.Sub(session.SeenAt) >= touchAfter {
		if err := s.store.TouchSession(ctx, hash, now.UTC().Truncate(time.Microsecond)); err != nil {
			return nil, fmt.Errorf("keep the session: %w", err)
		}
	}
	return user, nil
}

// Logout ends a session.
func (s *Sessions) Logout(ctx context.Context, id string) error {
	if err := s.store.DeleteSession(ctx, sessionHash(id)); err != nil {
		return fmt.Errorf("log out: %w", err)
	}
	return nil
}

// ChangePassword replaces a user's own password, and ends all their sessions. ErrBadLogin and ErrThrottled as for Login; a
// *RequestError for a new password that cannot be.
func (s *Sessions) ChangePassword(ctx context.Context, name, old, password, address string) error {
	if _, err := s.check(ctx, name, old, address); err != nil {
		return err
	}
	if err := checkPassword(password); err != nil {
		return &RequestError{[]error{err}}
	}
	if password == old {
		return &RequestError{[]error{errors.New("choose another password than the one before")}}
	}
	if err := s.store.SetPassword(ctx, name, HashPassword(password), false); err != nil {
		return fmt.Errorf("change the password: %w", err)
	}
	return nil
}

func sessionHash(id string) []byte {
	hash := sha256.Sum256([]byte(id))
	return hash[:]
}
