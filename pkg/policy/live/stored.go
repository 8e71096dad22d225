package live

import (
	"context"
	"time"

	"github.com/runecast/runecast/pkg/policy"
)

// Policy is a stored policy as it was given.
type Policy struct {
	ID        string
	Document  string // YAML or JSON of this policy alone
	Version   int64  // 1 at first, one more with each change; goes on where a deleted policy is created again
	CreatedAt time.Time
	CreatedBy string // user NAME or token NAME
	UpdatedAt time.Time
	UpdatedBy string
}

// Exemption is a stored exemption.
type Exemption struct {
	policy.Exemption

	ID        string // UUID
	PolicyID  string // of the policy that it belongs to; empty: all policies
	CreatedAt time.Time
	CreatedBy string
	RemovedAt time.Time // zero: it was not
	RemovedBy string
	Problem   string // why the stored fields cannot be read, all of them; such an exemption exempts nothing
}

// Status tells whether an exemption is in force.
type Status string

// The statuses.
const (
	StatusActive   Status = "active"
	StatusExpired  Status = "expired"
	StatusRemoved  Status = "removed"
	StatusUnusable Status = "unusable" // it cannot be read or compiled by this version
)

// StatusAt gives the status at a time.
func (e *Exemption) StatusAt(now time.Time) Status {
	end := e.End()
	switch {
	case !e.RemovedAt.IsZero():
		return StatusRemoved
	case e.Problem != "" || e.Check() != nil:
		return StatusUnusable
	case !end.IsZero() && !now.Before(end):
		return StatusExpired
	}
	return StatusActive
}

// Covers tells whether the exemption belongs to a policy.
func (e *Exemption) Covers(policyID string) bool { return e.PolicyID == "" || e.PolicyID == policyID }

// Action is what was done to a policy.
type Action string

// The actions.
const (
	ActionCreated  Action = "created"
	ActionReplaced Action = "replaced"
	ActionDeleted  Action = "deleted"
)

// Change is an entry of a policy's history.
type Change struct {
	Version  int64     `json:"version"`
	Action   Action    `json:"action" enum:"created,replaced,deleted"`
	At       time.Time `json:"at"`
	By       string    `json:"by"`
	Document string    `json:"document,omitempty" doc:"The policy's text from then on; not there where it was deleted"`
}

// Text is a policy as it judged, with the exemptions that were stored then.
type Text struct {
	Revision string // of policy.Policy.Revision
	PolicyID string
	Document string    // JSON
	Since    time.Time // when a server judged by it first
}

// PolicyStore keeps policies.
type PolicyStore interface {
	// Policies lists those that are not deleted, by id.
	Policies(ctx context.Context) ([]Policy, error)
	// CreatePolicy stores a policy and sets its version. It tells false where one of that id is there.
	CreatePolicy(ctx context.Context, p *Policy) (bool, error)
	// ReplacePolicy stores a text over the version that p names, and sets the new version. It tells false where that is not the version.
	ReplacePolicy(ctx context.Context, p *Policy) (bool, error)
	// DeletePolicy deletes the version that p names; 0: whichever it is. It tells false where it is not there. UpdatedAt and UpdatedBy are of the deletion.
	DeletePolicy(ctx context.Context, p *Policy) (bool, error)
	// PolicyChanges lists what was done to a policy, newest first, at most 1,000.
	PolicyChanges(ctx context.Context, id string) ([]Change, error)
}

// ExemptionStore keeps exemptions.
type ExemptionStore interface {
	// Exemptions lists those that were not removed, oldest first, or those that were, the last 1,000, the last first.
	Exemptions(ctx context.Context, removed bool) ([]Exemption, error)
	// CreateExemption stores one.
	CreateExemption(ctx context.Context, e *Exemption) error
	// RemoveExemption takes note that one is removed, and tells whether it was there and was not.
	RemoveExemption(ctx context.Context, id, by string, at time.Time) (bool, error)
	// Exemption gives one, whether it was removed or not; nil without an error where there is none.
	Exemption(ctx context.Context, id string) (*Exemption, error)
}

// TextStore keeps what judged.
type TextStore interface {
	// PutPolicyTexts stores texts; those whose revisions are there are left as they are.
	PutPolicyTexts(ctx context.Context, texts []Text) error
	// PolicyText gives the text of a revision; nil without an error where it is not there.
	PolicyText(ctx context.Context, revision string) (*Text, error)
}

// Store is what a Set reads and writes of the database.
type Store interface {
	PolicyStore
	ExemptionStore
	TextStore
	// PolicyCounter gives a number that grows with each change of policies or exemptions, in the transaction of that change.
	PolicyCounter(ctx context.Context) (int64, error)
}
