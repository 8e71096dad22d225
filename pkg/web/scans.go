package web

import (
	"bytes"
	"context"
	"net/http"
	"net/url"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/runecast/runecast/pkg/admission"
	"github.com/runecast/runecast/pkg/advisory"
	"github.com/runecast/runecast/pkg/export"
	"github.com/runecast/runecast/pkg/lifecycle"
	"github.com/runecast/runecast/pkg/policy"
	"github.com/runecast/runecast/pkg/scan"
)

// ScanSummary is a row of the list of scans.
type ScanSummary struct {
	ID        string    `json:"id"`
	Triggered time.Time `json:"triggered"`
	Trigger   string    `json:"triggerType"`
	Status    string    `json:"status" enum:"Success,Failed,Running"`
	Images    []string  `json:"images"`
	PolicyID  string    `json:"policyId"`
	Policy    string    `json:"policyName"`
	Complies  bool      `json:"compliesWithPolicy"`
	Allowed   bool      `json:"allowed" doc:"What the asker was told: a policy that warns allows what does not comply"`
	Reason    string    `json:"reason"`
	Counts    Counts    `json:"vulnerabilities" doc:"Of all images together"`
	Kind      string    `json:"kind,omitempty"`
	Namespace string    `json:"namespace,omitempty"`
	Name      string    `json:"name,omitempty"`
	User      string    `json:"user,omitempty"`
}

// scanDetail is one scan.
type scanDetail struct {
	ScanSummary
	Mode      string        `json:"mode"`
	Verdict   string        `json:"verdict" enum:"allow,deny,unknown"`
	Message   string        `json:"message,omitempty" doc:"The denial's text"`
	Operation string        `json:"operation,omitempty"`
	Group     string        `json:"group,omitempty"`
	Seconds   float64       `json:"seconds" doc:"Until it was answered"`
	Results   []ImageAnswer `json:"results"`
}

type scanPage struct {
	Body struct {
		Scans []ScanSummary `json:"scans" doc:"Newest first"`
		Next  string        `json:"nextCursor,omitempty" doc:"Of the next page; not there after the last"`
	}
}

type scanID struct {
	ID string `path:"id" maxLength:"64"`
}

type imageOfScan struct {
	ID    string `path:"id" maxLength:"64"`
	Image int    `path:"image" minimum:"0" maximum:"1000" doc:"Position of the image in the scan's results, from 0"`
}

// findingsOutput is the report of an image.
type findingsOutput struct {
	Body struct {
		Image        string                 `json:"imageName"`
		Digest       string                 `json:"digest"`
		Platform     string                 `json:"platform"`
		ScannedAt    time.Time              `json:"scannedAt"`
		Packages     int                    `json:"packages"`
		Distribution lifecycle.Distribution `json:"distribution"`
		Feed         scan.Feed              `json:"feed"`
		Findings     []advisory.Finding     `json:"findings" doc:"Worst first"`
		Uncovered    []advisory.Uncovered   `json:"uncovered,omitempty"`
		Unread       []string               `json:"unread,omitempty"`
		Warnings     []string               `json:"warnings,omitempty"`
	}
}

func (s *server) registerScans(api huma.API) {
	read := s.reads(api, "scans", http.StatusNotFound, http.StatusUnprocessableEntity)
	huma.Register(api, read("/scans", "list-scans", "List scans, newest first"), s.listScans)
	huma.Register(api, read("/scans/{id}", "get-scan", "One scan with its results"), s.getScan)
	huma.Register(api, read("/scans/{id}/images/{image}/findings", "get-findings", "All findings of an image of a scan"), s.findings)
	bill := read("/scans/{id}/images/{image}/inventory", "get-inventory", "The packages of an image of a scan, as CycloneDX 1.6")
	bill.Responses = map[string]*huma.Response{"200": {
		Description: "CycloneDX 1.6", Content: map[string]*huma.MediaType{export.CycloneDX.MediaType(): {Schema: &huma.Schema{Type: huma.TypeObject}}},
	}}
	huma.Register(api, bill, s.inventory)
}

func summarize(d *admission.Decision) ScanSummary {
	row := ScanSummary{
		ID: d.ID, Triggered: d.At, Trigger: string(d.Trigger), Status: StatusOf(d), PolicyID: d.PolicyID, Policy: d.Policy,
		Complies: d.Verdict == policy.VerdictAllow, Allowed: d.Allowed, Reason: d.Reason,
		Counts: d.Counts(), Kind: d.Kind, Namespace: d.Namespace, Name: d.Name, User: d.User, Images: make([]string, 0, len(d.Images)),
	}
	for i := range d.Images {
		row.Images = append(row.Images, d.Images[i].Reference)
	}
	return row
}

