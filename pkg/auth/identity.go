package auth

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Identity is who an OpenID provider says logged in.
type Identity struct {
	Issuer, Subject string // together they are the same user's for ever (OpenID Connect Core, section 5.7)
	Name            string // for people; the first login's stays
	Role            Role   // of their groups; "": none
}

// maxIdentity is how many bytes issuer and subject may have together.
const maxIdentity = 500

func (i *Identity) key() string { return i.Issuer + " " + i.Subject }

// RefusedError says why a login by a provider is refused.
type RefusedError struct {
	Reason string // a sentence for who wanted to log in
	Down   bool   // it is the provider's fault, or this server's: try again
	Err    error  // for the log; nil where the reason says all
}

// Error implements error.
func (e *RefusedError) Error() string {
	if e.Err == nil {
		return e.Reason
	}
	return e.Reason + " " + e.Err.Error()
}

// Unwrap gives the cause.
func (e *RefusedError) Unwrap() error { return e.Err }

// LoginIdentity begins a session of a user whom a provider vouches for, who becomes a user at the first login. The role is that of now; where
// there is none, the login is refused, and sessions that they have may do nothing any more. A *RefusedError says why it is refused.
func (s *Sessions) LoginIdentity(ctx context.Context, identity *Identity) (*Login, error) {
	if identity.Issuer == "" || identity.Subject == "" || len(identity.key()) > maxIdentity {
		return nil, &RefusedError{Reason: "The login provider's token names nobody who could be told apart from others."}
	}
	user, err := s.store.Identity(ctx, identity.key())
	if err != nil {
		return nil, fmt.Errorf("log in: %w", err)
	}
	now := s.now().UTC().Truncate(time.Microsecond)
	noRole := &RefusedError{Reason: "None of your groups may use these pages: ask whoever manages the login provider."}
	switch {
	case user == nil && identity.Role == "":
		return nil, noRole
	case user == nil:
		if user, err = s.newcomer(ctx, identity, now); err != nil {
			return nil, err
		}
	default:
		if err = s.store.SeeUser(ctx, user.Name, identity.Role, now); err != nil {
			return nil, fmt.Errorf("log in: %w", err)
		}
		if user.Role = identity.Role; user.Role == "" {
			return nil, noRole
		}
	}
	id, err := s.begin(ctx, user)
	if err != nil {
		return nil, err
	}
	return &Login{Session: id, User: user}, nil
}

// newcomer makes the user of an identity that was not here before. A name that somebody else has stays theirs.
func (s *Sessions) newcomer(ctx context.Context, identity *Identity, now time.Time) (*User, error) {
	if err := CheckUserName(identity.Name); err != nil {
		return nil, &RefusedError{Reason: "The login provider calls you by a name that cannot be used here.", Err: err}
	}
	user := &User{Name: identity.Name, Role: identity.Role, Source: SourceOIDC, Identity: identity.key(), CreatedAt: now, SeenAt: now}
	created, err := s.store.CreateUser(ctx, user)
	if err != nil {
		return nil, fmt.Errorf("log in: %w", err)
	}
	if created {
		return user, nil
	}
	// Another login of the same identity may have been faster.
	again, err := s.store.Identity(ctx, identity.key())
	if err != nil {
		return nil, fmt.Errorf("log in: %w", err)
	}
	if again == nil {
		return nil, &RefusedError{Reason: "There is another user of your name here: ask an administrator.", Err: errors.New("the name is taken: " + identity.Name)}
	}
	return again, nil
}

// AdmitAnswer counts an answer of a provider by the address that brings it; ErrThrottled after 300 in a quarter of an hour. Each costs the
// provider a request or two.
func (s *Sessions) AdmitAnswer(address string) error {
	if !s.gate.answers.take(network(address), perAnswers, s.now()) {
		return ErrThrottled
	}
	return nil
}
