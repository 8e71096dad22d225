package export

import (
	"io"
	"net/url"
	"strconv"
	"strings"

	"github.com/owenrumney/go-sarif/v3/pkg/report"
	"github.com/owenrumney/go-sarif/v3/pkg/report/v210/sarif"

	"github.com/runecast/runecast/pkg/advisory"
)

// fingerprintKey names how fingerprints are made; another way needs another number.
const fingerprintKey = "runecastFinding/v1"

// writeSARIF writes SARIF 2.1.0: a rule for each vulnerability, a result for each finding, in the order of the report.
func writeSARIF(w io.Writer, d *Document) error {
	log := report.NewV210Report()
	run := sarif.NewRunWithInformationURI(toolName, toolURL)
	if d.Version != "" {
		version := clean(d.Version)
		run.Tool.Driver.Version = &version
	}
	run.Invocations = []*sarif.Invocation{invocation(d)}
	run.Properties = sarif.NewPropertyBag().Add("imageReference", clean(d.Image.Reference)).Add("imageDigest", clean(d.Image.Digest)).
		Add("platform", clean(d.Image.Platform)).Add("feedRevision", clean(d.Report.Feed.Revision))
	rules := map[string]int{}
	statements := statementsOf(d)
	for i := range d.Report.Findings {
		f := &d.Report.Findings[i]
		if _, ok := rules[f.ID]; !ok { // the worst finding comes first and rates the rule
			rules[f.ID] = len(run.Tool.Driver.Rules)
			run.Tool.Driver.Rules = append(run.Tool.Driver.Rules, rule(f))
		}
		run.Results = append(run.Results, result(d, f, rules[f.ID], statements[findingKey(f.ID, packageID(&f.Package))]))
	}
	log.AddRun(run)
	return log.PrettyWrite(w) //nolint:wrapcheck // Write says which format it was
}

// invocation says whether the image was read as a whole, and what was not.
func invocation(d *Document) *sarif.Invocation {
	complete, at := len(d.Inventory.Unread) == 0, d.timestamp()
	inv := sarif.NewInvocation()
	inv.ExecutionSuccessful, inv.EndTimeUtc = &complete, &at
	note := func(level, text string) {
		n := sarif.NewNotification()
		n.Level, n.Message = level, sarif.NewTextMessage(clean(text))
		inv.ToolExecutionNotifications = append(inv.ToolExecutionNotifications, n)
	}
	for _, u := range d.Inventory.Unread {
		note(sarif.LevelError, "not read: "+u)
	}
	for _, u := range d.Report.Uncovered {
		note(sarif.LevelWarning, "not judged: "+strconv.Itoa(u.Packages)+" packages of "+u.Ecosystem+", of which the feed has no data")
	}
	for _, w := range d.Inventory.Warnings {
		note(sarif.LevelWarning, w)
	}
	return inv
}

func rule(f *advisory.Finding) *sarif.ReportingDescriptor {
	id, uri := clean(f.ID), advisoryURL(f.Advisory)
	summary := orText(clean(f.Summary), id)
	r := sarif.NewRule(id)
	r.HelpURI = &uri
	r.ShortDescription, r.FullDescription = multiformat(id+" in "+clean(f.Package.AdvisoryName())), multiformat(summary)
	r.Help = multiformat(summary + "\nSeverity: " + f.Severity.String() + ratedBy(f) + "\nAdvisory: " + clean(f.Advisory) + "\n" + uri)
	r.DefaultConfiguration = sarif.NewReportingConfiguration()
	r.DefaultConfiguration.Level = level(f.Severity)
	r.Properties = sarif.NewPropertyBag().WithTags([]string{"security", "vulnerability", f.Severity.String()})
	if score := securitySeverity(f); score != "" {
		r.Properties.Add("security-severity", score)
	}
	return r
}

func multiformat(text string) *sarif.MultiformatMessageString {
	m := sarif.NewMultiformatMessageString()
	m.Text = &text
	return m
}

