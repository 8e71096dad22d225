package ui

import (
	"fmt"
	"net/http"
	"net/url"
	"strconv"

	"github.com/runecast/runecast/pkg/admission"
	"github.com/runecast/runecast/pkg/advisory"
	"github.com/runecast/runecast/pkg/auth"
	"github.com/runecast/runecast/pkg/policy"
	"github.com/runecast/runecast/pkg/scan"
	"github.com/runecast/runecast/pkg/web"
)

// maxFindings is how many findings of one image a page shows, the worst.
const maxFindings = 1000

// maxID is how many bytes an id in a path may have.
const maxID = 128

// findingRow is a finding as the page of a scan shows it.
type findingRow struct {
	advisory.Finding
	Link   string // of its own page
	Exempt string // why the policy passes over it; "" where it does not
}

// imagePart is what the page of a scan says of one image.
type imagePart struct {
	admission.DecisionImage
	Complies bool
	Report   *scan.Report // nil: it was not scanned, or its findings are not kept any more
	Findings []findingRow
	More     int // findings that are not shown
}

type scanPage struct {
	*admission.Decision
	Status   string
	Complies bool
	Parts    []imagePart
}

func (s *server) decision(r *http.Request, id string) (*admission.Decision, error) {
	if len(id) > maxID {
		id = ""
	}
	d, err := s.Store.Decision(r.Context(), id)
	if err != nil {
		return nil, fmt.Errorf("read the scan: %w", err)
	}
	if d == nil {
		return nil, problem{http.StatusNotFound, "There is no scan of that id. Scans are kept as long as decisionRetentionDays says."}
	}
	return d, nil
}

func (s *server) report(r *http.Request, image *admission.DecisionImage) (*scan.Report, error) {
	if image.Digest == "" || image.FeedRevision == "" {
		return nil, nil //nolint:nilnil // it was not scanned
	}
	report, err := s.Store.Report(r.Context(), image.Digest, image.FeedRevision)
	if err != nil {
		return nil, fmt.Errorf("read the report: %w", err)
	}
	return report, nil
}

func (s *server) scan(w http.ResponseWriter, r *http.Request, user *auth.User) error {
	if found, err := s.running(w, r, user, r.PathValue("id")); found || err != nil {
		return err
	}
	d, err := s.decision(r, r.PathValue("id"))
	if err != nil {
		return err
	}
	page := scanPage{Decision: d, Status: web.StatusOf(d), Complies: d.Verdict == policy.VerdictAllow}
	for i := range d.Images {
		image := &d.Images[i]
		part := imagePart{DecisionImage: *image, Complies: image.Verdict == policy.VerdictAllow}
		if part.Report, err = s.report(r, image); err != nil {
			return err
		}
		if part.Report != nil {
			part.Findings = findingRows(d.ID, i, image, part.Report.Findings)
			part.More = len(part.Report.Findings) - len(part.Findings)
		}
		page.Parts = append(page.Parts, part)
	}
	s.render(w, http.StatusOK, "scan", view{Title: "Scan", User: user, Data: page})
	return nil
}

func findingRows(scanID string, position int, image *admission.DecisionImage, findings []advisory.Finding) []findingRow {
	exempt := map[string]string{}
	for i := range image.Exempted {
		e := &image.Exempted[i]
		if f := e.Violation.Finding; f != nil {
			why := e.Reason
			if e.VEX != "" {
				why = "VEX " + e.VEX + ": " + why
			}
			exempt[f.ID+" "+f.Package.Name+" "+f.Package.Version] = why
		}
	}
	findings = findings[:min(len(findings), maxFindings)]
	rows := make([]findingRow, 0, len(findings))
	for i := range findings {
		f := &findings[i]
		query := url.Values{"scan": {scanID}, "image": {strconv.Itoa(position)}}
		rows = append(rows, findingRow{
			Finding: *f, Exempt: exempt[f.ID+" "+f.Package.Name+" "+f.Package.Version],
			Link: "/vulnerabilities/" + url.PathEscape(f.ID) + "?" + query.Encode(),
		})
	}
	return rows
}

// reference is where others tell more of a vulnerability.
type reference struct{ Name, URL string }

type vulnerabilityPage struct {
	ID, Summary, Scan, Image string
	Aliases                  []string
	Findings                 []advisory.Finding // of the image, one a package
	References               []reference
}

// vulnerability shows what is known of a vulnerability of an image of a scan.
func (s *server) vulnerability(w http.ResponseWriter, r *http.Request, user *auth.User) error {
	d, err := s.decision(r, r.URL.Query().Get("scan"))
	if err != nil {
		return err
	}
	notFound := problem{http.StatusNotFound, "The scan has no such vulnerability, or its findings are not kept any more."}
	position, err := strconv.Atoi(r.URL.Query().Get("image"))
	if err != nil || position < 0 || position >= len(d.Images) {
		return notFound
	}
	report, err := s.report(r, &d.Images[position])
	if err != nil {
		return err
	}
	if report == nil {
		return notFound
	}
	page := vulnerabilityPage{ID: r.PathValue("id"), Scan: d.ID, Image: d.Images[position].Reference}
	for i := range report.Findings {
		if f := &report.Findings[i]; f.ID == page.ID {
			page.Findings, page.Summary, page.Aliases = append(page.Findings, *f), f.Summary, f.Aliases
		}
	}
	if len(page.Findings) == 0 {
		return notFound
	}
	page.References = references(page.ID, page.Findings[0].Advisory)
	s.render(w, http.StatusOK, "vulnerability", view{Title: page.ID, User: user, Data: page})
	return nil
}

// references are made of ids that the feed has; hosts and schemes are ours.
func references(id, record string) []reference {
	list := []reference{{"OSV: " + record, "https://osv.dev/vulnerability/" + url.PathEscape(record)}}
	if len(id) > 4 && id[:4] == "CVE-" {
		list = append(list, reference{"NVD: " + id, "https://nvd.nist.gov/vuln/detail/" + url.PathEscape(id)})
	}
	return list
}
