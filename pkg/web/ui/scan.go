package ui

import (
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/runecast/runecast/pkg/admission"
	"github.com/runecast/runecast/pkg/auth"
	"github.com/runecast/runecast/pkg/policy"
	"github.com/runecast/runecast/pkg/scan"
	"github.com/runecast/runecast/pkg/web"
)

// maxID is how many bytes an id in a path may have.
const maxID = 128

// imageRow is an image in the list of a scan's images.
type imageRow struct {
	Reference, Digest, Status, Link string
	Complies                        bool
	Counts                          *web.Counts
	Selected                        bool
}

// scanPage is the page of a scan: all its images in short, and one of them whole.
type scanPage struct {
	*admission.Decision
	Status   string
	Complies bool
	Object   string
	Rows     []imageRow
	Image    *imagePage // nil: the scan is about no image
}

// imagePage is what the page of a scan says of one image.
type imagePage struct {
	*admission.DecisionImage
	Position  int
	Status    string
	Complies  bool
	Report    *scan.Report // nil: it was not scanned, or its findings are not kept any more
	Fresh     bool         // its findings may be about to be stored
	Broken    []brokenRule
	Bumps     []bump
	Findings  *findingList
	Inventory string // address of its packages; "" where they are not known
	Exempt    string // address of the form for an exemption, to be completed; "" where there is none for this user
	History   history
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

// position reads which image of a decision is asked for. Where none is, it is the first that does not comply.
func position(d *admission.Decision, asked string) (int, error) {
	if asked == "" {
		for i := range d.Images {
			if d.Images[i].Verdict != policy.VerdictAllow {
				return i, nil
			}
		}
		return 0, nil
	}
	n, err := strconv.Atoi(asked)
	if err != nil || n < 0 || n >= len(d.Images) {
		return 0, problem{http.StatusNotFound, "The scan has no such image."}
	}
	return n, nil
}

// scan shows a scan, or how far it is.
func (s *server) scan(w http.ResponseWriter, r *http.Request, user *auth.User) error {
	if found, err := s.running(w, r, user, r.PathValue("id")); found || err != nil {
		return err
	}
	d, err := s.decision(r, r.PathValue("id"))
	if err != nil {
		return err
	}
	page := scanPage{Decision: d, Status: web.StatusOf(d), Complies: d.Verdict == policy.VerdictAllow, Object: objectOf(d)}
	if len(d.Images) > 0 {
		n, err := position(d, r.URL.Query().Get("image"))
		if err != nil {
			return err
		}
		page.Rows = imageRows(d, n)
		if page.Image, err = s.imageOf(r, user, d, n); err != nil {
			return err
		}
	}
	s.render(w, http.StatusOK, "scan", view{Title: "Scan", User: user, Data: page})
	return nil
}

func imageRows(d *admission.Decision, selected int) []imageRow {
	rows := make([]imageRow, 0, len(d.Images))
	for i := range d.Images {
		image := &d.Images[i]
		rows = append(rows, imageRow{
			Reference: image.Reference, Digest: image.Digest, Status: web.ImageStatus(image), Complies: image.Verdict == policy.VerdictAllow, Counts: image.Counts,
			Link: scansPath + "/" + url.PathEscape(d.ID) + "?image=" + strconv.Itoa(i) + "#image", Selected: i == selected,
		})
	}
	return rows
}

// imageOf reads all that is said of one image. The number of queries does not depend on how many images or findings there are.
func (s *server) imageOf(r *http.Request, user *auth.User, d *admission.Decision, n int) (*imagePage, error) {
	image := &d.Images[n]
	page := &imagePage{
		DecisionImage: image, Position: n, Status: web.ImageStatus(image), Complies: image.Verdict == policy.VerdictAllow, Broken: brokenRules(image),
		Fresh: s.Now().Sub(d.At) < time.Minute, Exempt: s.exemptionForm(user, d, image),
	}
	var err error
	if page.History, err = s.history(r, d, image); err != nil {
		return nil, err
	}
	if page.Report, err = s.report(r, image); err != nil || page.Report == nil {
		return page, err
	}
	page.Bumps = bumps(page.Report.Findings)
	if page.Findings, err = readFindings(r.URL.Query(), d, n, page.Report.Findings); err == nil && page.Exempt != "" {
		page.Findings.offer(page.Exempt)
	}
	page.Inventory = scansPath + "/" + url.PathEscape(d.ID) + "/images/" + strconv.Itoa(n) + "/inventory"
	return page, err
}

// exemptionForm is the address of the form for an exemption of what an image has, where the user may make one.
func (s *server) exemptionForm(user *auth.User, d *admission.Decision, image *admission.DecisionImage) string {
	const path = "/exemptions/new"
	if !user.Role.May(auth.ActionManage) || !s.serves("GET "+path) {
		return ""
	}
	return path + "?" + url.Values{"policy": {d.PolicyID}, "image": {image.Reference}}.Encode()
}

// brokenRule is a rule of the policy that an image breaks.
type brokenRule struct {
	Rule    string
	Count   int // violations of it, of those that the decision repeats
	Details []string
}

// maxDetails is how many violations of a rule are listed that no finding tells.
const maxDetails = 5

func brokenRules(image *admission.DecisionImage) []brokenRule {
	var list []brokenRule
	at := map[string]int{}
	for i := range image.Violations {
		v := &image.Violations[i]
		n, known := at[v.Rule]
		if !known {
			n = len(list)
			at[v.Rule] = n
			list = append(list, brokenRule{Rule: v.Rule})
		}
		if list[n].Count++; v.Finding == nil && len(list[n].Details) < maxDetails {
			list[n].Details = append(list[n].Details, v.Detail)
		}
	}
	return list
}
