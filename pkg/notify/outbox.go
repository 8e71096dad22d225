package notify

import (
	"context"
	"time"

	"github.com/runecast/runecast/pkg/admission"
	"github.com/runecast/runecast/pkg/rematch"
)

// State is where a notification is on its way.
type State string

// The states.
const (
	StateWaiting State = "waiting" // to be sent, for the first time or again
	StateSent    State = "sent"    // the destination took it
	StateDead    State = "dead"    // it was given up: a person can retry or discard it
)

// States lists the states.
func States() []State { return []State{StateWaiting, StateSent, StateDead} }

// Notification is a row of the outbox.
type Notification struct {
	ID          string    `json:"id"` // the webhook-id; the same each time that it is sent
	Destination string    `json:"destination"`
	Kind        Kind      `json:"kind"`
	State       State     `json:"state"`
	Content     Content   `json:"content"`
	CreatedAt   time.Time `json:"createdAt"`
	Attempts    int       `json:"attempts"`           // since it was made, or retried by a person
	DueAt       time.Time `json:"dueAt,omitzero"`     // when it is sent next; of one that waits
	SettledAt   time.Time `json:"settledAt,omitzero"` // when it was sent or given up
	Error       string    `json:"error,omitempty"`    // of the last attempt
}

// Claim asks for notifications to send.
type Claim struct {
	Destination string
	Lease       string    // names who sends them; nobody else has the same
	Now         time.Time // those are given that are due
	Until       time.Time // for so long nobody else gets them
	Limit       int
}

// Outcome is what came of sending a notification.
type Outcome struct {
	State State     // StateWaiting: to be tried again
	At    time.Time // of the outcome
	DueAt time.Time // of the next attempt
	Error string    // "" where it was sent
	Again bool      // it was not tried at all: the attempt does not count
}

// Outbox is what sending needs of the database.
type Outbox interface {
	// ClaimNotifications gives notifications of a destination that are due, the longest first, and counts an attempt for each. From
	// then on their content does not change.
	ClaimNotifications(ctx context.Context, claim Claim) ([]Notification, error)
	// SettleNotification notes what came of it. false: the lease is somebody else's by now, and nothing is noted.
	SettleNotification(ctx context.Context, id, lease string, outcome Outcome) (bool, error)
	// PruneNotifications deletes up to limit notifications that were sent, given up or made (where nobody sends them) before a time.
	PruneNotifications(ctx context.Context, before time.Time, limit int) (int64, error)
}

// Query selects notifications; empty fields do not matter.
type Query struct {
	State       State
	Destination string
	Before      string // the cursor that the page before gave; "" for the newest
	Limit       int
}

// Mailbox is what people look at.
type Mailbox interface {
	// Notifications lists notifications, newest first, and gives the cursor of the next page, empty after the last.
	Notifications(ctx context.Context, q Query) ([]Notification, string, error)
	// NotificationCounts gives how many there are of each state.
	NotificationCounts(ctx context.Context) (map[State]int64, error)
	// RetryNotification has a dead notification sent again, with the same id. false: there is no dead one of that id.
	RetryNotification(ctx context.Context, id string, now time.Time) (bool, error)
	// DiscardNotification deletes a dead notification. false: there is no dead one of that id.
	DiscardNotification(ctx context.Context, id string) (bool, error)
}

// Recording stores decisions and flips together with the notifications about them.
type Recording interface {
	rematch.Store
	// CreateDecisionsNotifying is admission.DecisionStore's CreateDecisions; what plan drafts for those that were not there before
	// is put into the outbox in the same transaction.
	CreateDecisionsNotifying(ctx context.Context, decisions []*admission.Decision, plan func(*admission.Decision) []Draft) error
	// PutFlipsNotifying is rematch.Store's PutFlips, likewise.
	PutFlipsNotifying(ctx context.Context, page []rematch.Stored, flips []rematch.Flip, plan func(*rematch.Flip) []Draft) ([]rematch.Flip, error)
}

// Decisions is an admission.DecisionStore that notifies.
type Decisions struct {
	Store Recording
	Plan  *Plan
}

// CreateDecisions implements admission.DecisionStore.
func (d Decisions) CreateDecisions(ctx context.Context, decisions []*admission.Decision) error {
	return d.Store.CreateDecisionsNotifying(ctx, decisions, d.Plan.Decision) //nolint:wrapcheck // the store says it all
}

// Flips is a rematch.Store that notifies.
type Flips struct {
	Recording

	Plan *Plan
}

// PutFlips implements rematch.Store.
func (f Flips) PutFlips(ctx context.Context, page []rematch.Stored, flips []rematch.Flip) ([]rematch.Flip, error) {
	return f.PutFlipsNotifying(ctx, page, flips, f.Plan.Flip) //nolint:wrapcheck // the store says it all
}
