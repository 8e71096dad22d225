package admission

import (
	"context"
	"time"

	"github.com/runecast/runecast/pkg/policy"
)

// TriggerType tells what asked for a decision, in the words that lists show.
type TriggerType string

// The trigger types.
const (
	TriggerAdmission TriggerType = "K8s admission controller"
	TriggerAPI       TriggerType = "API"
	TriggerCLI       TriggerType = "CLI"
	TriggerUI        TriggerType = "UI"
)

// Decision is the stored record of one review: what was asked, what was answered and why.
type Decision struct {
	ID        string        `json:"id"`        // UUID of ours
	ReviewUID string        `json:"reviewUid"` // request.uid
	At        time.Time     `json:"at"`        // when the review arrived
	Duration  time.Duration `json:"duration"`  // until it was answered, in nanoseconds
	Trigger   TriggerType   `json:"trigger"`
	PolicyID  string        `json:"policyId"`
	Policy    string        `json:"policy"` // the policy's name at that time
	// PolicyRevision is that of the policy as it judged, with its exemptions; empty: the decision was stored before revisions were, or
	// the policy could not be used.
	PolicyRevision string          `json:"policyRevision,omitempty"`
	Mode           policy.Mode     `json:"mode"`
	Verdict        policy.Verdict  `json:"verdict"`
	Allowed        bool            `json:"allowed"` // what the API server was told
	Reason         string          `json:"reason"`  // short and countable: compliant, violation, pending, unchanged, …
	Message        string          `json:"message,omitempty"`
	Operation      string          `json:"operation"`
	Group          string          `json:"group,omitempty"`
	Kind           string          `json:"kind"`
	Namespace      string          `json:"namespace"`
	Name           string          `json:"name"` // name or generateName
	User           string          `json:"user"`
	Images         []DecisionImage `json:"images"`
}

// DecisionImage is the part of a decision about one image. Digest and FeedRevision name its report.
type DecisionImage struct {
	Reference    string             `json:"reference"`
	Digest       string             `json:"digest,omitempty"`
	Platform     string             `json:"platform,omitempty"`
	FeedRevision string             `json:"feedRevision,omitempty"`
	Outcome      policy.Outcome     `json:"outcome,omitempty"` // how far the scan got; empty: the decision was stored before outcomes were
	Verdict      policy.Verdict     `json:"verdict"`
	Counts       *Counts            `json:"vulnerabilities,omitempty"` // of its report; nil: it has none, or none that was counted
	Cause        string             `json:"cause,omitempty"`           // why it could not be judged
	Violations   []policy.Violation `json:"violations,omitempty"`      // worst first, at most 50: the report and the policy tell them all
	Violated     int                `json:"violated,omitempty"`        // how many there are
	Exempted     []policy.Exempted  `json:"exempted,omitempty"`
}

// DecisionStore keeps decisions.
type DecisionStore interface {
	// CreateDecisions stores decisions, all or none; those whose ids exist already are left as they are.
	CreateDecisions(ctx context.Context, decisions []*Decision) error
}
