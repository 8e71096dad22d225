package auth

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
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
)

// ErrNoSession says that there is no session, or none any more.
var ErrNoSession = errors.New("there is no session: log in")

// PageStore is what logins need of the store.
type PageStore interface {
	UserStore
	IdentityStore
	SessionStore
}

// Sessions logs users in and knows their sessions. It is safe for concurrent use.
type Sessions struct {
	store PageStore
	now   func() time.Time
	gate  *gate
}

// NewSessions makes a Sessions; now defaults to time.Now.
func NewSessions(store PageStore, now func() time.Time) *Sessions {
	if now == nil {
		now = time.Now
	}
	return &Sessions{store: store, now: now, gate: newGate()}
}

// begin begins a session, always one with a new id, which it gives back.
func (s *Sessions) begin(ctx context.Context, user *User) (string, error) {
	now := s.now().UTC().Truncate(time.Microsecond)
	if err := s.store.PruneSessions(ctx, now.Add(-SessionAbsolute), now.Add(-SessionIdle)); err != nil {
		return "", fmt.Errorf("log in: %w", err)
	}
	id := randomText(sessionBytes)
	if err := s.store.CreateSession(ctx, &Session{Hash: sessionHash(id), User: user.Name, Stamp: stamp(user), CreatedAt: now, SeenAt: now}); err != nil {
		return "", fmt.Errorf("log in: %w", err)
	}
	return id, nil
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
	if user == nil || session.Stamp != stamp(user) {
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

// stamp names what a user logs in with now. A login that goes on while the password is changed would begin a session after all
// sessions were ended; by its stamp it is none.
func stamp(u *User) string {
	sum := sha256.Sum256([]byte("stamp of a session\x00" + u.Name + "\x00" + u.Identity + "\x00" + u.Password))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

func sessionHash(id string) []byte {
	hash := sha256.Sum256([]byte(id))
	return hash[:]
}
