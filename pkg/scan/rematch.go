package scan

import (
	"context"
	"fmt"

	"github.com/runecast/runecast/pkg/advisory"
	"github.com/runecast/runecast/pkg/lifecycle"
)

// ContentsFormat is the Contents.Format that this version writes and reads.
const ContentsFormat = contentsFormat

// Current tells whether this version would read the image as these contents say. Others must be read from the registry again.
func (c *Contents) Current() bool { return c.Format == contentsFormat }

// Rematch makes the report of contents that were read before by an index, as a scan would. The reference is the one that the
// report names.
func Rematch(ctx context.Context, ix *advisory.Index, reference, digest string, c *Contents) (*Report, error) {
	matches, err := ix.Match(ctx, c.Inventory)
	if err != nil {
		return nil, fmt.Errorf("match %s again: %w", digest, err)
	}
	r := newReport(c, &matches, feedOfMatches(ix, &matches))
	r.Image, r.Digest = reference, digest
	return r, nil
}

// feedOfMatches describes the feed as a report has it: as old as the oldest part of it that judged the image.
func feedOfMatches(ix *advisory.Index, matches *advisory.Matches) Feed {
	feed := feedOf(ix)
	if !matches.Date.IsZero() {
		feed.Date = matches.Date
	}
	return feed
}

// newReport makes a report that lacks the image's names alone.
func newReport(c *Contents, matches *advisory.Matches, feed Feed) *Report {
	return &Report{
		Format: contentsFormat, Platform: c.Platform, OS: c.Inventory.OS, Size: c.Size, Layers: c.Layers, Packages: len(c.Inventory.Packages),
		Distribution: lifecycle.Of(c.Inventory.OS), Feed: feed, Findings: matches.Findings, Uncovered: matches.Uncovered, Unread: c.Inventory.Unread, Warnings: c.Inventory.Warnings,
		ByTable: c.ByTable, ScannedAt: c.ReadAt,
	}
}
