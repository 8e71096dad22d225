package app

import (
	"context"
	"io"

	"github.com/runecast/runecast/pkg/export"
	"github.com/runecast/runecast/pkg/policy"
	"github.com/runecast/runecast/pkg/scan"
)

// exportFormats are the formats of the scan command that pkg/export writes.
func exportFormats() []string {
	formats := export.Formats()
	names := make([]string, len(formats))
	for i, f := range formats {
		names[i] = string(f)
	}
	return names
}

// export writes what an image contains, and gives the exit by the policy where there is one.
func (c *command) export(ctx context.Context, l *local, request scan.Request, p *policy.Policy, output *outputFlag) error {
	x, err := l.scanner.Examine(ctx, request)
	if err != nil {
		return ended(ctx, explain(err))
	}
	out := scanned{Report: x.Report}
	var notJudged error
	format := export.Format(output.format)
	if x.NotJudged != nil {
		notJudged = x.NotJudged
		if !format.IsBill() || x.NotJudged.Kind != scan.KindNoFeed {
			return explain(notJudged)
		}
		c.log.WithError(notJudged).Warn("the list has no vulnerabilities, as the image was not judged")
	}
	if p != nil {
		out.judge(p, request, p.NeedsScanOf(request.Reference), notJudged)
	}
	if err := writeExport(c.streams.Out, format, x, out.Result); err != nil {
		return err
	}
	return c.closing(output, p, &out)
}

// writeExport writes the image's contents, as of the time when they were read. What a policy took away is marked, not left out.
func writeExport(w io.Writer, format export.Format, x *scan.Examination, result *policy.Result) error {
	d := &export.Document{
		Image:     export.Image{Reference: x.Image, Digest: x.Digest, Index: x.Index, Platform: x.Contents.Platform},
		Inventory: x.Contents.Inventory, Report: x.Report, Version: buildVersion().Version, Time: x.Contents.ReadAt,
	}
	if result != nil {
		d.Statements = statementsOf(result)
	}
	return export.Write(w, format, d) //nolint:wrapcheck // it says which format
}

// statementsOf gives the exemptions and VEX statements that took findings away.
func statementsOf(result *policy.Result) []export.Statement {
	var statements []export.Statement
	for i := range result.Exempted {
		e := &result.Exempted[i]
		if e.Violation.Finding == nil { // of the image itself
			continue
		}
		s := export.Statement{ID: e.Violation.Finding.ID, Package: e.Violation.Finding.Package, State: export.StateExempted, Reason: e.Reason}
		switch e.VEX {
		case "not_affected":
			s.State = export.StateNotAffected
		case "fixed":
			s.State = export.StateFixed
		}
		if e.Owner != "" {
			s.Reason += ", by " + e.Owner
		}
		if e.Until != "" {
			s.Reason += ", until " + e.Until
		}
		statements = append(statements, s)
	}
	return statements
}
