package policy

import "github.com/runecast/runecast/pkg/advisory"

// Mode is what a policy does with a violation.
type Mode string

// The modes.
const (
	ModeEnforce Mode = "enforce" // deny
	ModeWarn    Mode = "warn"    // allow, with warnings that the user sees
	ModeAudit   Mode = "audit"   // allow silently; the decision is recorded
)

// Verdict is what a policy finds about an image or a whole workload, before its mode is applied.
type Verdict string

// The verdicts, from best to worst.
const (
	VerdictAllow   Verdict = "allow"   // judged, nothing broken
	VerdictUnknown Verdict = "unknown" // could not be judged
	VerdictDeny    Verdict = "deny"    // judged, broken
)

// Violation is one rule broken by one image.
type Violation struct {
	Rule    string            `json:"rule"`              // the rule's name
	Finding *advisory.Finding `json:"finding,omitempty"` // what broke it; nil for rules about the image itself
	Detail  string            `json:"detail"`            // one line for the user: libssl1.1 1.1.1d-0+deb10u6: CVE-2021-3711 (critical), fixed in 1.1.1d-0+deb10u7
}

// Exempted is a violation that an exemption or a VEX statement took away.
type Exempted struct {
	Violation Violation `json:"violation"`
	Reason    string    `json:"reason"` // why, as the exemption says
	Owner     string    `json:"owner,omitempty"`
	Until     string    `json:"until,omitempty"` // RFC 3339; empty: no expiry
	VEX       string    `json:"vex,omitempty"`   // status of the VEX statement, not_affected or fixed; empty: an exemption
}

// Unknown is one reason why an image could not be judged, and what the policy's switch says to that.
type Unknown struct {
	Switch string `json:"switch"` // onPending, onUnscannable, onNoFeed, onStaleFeed, onUnknownDistro, onEndOfLife
	Action Action `json:"action"` // what the switch is set to
	Cause  string `json:"cause"`
	Remedy string `json:"remedy"`
}

// Action is the setting of a policy's switch for one kind of unknown.
type Action string

// The actions; deny is the default of every switch but onEndOfLife.
const (
	ActionDeny  Action = "deny"
	ActionWarn  Action = "warn"
	ActionAllow Action = "allow"
)

// Result is what a policy finds about one image. It is plain data; the same subject, time and policy give the same result.
type Result struct {
	Verdict    Verdict     `json:"verdict"`
	Allowed    bool        `json:"allowed"`              // after mode and switches
	Violations []Violation `json:"violations,omitempty"` // worst first
	Unknown    []Unknown   `json:"unknown,omitempty"`
	Exempted   []Exempted  `json:"exempted,omitempty"`
	Warnings   []string    `json:"warnings,omitempty"` // one line each, for the user: violations of mode warn, unknowns of action warn, an end of life of action warn, exemptions that end within 14 days
}
