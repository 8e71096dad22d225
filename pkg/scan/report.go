package scan

import (
	"context"
	"time"

	"github.com/runecast/runecast/pkg/advisory"
	"github.com/runecast/runecast/pkg/image"
	"github.com/runecast/runecast/pkg/inventory"
	"github.com/runecast/runecast/pkg/lifecycle"
)

// Access is what a workload may show to registries. Whoever may not pull an image with it is not given what is known of the image.
type Access = image.Access

// Request names one image to scan.
type Request struct {
	Reference string // as the workload names it
	Platform  string // os/arch[/variant]; empty: linux/amd64
	Access    Access // credentials of the workload that names the image; nil: they cannot be known, and the server's own alone are used
}

// Feed is the part of a feed's description that a report carries.
type Feed struct {
	Revision string    `json:"revision"`
	Date     time.Time `json:"date"`            // of the oldest part of the feed that judged the image
	Lacks    []string  `json:"lacks,omitempty"` // of the sources kev and epss those that the feed was built without; ratings where most advisories have none
}

// Report is what is known of one image at one feed revision. Reports are shared between reviews: never change one.
type Report struct {
	Format       int                    `json:"format"`                // contentsFormat of the version that made it
	Image        string                 `json:"image"`                 // the reference that was asked for
	Digest       string                 `json:"digest"`                // of the platform's manifest
	Index        string                 `json:"indexDigest,omitempty"` // of the index that the reference named, where it is one
	Platform     string                 `json:"platform"`              //
	OS           inventory.OS           `json:"os"`                    //
	Size         int64                  `json:"size"`                  // bytes of all layers, compressed
	Layers       int                    `json:"layers"`                //
	Packages     int                    `json:"packages"`              //
	Feed         Feed                   `json:"feed"`                  //
	Distribution lifecycle.Distribution `json:"distribution"`          // what is known of OS: whether OSV has it, and until when its release is supported
	Findings     []advisory.Finding     `json:"findings"`              // worst first
	Uncovered    []advisory.Uncovered   `json:"uncovered,omitempty"`   // ecosystems of the image that the feed lacks
	Unread       []string               `json:"unread,omitempty"`      // where the image must have packages that could not be listed, and why
	Warnings     []string               `json:"warnings,omitempty"`    // what could not be read, and why
	ByTable      int                    `json:"byTable,omitempty"`     // layers that were read by their tables of contents and not whole
	ScannedAt    time.Time              `json:"scannedAt"`             // when the layers were read
	Seconds      float64                `json:"seconds"`               // that reading and matching took
}

// Scanner turns an image into its report. Scan returns a *Error for everything that a policy decides about: pending,
// unscannable, no feed. Implementations are safe for concurrent use.
type Scanner interface {
	Scan(ctx context.Context, req Request) (*Report, error)
}

// Counts gives the number of findings of each severity.
func (r *Report) Counts() map[advisory.Severity]int {
	counts := map[advisory.Severity]int{}
	for i := range r.Findings {
		counts[r.Findings[i].Severity]++
	}
	return counts
}
