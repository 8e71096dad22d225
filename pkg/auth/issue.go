package auth

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/google/uuid"
)

const (
	maxName = 100 // runes of a token's name
	idBytes = 6   // random bytes of a token's id
)

// IssueRequest says what token to issue.
type IssueRequest struct {
	Name       string     // 1 to 100 printable runes, for people
	AccessType AccessType //
	ExpiresAt  time.Time  // zero: never
}

// validate lists all mistakes of the request at once.
func (r IssueRequest) validate(now time.Time) error {
	var problems []error
	name := strings.TrimSpace(r.Name)
	switch {
	case name == "":
		problems = append(problems, errors.New("a token needs a name"))
	case utf8.RuneCountInString(name) > maxName:
		problems = append(problems, fmt.Errorf("the name has %d characters, %d are the limit", utf8.RuneCountInString(name), maxName))
	case !utf8.ValidString(name) || strings.ContainsFunc(name, func(c rune) bool { return !unicode.IsPrint(c) }):
		problems = append(problems, fmt.Errorf("the name %q has characters that cannot be printed", name))
	}
	if _, err := ParseAccessType(string(r.AccessType)); err != nil {
		problems = append(problems, err)
	}
	if !r.ExpiresAt.IsZero() && !r.ExpiresAt.After(now) {
		problems = append(problems, fmt.Errorf("the expiry %s is in the past", r.ExpiresAt.UTC().Format(time.RFC3339)))
	}
	if len(problems) == 0 {
		return nil
	}
	return &RequestError{problems}
}

// RequestError lists what is wrong with a request for a token.
type RequestError struct{ problems []error }

// Error implements error: one mistake a line.
func (e *RequestError) Error() string { return errors.Join(e.problems...).Error() }

// Issue makes a token, stores it and returns its secret, which is kept nowhere: show it once. The secret is a version 4 UUID
// in lower-case text. Its 122 random bits are why a plain SHA-256 of it may be stored: with 2^122 equally likely secrets no
// attacker who has the hash can search for it, so neither a salt (against tables made beforehand) nor a slow hash (against
// guessing) would add anything.
func Issue(ctx context.Context, store TokenStore, req IssueRequest) (string, Token, error) {
	now := time.Now().UTC().Truncate(time.Microsecond)
	if err := req.validate(now); err != nil {
		return "", Token{}, fmt.Errorf("issue token: %w", err)
	}
	access, err := ParseAccessType(string(req.AccessType))
	if err != nil {
		return "", Token{}, fmt.Errorf("issue token: %w", err)
	}
	secret, err := uuid.NewRandomFromReader(rand.Reader)
	if err != nil {
		return "", Token{}, fmt.Errorf("issue token: read random bytes: %w", err)
	}
	id := make([]byte, idBytes)
	if _, err := rand.Read(id); err != nil {
		return "", Token{}, fmt.Errorf("issue token: read random bytes: %w", err)
	}
	hash := sha256.Sum256([]byte(secret.String()))
	token := Token{
		ID:         hex.EncodeToString(id),
		Name:       strings.TrimSpace(req.Name),
		AccessType: access,
		Hash:       hash[:],
		CreatedAt:  now,
	}
	if !req.ExpiresAt.IsZero() {
		token.ExpiresAt = req.ExpiresAt.UTC().Truncate(time.Microsecond)
	}
	if err := store.CreateToken(ctx, token); err != nil {
		return "", Token{}, fmt.Errorf("issue token %q: %w", token.Name, err)
	}
	return secret.String(), token, nil
}
