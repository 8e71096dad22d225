package web

import (
	"context"
	"time"

	"github.com/runecast/runecast/pkg/policy"
)

// OverviewStore is what the Overview reads.
type OverviewStore interface {
	// Overview gives the numbers of the Overview.
	Overview(ctx context.Context, query *OverviewQuery) (*Overview, error)
	// ImagesAtRisk lists the images at risk, those whose verdict changed last first, and gives the cursor of the next page, empty after
	// the last. A cursor that no page gave is an error with the method BadCursor.
	ImagesAtRisk(ctx context.Context, query *RiskQuery) ([]ImageAtRisk, string, error)
}

// OverviewQuery says which numbers are wanted.
type OverviewQuery struct {
	Now  time.Time     // required
	Span time.Duration // how far back Verdicts goes; default 30 days, at most 366
	Step time.Duration // of one bucket: whole hours that 24 can be divided by, or 24 h, which is the default; buckets begin at full steps, UTC
	Top  int           // entries of each list of what denies most; default 10, at most 100
}

// Overview is what the first page shows. Scans are decisions that name images.
type Overview struct {
	Verdicts []VerdictBucket // ascending, without gaps; the last has Now
	Today    VerdictCounts   // scans since midnight UTC of Now
	// The rules, vulnerabilities and packages that denied most: in how many scans with the verdict deny, that of a policy that only
	// warns too, of the 30 days before Now. Of each image the 50 worst violations count. Lists that take long to
	// sum up may be a minute old.
	Rules, Vulnerabilities, Packages []DeniedCount
	AtRisk                           RiskCounts
}

// VerdictCounts are numbers of scans by verdict.
type VerdictCounts struct {
	Allow   int `json:"allow"`
	Deny    int `json:"deny"`
	Unknown int `json:"unknown"`
}

// Sum is how many scans there are.
func (c VerdictCounts) Sum() int { return c.Allow + c.Deny + c.Unknown }

// VerdictBucket are the scans that were triggered from a moment on, for one step.
type VerdictBucket struct {
	From time.Time `json:"from"`
	VerdictCounts
}

// DeniedCount tells how many scans a name denied.
type DeniedCount struct {
	Name  string `json:"name"`
	Scans int    `json:"scans"`
}

// RiskCounts are numbers of images at risk, each digest once for each policy.
type RiskCounts struct {
	Images  int `json:"images"`  // that the latest review let in, and whose newest verdict is deny or unknown
	Flipped int `json:"flipped"` // of them those that complied when they were let in: a new feed changed their verdict
}

// RiskQuery selects images at risk; empty fields do not matter.
type RiskQuery struct {
	Limit   int    // of one page; default 100, at most 1000
	After   string // the cursor that the page before gave; "" for the first
	Flipped bool   // only those that complied when they were let in
}

// ImageAtRisk is an image that the latest review of its policy let in, and whose newest verdict is deny or unknown: a new feed
// changed it, or the policy's mode or switches let it pass.
type ImageAtRisk struct {
	Digest     string         `json:"digest"`
	Reference  string         `json:"imageName"`
	PolicyID   string         `json:"policyId"`
	Verdict    policy.Verdict `json:"verdict"`    // the newest
	Since      time.Time      `json:"since"`      // when that verdict was given
	Admitted   time.Time      `json:"admitted"`   // when it was let in last
	Flipped    bool           `json:"flipped"`    // it complied when it was let in
	Namespaces []string       `json:"namespaces"` // where it was let in to, by name; the first 20
	More       int            `json:"moreNamespaces,omitempty"`
}
