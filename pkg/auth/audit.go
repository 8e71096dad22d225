package auth

import (
	"context"
	"encoding/json"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/sirupsen/logrus"
)

// ActorKind says what kind of caller did something.
type ActorKind string

// The kinds of actors.
const (
	ActorUser   ActorKind = "user"   // a person at the pages
	ActorToken  ActorKind = "token"  // a caller of the REST interface
	ActorSystem ActorKind = "system" // the program itself, or whoever runs its commands on the database
)

// ActorKinds lists every kind.
func ActorKinds() []ActorKind { return []ActorKind{ActorUser, ActorToken, ActorSystem} }

// Actor is who did something.
type Actor struct {
	Kind ActorKind `json:"kind" enum:"user,token,system"`
	Name string    `json:"name"`                                              // the user's, the token's, or that of a part of the program
	ID   string    `json:"id,omitempty" doc:"Of the token, where it was one"` // names are not unique among tokens
}

// Actor is the caller as the audit log has them.
func (p Principal) Actor() Actor { return Actor{Kind: ActorToken, Name: p.Name, ID: p.TokenID} }

// Actor is the user as the audit log has them.
func (u *User) Actor() Actor { return Actor{Kind: ActorUser, Name: u.Name} }

// System is a part of the program as an actor, such as "command line".
func System(part string) Actor { return Actor{Kind: ActorSystem, Name: part} }

// AuditEntry is a change, a login or a logout as it is kept.
type AuditEntry struct {
	ID      string         `json:"id"`
	At      time.Time      `json:"at"`
	Actor   Actor          `json:"actor"`
	Address string         `json:"address,omitempty" doc:"From which the request came; see the setting trustedProxies"`
	Action  string         `json:"action" doc:"What was done, such as: policy changed"`
	Subject string         `json:"subject,omitempty" doc:"The id or name of what it was done to"`
	Details map[string]any `json:"details,omitempty" doc:"What else there is to say; never a secret"`
}

// AuditQuery selects entries; empty fields do not matter.
type AuditQuery struct {
	Limit           int       // of one page; default 100, at most 1000
	Before          string    // the cursor that the page before gave; "" for the newest
	Kind            ActorKind //
	Actor           string    // whole name
	Action, Subject string    // whole
	From, To        time.Time // from (inclusive) and to (exclusive)
}

// AuditStore keeps the audit log.
type AuditStore interface {
	// CreateAuditEntry stores an entry.
	CreateAuditEntry(ctx context.Context, e *AuditEntry) error
	// AuditEntries lists entries, newest first, and gives the cursor of the next page, empty after the last. Pages go by the last
	// entry seen, so that entries that come in meanwhile neither repeat nor hide others.
	AuditEntries(ctx context.Context, query *AuditQuery) ([]AuditEntry, string, error)
}

// Auditor takes note of what was done. It comes after the deed and gives no error, as the deed is done: what cannot be stored is in the
// program's log.
type Auditor interface {
	// Audit takes note of an entry. Its ID and At are set; its Address is that of the request whose context this is, where it is empty.
	Audit(ctx context.Context, e *AuditEntry)
}

// auditTimeout is how long storing an entry may take: the caller waits for it, whether or not the client still does.
const auditTimeout = 5 * time.Second

// AuditLog is the Auditor that writes each entry to the program's log and to the store. It is safe for concurrent use.
type AuditLog struct {
	store    AuditStore
	log      logrus.FieldLogger
	now      func() time.Time
	unstored atomic.Int64
}

var _ Auditor = (*AuditLog)(nil)

// NewAuditLog makes an AuditLog; now defaults to time.Now.
func NewAuditLog(store AuditStore, log logrus.FieldLogger, now func() time.Time) *AuditLog {
	if now == nil {
		now = time.Now
	}
	return &AuditLog{store: store, log: log, now: now}
}

// Audit implements Auditor.
func (a *AuditLog) Audit(ctx context.Context, e *AuditEntry) {
	entry := *e
	// Version 7 begins with the time (RFC 9562, section 5.7), so that new rows stand together in the index. It fails only where
	// there are no random bytes, and they never fail (https://pkg.go.dev/crypto/rand#Read).
	id, _ := uuid.NewV7()
	entry.ID, entry.At = id.String(), a.now().UTC().Truncate(time.Microsecond)
	if entry.Address == "" {
		entry.Address = AddressOf(ctx)
	}
	fields := logrus.Fields{"audit": true, "by": entry.Actor.Name, "byKind": entry.Actor.Kind}
	for name, value := range map[string]string{"byId": entry.Actor.ID, "address": entry.Address, "subject": entry.Subject} {
		if value != "" {
			fields[name] = value
		}
	}
	if len(entry.Details) > 0 {
		plain, err := json.Marshal(entry.Details)
		if err != nil {
			a.log.WithError(err).WithField("action", entry.Action).Error("the details of an audit entry cannot be written as JSON; it is kept without them")
			entry.Details = nil
		}
		fields["details"] = json.RawMessage(plain)
	}
	a.log.WithFields(fields).Info(entry.Action)
	limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), auditTimeout)
	defer cancel()
	if err := a.store.CreateAuditEntry(limited, &entry); err != nil {
		a.unstored.Add(1)
		a.log.WithError(err).WithField("action", entry.Action).Error("an audit entry is not stored; the line before is its only record")
	}
}

// Unstored is how many entries are in the program's log alone.
func (a *AuditLog) Unstored() int64 { return a.unstored.Load() }
