package notify

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/runecast/runecast/pkg/policy"
)

// moreGroup is the group of what goes beyond a destination's limit. It sorts behind all others.
const moreGroup = "~more"

// Collect joins the drafts of each destination and group, in the order of both: whoever stores them takes the rows in the same
// order as everybody else.
func Collect(drafts []Draft) []Draft {
	all := slices.Clone(drafts)
	slices.SortStableFunc(all, func(a, b Draft) int {
		return cmp.Or(strings.Compare(a.Destination, b.Destination), strings.Compare(a.Group, b.Group))
	})
	out := all[:0]
	for i := range all {
		if last := len(out) - 1; last >= 0 && out[last].Destination == all[i].Destination && out[last].Group == all[i].Group {
			out[last].Content.Add(&all[i].Content)
			continue
		}
		out = append(out, all[i])
	}
	return out
}

// Beyond gives the draft that tells of this one's events as a number alone, because there are too many notifications.
func (d *Draft) Beyond() Draft {
	return Draft{
		Destination: d.Destination, Group: moreGroup, Kind: KindMore, Window: max(d.Window, time.Hour), Settle: time.Minute,
		Content: Content{Count: d.Content.Count, First: d.Content.First, Last: d.Content.Last, Limit: d.MaxPerHour},
	}
}

// Add joins another event of the same group, or several.
func (c *Content) Add(other *Content) {
	c.Count += other.Count
	if other.First.Before(c.First) {
		c.First = other.First
	}
	if other.Last.After(c.Last) {
		c.Last = other.Last
	}
	if other.Verdict != "" && c.Verdict != "" {
		c.Verdict = policy.Worse(c.Verdict, other.Verdict)
	}
	for i := range other.Images {
		c.addImage(&other.Images[i])
	}
	c.More += other.More
}

// addImage lists an image unless it is there already.
func (c *Content) addImage(image *Image) {
	same := func(i Image) bool {
		return i.Reference == image.Reference && i.Digest == image.Digest && i.Platform == image.Platform
	}
	switch {
	case slices.ContainsFunc(c.Images, same):
	case len(c.Images) >= maxImages:
		c.More++
	default:
		c.Images = append(c.Images, *image)
	}
}
