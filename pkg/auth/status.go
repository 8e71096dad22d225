package auth

import "time"

// Status tells whether a token works, in the words that lists show.
type Status string

// The statuses.
const (
	StatusLive    Status = "live"
	StatusExpired Status = "expired"
	StatusRevoked Status = "revoked"
)

// Status gives the token's status at a time. A token expires at ExpiresAt, not after it.
func (t *Token) Status(at time.Time) Status {
	switch {
	case !t.RevokedAt.IsZero():
		return StatusRevoked
	case !t.ExpiresAt.IsZero() && !at.Before(t.ExpiresAt):
		return StatusExpired
	default:
		return StatusLive
	}
}
