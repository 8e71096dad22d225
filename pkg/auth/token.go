package auth

import (
	"context"
	"time"
)

// AccessType is what a token may do.
type AccessType string

// The access types.
const (
	AccessGlobalAdmin AccessType = "Global Admin" // everything
	AccessReview      AccessType = "Review"       // submit admission reviews and nothing else
	AccessPathKey     AccessType = "Review key"   // the same, and in a review's path alone; of keys in files, never issued or stored
)

// Token is an API token as it is stored: never the secret itself.
type Token struct {
	ID         string     `json:"id"`                  // random, names the token in lists; not the secret
	Name       string     `json:"name"`                // given by its creator
	AccessType AccessType `json:"accessType"`          //
	Hash       []byte     `json:"-"`                   // SHA-256 of the secret's text
	CreatedAt  time.Time  `json:"createdAt"`           //
	ExpiresAt  time.Time  `json:"expiresAt,omitzero"`  // zero: never
	RevokedAt  time.Time  `json:"revokedAt,omitzero"`  // zero: not revoked
	LastUsedAt time.Time  `json:"lastUsedAt,omitzero"` // to the minute; zero: never
}

// TokenStore keeps tokens.
type TokenStore interface {
	// CreateToken stores a new token; an id or hash that exists already is an error.
	CreateToken(ctx context.Context, t Token) error
	// Tokens lists all tokens, revoked and expired ones too, oldest first.
	Tokens(ctx context.Context) ([]Token, error)
	// RevokeToken sets RevokedAt and reports whether a live token had that id.
	RevokeToken(ctx context.Context, id string, at time.Time) (bool, error)
	// TouchToken sets LastUsedAt.
	TouchToken(ctx context.Context, id string, at time.Time) error
}
