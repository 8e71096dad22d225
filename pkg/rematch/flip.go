package rematch

import (
	"time"

	"github.com/runecast/runecast/pkg/policy"
)

// Flip is the change of an image's verdict by a new feed.
type Flip struct {
	At           time.Time      `json:"at"`
	Digest       string         `json:"digest"`
	Reference    string         `json:"reference"` // as the last decision names it
	PolicyID     string         `json:"policyId"`
	From         policy.Verdict `json:"from"`
	To           policy.Verdict `json:"to"`
	FromRevision string         `json:"fromRevision"` // of the feed that the verdict before was given by
	ToRevision   string         `json:"toRevision"`
	Causes       []Cause        `json:"causes,omitempty"` // the worst 20; none where nothing violates any more
	Since        time.Time      `json:"since"`            // when the verdict before was given
}

// Cause is a violation that makes an image's new verdict.
type Cause struct {
	ID      string `json:"id"` // of the vulnerability
	Package string `json:"package"`
	Version string `json:"version"`
	Fixed   string `json:"fixed,omitempty"`
}
