package notify

import (
	"time"

	"github.com/runecast/runecast/pkg/advisory"
	"github.com/runecast/runecast/pkg/policy"
)

// Kind is what a notification tells of.
type Kind string

// The kinds. Destinations ask for the first four.
const (
	KindDeny    Kind = "deny"    // a workload was not allowed, because an image breaks the policy
	KindUnknown Kind = "unknown" // an image could not be judged, whether its workload was allowed or not; scans that are not done do not count
	KindWarn    Kind = "warn"    // a workload was allowed although an image breaks the policy, which warns or audits
	KindFlip    Kind = "flip"    // a new feed changes the verdict of an image
	KindMore    Kind = "more"    // events that are not told one by one, as there are too many
	KindTest    Kind = "test"    // somebody tries a destination
)

// Kinds lists the kinds that a destination can ask for.
func Kinds() []Kind { return []Kind{KindDeny, KindUnknown, KindWarn, KindFlip} }

// Bounds of one notification. With them its JSON stays below some 20 kB, which receivers of webhooks are asked to take
// (https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md, payload size).
const (
	maxImages          = 20
	maxVulnerabilities = 5 // of one image
	maxText            = 300
)

// Content is what a notification says, and the data of its JSON.
type Content struct {
	Count   int            `json:"count"`  // events
	First   time.Time      `json:"first"`  // the time of the first event
	Last    time.Time      `json:"last"`   // and of the last
	Policy  PolicyRef      `json:"policy"` //
	Verdict policy.Verdict `json:"verdict,omitempty"`
	Reason  string         `json:"reason,omitempty"` // of a decision, in a word
	Allowed *bool          `json:"allowed,omitempty"`
	Object  *Object        `json:"object,omitempty"` // of a decision
	User    string         `json:"user,omitempty"`   // who asked for it
	Scan    *Scan          `json:"scan,omitempty"`   // the first decision
	Feed    string         `json:"feedRevision,omitempty"`
	Images  []Image        `json:"images,omitempty"`     // at most 20
	More    int            `json:"moreImages,omitempty"` // that are not listed
	Limit   int            `json:"limit,omitempty"`      // of notifications an hour, where that is why this one tells of several
}

// PolicyRef names a policy.
type PolicyRef struct {
	ID   string      `json:"id"`
	Name string      `json:"name,omitempty"`
	Mode policy.Mode `json:"mode,omitempty"`
}

// Object is the workload that a decision is about.
type Object struct {
	Group     string `json:"group,omitempty"`
	Kind      string `json:"kind"`
	Namespace string `json:"namespace,omitempty"`
	Name      string `json:"name"` // or generateName
	Operation string `json:"operation,omitempty"`
}

// Scan names the stored decision.
type Scan struct {
	ID  string `json:"id"`
	URL string `json:"url,omitempty"` // of its page, where the server knows its public address
}

// Image is what a notification says of an image.
type Image struct {
	Reference       string          `json:"reference"`
	Digest          string          `json:"digest,omitempty"`
	Platform        string          `json:"platform,omitempty"`
	Before          policy.Verdict  `json:"verdictBefore,omitempty"` // of a flip
	Verdict         policy.Verdict  `json:"verdict"`
	Cause           string          `json:"cause,omitempty"` // why it could not be judged
	Violations      int             `json:"violations"`      // how many there are
	Broken          []string        `json:"broken,omitempty"`
	Vulnerabilities []Vulnerability `json:"vulnerabilities,omitempty"` // the worst, at most 5
}

// Vulnerability is a finding that breaks the policy.
type Vulnerability struct {
	ID       string            `json:"id"`
	Severity advisory.Severity `json:"severity,omitempty"`
	Package  string            `json:"package"`
	Version  string            `json:"version"`
	Fixed    string            `json:"fixedVersion,omitempty"`
}

// Draft is an event on its way into the outbox, for one destination.
type Draft struct {
	Destination string
	Group       string // events of one group become one notification
	Kind        Kind
	Content     Content
	Settle      time.Duration // how long the first of a group waits for others
	Window      time.Duration // how long those that follow are collected
	MaxPerHour  int           // notifications to the destination; 0: any number
}
