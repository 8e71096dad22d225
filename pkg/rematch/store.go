package rematch

import (
	"context"
	"time"

	"github.com/runecast/runecast/pkg/policy"
	"github.com/runecast/runecast/pkg/scan"
)

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
	Late   int64 // of a late one: how often it was named so; 0 for others
}

// Query selects a page of stored inventories.
type Query struct {
	Revision string // of the feed that they are going to be matched at; verdicts by it are no verdicts before
	After    string // digests greater than this one alone
	Late     bool   // those alone that were stored, or about which a decision by another revision was stored, since the last BeginRematch
	Limit    int
}

// Progress tells which feeds stored inventories were matched at.
type Progress struct {
	Revision string    // the last one; empty: none
	Previous string    // the one before; empty: none
	At       time.Time // when the last one was done
}

// FindingStore knows which images have which vulnerabilities.
type FindingStore interface {
	// PutFindings takes over what the newest reports of images say. It costs little where that is what the reports before said.
	PutFindings(ctx context.Context, reports []*scan.Report) error
}

// ProgressStore knows which feeds inventories were matched at.
type ProgressStore interface {
	// BeginRematch takes note that inventories are matched at a revision from now on. What Inventories gives afterwards has every
	// verdict and inventory that was stored before; those that are stored later, and may be missed, count as late.
	BeginRematch(ctx context.Context, revision string) error
	// Rematched tells what FinishRematch noted.
	Rematched(ctx context.Context) (Progress, error)
	// FinishRematch takes note that all inventories are matched at a revision and deletes the reports of all revisions but this
	// one and the one before.
	FinishRematch(ctx context.Context, revision string) error
	// Exclusively runs fn unless another process does so, and tells whether it ran.
	Exclusively(ctx context.Context, fn func(context.Context) error) (bool, error)
}

// Store keeps what a re-match needs and gives.
type Store interface {
	ProgressStore
	FindingStore
	// Inventories gives a page of inventories, ascending by digest, with the last verdict under each policy: that of the last decision
	// by another revision or, where it is later, of the last flip. A decision by a revision from which a flip to the query's is
	// known already is left out.
	Inventories(ctx context.Context, q Query) ([]Stored, error)
	// PutFlips stores the flips of a page, whose inventories are late no longer unless something came meanwhile. It gives the flips
	// that were not there before.
	PutFlips(ctx context.Context, page []Stored, flips []Flip) ([]Flip, error)
}
