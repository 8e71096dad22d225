package policy

import (
	"fmt"
	"strings"
)

// ImageResult is the result of one image of a workload.
type ImageResult struct {
	Reference string // as the workload names it
	Digest    string // what it resolved to; may be empty
	Result    Result
}

const (
	maxMessage  = 4096 // bytes of a denial: kubectl prints it as it is, and it ends up in events
	maxPackages = 10   // lines per image
	maxPerLine  = 3    // vulnerabilities per package line
	moreRoom    = 120  // bytes kept for the line that says what was left out
)

// notJudged is the second line of a denial that rests on unknowns alone.
const notJudged = "No violation was found: the image could not be judged, and the policy denies that."

// DenialMessage words a denial. The first line is the product's fixed sentence, which clients match,
//
//	Image scan in Runecast Analyzer found policy violations: (Rejected by policy 2: 'No critical or high … with available fix').
//
// A denial that rests on unknowns alone has notJudged as its second line, so that nobody looks for packages to update. Further lines name each refused image, the packages to update, and for what is unknown its cause and remedy. The whole is cut at
// a line and has at most 4 KiB. It is empty where no image is refused.
func DenialMessage(p *Policy, images []ImageResult) string {
	var refused []*ImageResult
	found := false
	for i := range images {
		if images[i].Result.Allowed {
			continue
		}
		refused = append(refused, &images[i])
		found = found || len(images[i].Result.Violations) > 0
	}
	if len(refused) == 0 {
		return ""
	}
	var b strings.Builder
	fmt.Fprintf(&b, "Image scan in Runecast Analyzer found policy violations: (Rejected by policy %s: '%s').", clean(p.ID, maxID), clean(p.Name, maxName))
	if !found {
		b.WriteString("\n" + notJudged)
	}
	for i, img := range refused {
		lines := imageLines(img)
		for j, line := range lines {
			if b.Len()+1+len(line)+moreRoom > maxMessage {
				b.WriteString("\n" + leftOut(len(lines)-j, len(refused)-i-1, j))
				return b.String()
			}
			b.WriteString("\n" + line)
		}
	}
	return b.String()
}

// leftOut says what a message that was cut does not show.
func leftOut(lines, images, shown int) string {
	if shown == 0 {
		return "… and " + plural(images+1, "more image")
	}
	text := "… and " + plural(lines, "more line")
	if images > 0 {
		text += " and " + plural(images, "more image")
	}
	return text
}

// imageLines is a heading and what is wrong with the image.
func imageLines(img *ImageResult) []string {
	heading := clean(img.Reference, maxName)
	if img.Digest != "" && !strings.Contains(img.Reference, img.Digest) {
		heading += " (" + clean(img.Digest, maxName) + ")"
	}
	lines := []string{heading + ":"}
	var grouped []Violation
	for _, v := range img.Result.Violations {
		if v.Finding == nil {
			lines = append(lines, "  "+clean(v.Detail, maxClause))
		} else {
			grouped = append(grouped, v)
		}
	}
	groups := groupByPackage(grouped)
	for i := range groups {
		if i == maxPackages {
			hidden := 0
			for j := i; j < len(groups); j++ {
				hidden += len(groups[j].findings)
			}
			lines = append(lines, fmt.Sprintf("  … and %d more in %s", hidden, plural(len(groups)-i, "package")))
			break
		}
		lines = append(lines, "  "+groups[i].line())
	}
	for _, u := range img.Result.Unknown {
		if u.Action == ActionDeny {
			lines = append(lines, "  not judged: "+clean(u.Cause, maxClause), "    remedy: "+clean(u.Remedy, maxClause))
		}
	}
	return lines
}
