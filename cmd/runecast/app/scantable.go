package app

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/runecast/runecast/pkg/advisory"
	"github.com/runecast/runecast/pkg/lifecycle"
	"github.com/runecast/runecast/pkg/scan"
)

// tabulateReport prints a report within 100 columns.
func tabulateReport(t *table, request scan.Request, out *scanned) {
	r := out.Report
	t.row("image", request.Reference)
	if r == nil {
		t.row("findings", "not known: the image was not scanned")
		return
	}
	t.row("digest", r.Digest)
	t.row("platform", r.Platform)
	t.row("system", orUnknown(r.OS.PrettyName, r.OS.ID))
	if text := supportLine(&r.Distribution, out.Support); text != "" {
		t.row("support", text)
	}
	t.row("packages", strconv.Itoa(r.Packages))
	t.row("feed", describeDate(r.Feed.Date)+", revision "+short(r.Feed.Revision, 13))
	if out.FeedData != nil {
		for i, line := range sourceLines(&out.FeedData.Info) {
			t.row([]string{"sources", ""}[min(i, 1)], line)
		}
	}
	t.row("findings", countLine(r))
	for _, u := range r.Uncovered {
		t.row("NOT JUDGED", fmt.Sprintf("%d packages of %s: the feed has no data of it", u.Packages, u.Ecosystem))
	}
	for _, u := range r.Unread {
		t.row("NOT JUDGED", short(u, 85))
	}
	for _, w := range r.Warnings {
		t.row("warning", short(w, 85))
	}
	if len(r.Findings) == 0 {
		return
	}
	t.row("")
	t.row("SEVERITY", "ID", "PACKAGE", "INSTALLED", "FIXED IN", "NOTES")
	for i := range r.Findings {
		f := &r.Findings[i]
		t.row(f.Severity.String(), short(f.ID, 19), short(f.Package.Name, 18), short(f.Package.Version, 18), short(fixColumn(f), 18), notes(f))
	}
	if slices.ContainsFunc(r.Findings, func(f advisory.Finding) bool { return f.Uncertain != "" }) {
		t.row("")
		t.row("? not certain, for a version that cannot be compared: -o json tells why")
	}
}

// supportLine says until when the distribution's release is supported; empty for an image without one.
func supportLine(d *lifecycle.Distribution, support lifecycle.Support) string {
	switch support {
	case lifecycle.SupportStandard:
		if d.Rolling {
			return "rolling"
		}
		return "until " + d.EndOfLife
	case lifecycle.SupportExtended:
		return "extended support until " + d.ExtendedEnd + "; standard support ended on " + d.EndOfLife
	case lifecycle.SupportEndOfLife:
		return "END OF LIFE since " + orUnknown(d.ExtendedEnd, d.EndOfLife)
	case lifecycle.SupportUnknown:
		if d.Known {
			return "not known: the release is newer than this program, or none"
		}
		return "not known: nor is the distribution"
	}
	return ""
}

func orUnknown(values ...string) string {
	for _, v := range values {
		if v != "" {
			return v
		}
	}
	return "unknown"
}

// countLine is the number of findings of each severity, worst first.
func countLine(r *scan.Report) string {
	counts := r.Counts()
	var parts []string
	for _, s := range advisory.Severities() {
		if counts[s] > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", counts[s], s))
		}
	}
	if len(parts) == 0 {
		return "none"
	}
	return strings.Join(parts, ", ")
}

// fixColumn is the version with the fix, or that there will be none.
func fixColumn(f *advisory.Finding) string {
	if f.FixState == advisory.FixStateWontFix {
		return "will not be fixed"
	}
	return f.FixedVersion
}

func notes(f *advisory.Finding) string {
	var all []string
	if f.KEV != nil {
		all = append(all, "KEV")
	}
	if f.Uncertain != "" {
		all = append(all, "?") // explained below the table
	}
	return strings.Join(all, " ")
}
