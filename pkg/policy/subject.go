package policy

import (
	"time"

	"github.com/runecast/runecast/pkg/advisory"
	"github.com/runecast/runecast/pkg/lifecycle"
)

// Outcome tells how far the scan of an image got.
type Outcome string

// The outcomes. Everything but OutcomeScanned is unknown, and the policy's switch of that name decides.
const (
	OutcomeScanned     Outcome = "scanned"
	OutcomePending     Outcome = "pending"     // the scan goes on: onPending
	OutcomeUnscannable Outcome = "unscannable" // registry down, access refused, not an image, too large: onUnscannable
	OutcomeNoFeed      Outcome = "noFeed"      // no vulnerability data at all: onNoFeed
)

// The data beside advisories' versions that rules ask about, the lists in the names of a feed's sources.
const (
	ListKEV     = "kev"
	ListEPSS    = "epss"
	ListRatings = "ratings" // severity and CVSS: a feed without NVD and CVE records may have hardly any
)

// Subject is one image as a policy judges it.
type Subject struct {
	Reference    string                 // as the workload names it
	Digest       string                 // what it resolved to; empty when it could not be resolved
	Platform     string                 // os/arch[/variant]
	Outcome      Outcome                //
	Cause        string                 // for every outcome but scanned: what went wrong, in words for the user, without credentials
	Remedy       string                 // for every outcome but scanned: what to do about it
	Findings     []advisory.Finding     //
	Distribution lifecycle.Distribution // the image's; judged by onEndOfLife
	Uncovered    []advisory.Uncovered   // judged by onNoFeed, as the feed lacks them; those without an ecosystem by onUnknownDistro
	Unread       []string               // where the image must have packages that could not be listed, and why; judged by onUnscannable
	FeedDate     time.Time              // date of the feed that the findings come from
	FeedLacks    []string               // of the lists that rules ask about, those that the feed was built without: ListKEV, ListEPSS, ListRatings; judged by onNoFeed
}
