package impact

import (
	"context"
	"time"

	"github.com/runecast/runecast/pkg/policy"
	"github.com/runecast/runecast/pkg/scan"
)

// The bounds of a preview.
const (
	DefaultWindow = 30 * 24 * time.Hour
	MaxWindow     = 366 * 24 * time.Hour
	MaxImages     = 20_000           // digests
	DefaultTime   = 25 * time.Second // for all of it: proxies wait for 30 s
	DefaultRows   = 200              // of each change
	MaxRows       = 1000
)

// Place is where an image was let in to.
type Place struct {
	Namespace string    `json:"namespace"`
	Kind      string    `json:"kind"`
	Name      string    `json:"name"`
	At        time.Time `json:"at" doc:"Last"`
}

// Known is an image as the last decision of a policy about it has it.
type Known struct {
	Digest    string
	Reference string
	PolicyID  string
	At        time.Time
	Places    []Place // where workloads with it were let in, the last first, at most MaxPlaces
	More      int     // places that are left out
}

// MaxPlaces is how many places of an image are told.
const MaxPlaces = 5

// Query selects known images.
type Query struct {
	PolicyID string // decisions of this policy alone; empty: of all
	Since    time.Time
	Limit    int // distinct digests
}

// Store is what a preview reads.
type Store interface {
	// KnownImages lists images by digest and policy, those that were decided about last first, and tells whether there are more than the limit.
	KnownImages(ctx context.Context, query *Query) (images []Known, more bool, err error)
	// EachInventory calls fn for the stored inventories of digests, side by side with nothing; those that are not stored are left out.
	EachInventory(ctx context.Context, digests []string, fn func(digest string, load func() (*scan.Contents, error)) error) error
	// LastReview tells when a review under a policy was decided last; zero: none that is kept was.
	LastReview(ctx context.Context, policyID string) (time.Time, error)
}

// Pair is a policy as it is and as it would be. Before is nil for a new one, After where it is deleted.
type Pair struct{ Before, After *policy.Policy }

func (p *Pair) id() string {
	if p.After != nil {
		return p.After.ID
	}
	return p.Before.ID
}

// needsScan tells whether findings matter for any of the two.
func (p *Pair) needsScan() bool {
	return p.Before != nil && p.Before.NeedsScan() || p.After != nil && p.After.NeedsScan()
}

// Request asks for a preview.
type Request struct {
	Pairs  []Pair
	Window time.Duration // how old the last decision about an image may be; default DefaultWindow, at most MaxWindow
	Rows   int           // of each change that are listed; default DefaultRows, at most MaxRows
}

// Change is what happens to an image.
type Change string

// The changes, in the order that rows have.
const (
	NewlyDenied    Change = "newlyDenied"
	NewlyAllowed   Change = "newlyAllowed"
	VerdictChanges Change = "verdictChanges" // and it is let in as before: the policy's mode or switches let it pass
	StillDenied    Change = "stillDenied"
)

// Counts are numbers of images, each digest once for each policy.
type Counts struct {
	NewlyDenied    int `json:"newlyDenied" doc:"Let in now, and refused after the change"`
	NewlyAllowed   int `json:"newlyAllowed" doc:"Refused now, and let in after the change"`
	VerdictChanges int `json:"verdictChanges" doc:"Let in before and after, with another verdict"`
	StillDenied    int `json:"stillDenied" doc:"Refused before and after, for violations or because they cannot be judged"`
	StillAllowed   int `json:"stillAllowed"`
	NotJudged      int `json:"notJudged" doc:"Their packages are not stored, or were stored by an earlier version: the next review reads them"`
}

// Judgement is what a policy says of an image.
type Judgement struct {
	Verdict policy.Verdict `json:"verdict" enum:"allow,deny,unknown"`
	Allowed bool           `json:"allowed"`
}

// Row is an image with what happens to it.
type Row struct {
	Change    Change     `json:"change" enum:"newlyDenied,newlyAllowed,verdictChanges,stillDenied"`
	PolicyID  string     `json:"policyId"`
	Reference string     `json:"imageName" doc:"As the last decision about it names it"`
	Digest    string     `json:"digest"`
	Before    *Judgement `json:"before,omitempty" doc:"Not there for a new policy"`
	After     *Judgement `json:"after,omitempty" doc:"Not there for a policy that is deleted"`
	Rule      string     `json:"rule,omitempty" doc:"Of the worst violation that makes the difference"`
	Detail    string     `json:"detail,omitempty" doc:"That violation, or why the image cannot be judged"`
	Decided   time.Time  `json:"decided" doc:"When it was decided about last"`
	Places    []Place    `json:"places" doc:"Where workloads with it were let in, the last first"`
	More      int        `json:"morePlaces,omitempty"`
}

// Result is a preview.
type Result struct {
	Counts
	Images  int       `json:"images" doc:"That were judged"`
	Rows    []Row     `json:"rows" doc:"Newly denied ones first"`
	Since   time.Time `json:"since" doc:"Images that were decided about since then"`
	All     bool      `json:"allPolicies" doc:"The images are those of all policies, as no image was decided about by this one"`
	Partial []string  `json:"partial,omitempty" doc:"Why there may be more than this"`
	Feed    string    `json:"feedRevision,omitempty" doc:"Of the feed that the findings are of"`
	// LastReview is when a review under a policy that is deleted was decided last; zero: none that is known, or nothing is deleted.
	LastReview time.Time `json:"lastReview,omitzero" doc:"When a review under a policy that is deleted was decided last: a webhook calls it still"`
	Seconds    float64   `json:"seconds" doc:"That this took"`
}
