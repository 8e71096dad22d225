package rematch

import (
	"context"
	"time"

	"github.com/runecast/runecast/pkg/policy"
	"github.com/runecast/runecast/pkg/scan"
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

// Judged is the verdict that an image had under a policy before.
type Judged struct {
	PolicyID  string
	Reference string
	Verdict   policy.Verdict
	Revision  string // of the feed
	At        time.Time
}

// Stored is a stored inventory.
type Stored struct {
	Digest string
	Load   func() (*scan.Contents, error) // unpacks it
	Judged []Judged
}

// Store keeps what a re-match needs and gives.
type Store interface {
	// Inventories gives up to limit inventories with digests greater than after, ascending, with their verdicts at revisions
	// other than the given one.
	Inventories(ctx context.Context, after, revision string, limit int) ([]Stored, error)
	// PutRematched stores reports and flips in one transaction. It gives the flips that were not there before.
	PutRematched(ctx context.Context, reports []*scan.Report, flips []Flip) ([]Flip, error)
	// Rematched gives the feed revision that FinishRematch told last; empty: none.
	Rematched(ctx context.Context) (string, error)
	// FinishRematch takes note that all inventories are matched at a revision and deletes the reports of all revisions but this
	// one and the one before.
	FinishRematch(ctx context.Context, revision string) error
	// Exclusively runs fn unless another process does so, and tells whether it ran.
	Exclusively(ctx context.Context, fn func(context.Context) error) (bool, error)
}