func ratedBy(f *advisory.Finding) string {
	var text string
	if f.SeveritySource != "" {
		text = " (" + clean(f.SeveritySource) + ")"
	}
	if f.CVSS != nil {
		text += ", CVSS " + decimal(f.CVSS.Score) + " " + clean(f.CVSS.Vector)
	}
	return text
}

// level maps a severity on the levels of SARIF, which has none for unknown: it is worth a look.
func level(s advisory.Severity) string {
	switch s {
	case advisory.SeverityCritical, advisory.SeverityHigh:
		return sarif.LevelError
	case advisory.SeverityLow, advisory.SeverityNone:
		return sarif.LevelNote
	default:
		return sarif.LevelWarning
	}
}

// securitySeverity is the score by which code hosts sort
// (https://docs.github.com/en/code-security/code-scanning/integrating-with-code-scanning/sarif-support-for-code-scanning): the
// CVSS, else the lowest score of the severity's range; empty for unknown.
func securitySeverity(f *advisory.Finding) string {
	if f.CVSS != nil {
		return strconv.FormatFloat(f.CVSS.Score, 'f', 1, 64)
	}
	switch f.Severity {
	case advisory.SeverityCritical:
		return "9.0"
	case advisory.SeverityHigh:
		return "7.0"
	case advisory.SeverityMedium:
		return "4.0"
	case advisory.SeverityLow:
		return "0.1"
	default:
		return ""
	}
}

func result(d *Document, f *advisory.Finding, at int, statement Statement) *sarif.Result { //nolint:gocritic // hugeParam: a map's value
	id := clean(f.ID)
	r := sarif.NewResult()
	r.RuleID, r.RuleIndex, r.Level = &id, at, level(f.Severity)
	r.Message = sarif.NewTextMessage(message(f))
	r.Locations = []*sarif.Location{location(d, f)}
	repository, _ := d.Image.repository()
	p := &f.Package
	r.Fingerprints = map[string]string{fingerprintKey: hashOf(repository, f.ID, p.Type, p.Name, p.Version, p.Arch, p.Path)}
	r.PartialFingerprints = map[string]string{fingerprintKey: hashOf(repository, f.ID, p.Type, p.Name, p.Path)}
	if statement.State != "" {
		kind, status, why := "external", "accepted", clean(string(statement.State)+": "+statement.Reason)
		s := sarif.NewSuppression()
		s.Kind, s.Status, s.Justification = &kind, &status, &why
		r.Suppressions = append(r.Suppressions, s)
	}
	return r
}

func message(f *advisory.Finding) string {
	text := f.Package.Name + " " + orText(f.Package.Version, "of unknown version") + ": " + f.ID + " (" + f.Severity.String() + "), "
	switch {
	case f.Fixable():
		text += "fixed in " + f.FixedVersion
	case f.FixState == advisory.FixStateWontFix:
		text += "will not be fixed (" + f.WontFix + ")"
	default:
		text += "no fix is known"
	}
	if f.Uncertain != "" {
		text += "; not certain: " + f.Uncertain
	}
	return clean(text)
}

// location is the file that tells of the package, relative to the image's root, and the package itself.
func location(d *Document, f *advisory.Finding) *sarif.Location {
	file := clean(strings.TrimLeft(f.Package.Path, "/"))
	if file == "" {
		file, _ = d.Image.repository()
	}
	artifact := sarif.NewSimpleArtifactLocation((&url.URL{Path: file}).String())
	line := 1
	physical := sarif.NewPhysicalLocation()
	physical.ArtifactLocation, physical.Region = artifact, sarif.NewRegion()
	physical.Region.StartLine = &line // code hosts show no result without one
	name, purl, kind := clean(f.Package.Name), clean(f.Package.PURL()), "module"
	logical := sarif.NewLogicalLocation()
	logical.Name, logical.FullyQualifiedName, logical.Kind = &name, &purl, &kind
	at := sarif.NewLocationWithPhysicalLocation(physical)
	at.LogicalLocations = []*sarif.LogicalLocation{logical}
	return at
}