// StatusOf tells whether the images of a decision could be scanned: StatusRunning where one's scan goes on, else StatusFailed where one
// could not be, else StatusSuccess. A decision that was stored before outcomes were is told by its reason.
func StatusOf(d *admission.Decision) string {
	told, status := len(d.Images) > 0, StatusSuccess
	for i := range d.Images {
		switch outcome := d.Images[i].Outcome; {
		case outcome == "":
			told = false
		case statusOf(outcome) == StatusRunning:
			status = StatusRunning
		case statusOf(outcome) == StatusFailed && status == StatusSuccess:
			status = StatusFailed
		}
	}
	switch {
	case told:
		return status
	case d.Reason == admission.ReasonPending:
		return StatusRunning
	case d.Verdict == policy.VerdictUnknown && d.Reason != admission.ReasonStaleFeed && d.Reason != admission.ReasonUnknownDistro:
		return StatusFailed
	}
	return StatusSuccess
}

// decision reads one scan, or gives 404.
func (s *server) decision(ctx context.Context, id string) (*admission.Decision, error) {
	d, err := s.Store.Decision(ctx, id)
	if err != nil {
		return nil, s.internal("the scan cannot be read", err)
	}
	if d == nil {
		return nil, huma.Error404NotFound("there is no scan of that id; scans are kept as long as decisionRetentionDays says")
	}
	return d, nil
}

func (s *server) getScan(ctx context.Context, in *scanID) (*struct{ Body scanDetail }, error) {
	d, err := s.decision(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	detail := scanDetail{
		ScanSummary: summarize(d), Mode: string(d.Mode), Verdict: string(d.Verdict), Message: d.Message,
		Operation: d.Operation, Group: d.Group, Seconds: d.Duration.Seconds(), Results: make([]ImageAnswer, 0, len(d.Images)),
	}
	for i := range d.Images {
		detail.Results = append(detail.Results, imageAnswerOf(&d.Images[i]))
	}
	return &struct{ Body scanDetail }{detail}, nil
}

// image reads one image of a scan.
func (s *server) image(ctx context.Context, in *imageOfScan) (*admission.DecisionImage, error) {
	d, err := s.decision(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	if in.Image >= len(d.Images) {
		return nil, huma.Error404NotFound("the scan has no image at that position")
	}
	if d.Images[in.Image].Digest == "" {
		return nil, huma.Error404NotFound("the image was not scanned: " + d.Images[in.Image].Cause)
	}
	return &d.Images[in.Image], nil
}

func (s *server) findings(ctx context.Context, in *imageOfScan) (*findingsOutput, error) {
	image, err := s.image(ctx, in)
	if err != nil {
		return nil, err
	}
	report, err := s.Store.Report(ctx, image.Digest, image.FeedRevision)
	if err != nil {
		return nil, s.internal("the report cannot be read", err)
	}
	if report == nil {
		return nil, huma.Error404NotFound("the findings of that feed are not kept any more: scan the image again")
	}
	out := &findingsOutput{}
	b := &out.Body
	b.Image, b.Digest, b.Platform, b.ScannedAt, b.Packages = image.Reference, report.Digest, report.Platform, report.ScannedAt, report.Packages
	b.Distribution, b.Feed, b.Uncovered, b.Unread, b.Warnings = report.Distribution, report.Feed, report.Uncovered, report.Unread, report.Warnings
	if b.Findings = report.Findings; b.Findings == nil {
		b.Findings = []advisory.Finding{}
	}
	return out, nil
}

type inventoryOutput struct {
	ContentType string `header:"Content-Type"`
	Disposition string `header:"Content-Disposition"`
	Body        []byte
}

func (s *server) inventory(ctx context.Context, in *imageOfScan) (*inventoryOutput, error) {
	image, err := s.image(ctx, in)
	if err != nil {
		return nil, err
	}
	contents, err := s.Store.Inventory(ctx, image.Digest)
	if err != nil {
		return nil, s.internal("the inventory cannot be read", err)
	}
	if contents == nil {
		return nil, huma.Error404NotFound("the packages of the image are not kept any more: scan it again")
	}
	var b bytes.Buffer
	if err := export.Write(&b, export.CycloneDX, s.bill(image, contents)); err != nil {
		return nil, s.internal("the inventory cannot be written", err)
	}
	name := url.PathEscape(image.Digest) + ".cdx.json"
	return &inventoryOutput{ContentType: export.CycloneDX.MediaType(), Disposition: `attachment; filename="` + name + `"`, Body: b.Bytes()}, nil
}

// bill describes an image for export.
func (s *server) bill(image *admission.DecisionImage, contents *scan.Contents) *export.Document {
	return &export.Document{
		Image:     export.Image{Reference: image.Reference, Digest: image.Digest, Platform: contents.Platform},
		Inventory: contents.Inventory, Version: s.Version, Time: contents.ReadAt,
	}
}
