package web

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/runecast/runecast/pkg/admission"
	"github.com/runecast/runecast/pkg/auth"
	"github.com/runecast/runecast/pkg/policy"
)

// Where clients of Runecast Analyzer send their scan requests; older ones use the second.
const (
	ScanRequestsPath      = "/rc2/api/v2/images-scan-requests"
	ScanRequestsPathAlias = "/rca/api/v2/images-scan-requests"
)

const (
	defaultPolicy = "2" // where a scan request names none
	maxImages     = 100 // of one scan request
	maxReference  = 512 // characters
	// defaultWait is how long a scan request is answered at the latest, longestWait how long a caller may make that.
	defaultWait = 5 * time.Minute
	longestWait = 10 * time.Minute
	// writeMargin is how long writing the answer may take after the wait.
	writeMargin = 10 * time.Second
)

// policyID is the id of a policy, which clients write as a string or as a number.
type policyID string

// UnmarshalJSON implements json.Unmarshaler.
func (p *policyID) UnmarshalJSON(text []byte) error {
	text = bytes.TrimSpace(text)
	if len(text) > 0 && text[0] == '"' {
		var s string
		if err := json.Unmarshal(text, &s); err != nil {
			return fmt.Errorf("read the policy's id: %w", err)
		}
		*p = policyID(s)
		return nil
	}
	var number json.Number
	if err := json.Unmarshal(text, &number); err != nil {
		return errors.New("the policy's id is neither a string nor a number")
	}
	*p = policyID(number)
	return nil
}

// Schema implements huma.SchemaProvider.
func (policyID) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{
		OneOf:    []*huma.Schema{{Type: huma.TypeString}, {Type: huma.TypeInteger}},
		Examples: []any{"2", 2}, Description: "Id of the policy; default " + defaultPolicy,
	}
}

type scanRequest struct {
	Timeout int `query:"timeout" minimum:"1" maximum:"600" default:"300" doc:"Seconds within which the answer is to come; images that are not scanned by then are Running"`
	Body    struct {
		_          struct{} `additionalProperties:"true"` // clients in the field send more than is read
		ImageNames []string `json:"imageNames" minItems:"1" maxItems:"100" doc:"References of the images" example:"[\"nginx:1.23.2\"]"`
		PolicyID   policyID `json:"policyId,omitempty"`
		Platform   string   `json:"platform,omitempty" pattern:"^[a-z0-9]+/[a-z0-9]+(/[a-z0-9]+)?$" doc:"os/arch; default those of the cluster's nodes"`
	}
}

// Statuses of scans, in the words that lists show.
const (
	StatusSuccess = "Success"
	StatusFailed  = "Failed"
	StatusRunning = "Running"
)

// scanAnswer is the answer to a scan request.
type scanAnswer struct {
	ID         string        `json:"id" doc:"Id of the scan"`
	Complies   bool          `json:"scanResultCompliesWithPolicy" doc:"Every image was judged and none breaks the policy"`
	PolicyID   string        `json:"policyId"`
	PolicyName string        `json:"policyName"`
	URL        string        `json:"url,omitempty" format:"uri" doc:"The page of the scan, where the server knows its own address (publicUrl)"`
	Status     string        `json:"status" enum:"Success,Failed,Running" doc:"Running where an image is, else Failed where one is"`
	Results    []ImageAnswer `json:"results" doc:"In the order of imageNames"`
}

// ImageAnswer is what of a scan is about one image.
type ImageAnswer struct {
	ImageName       string      `json:"imageName"`
	Digest          string      `json:"digest,omitempty"`
	Platform        string      `json:"platform,omitempty"`
	Status          string      `json:"status" enum:"Success,Failed,Running"`
	Complies        bool        `json:"compliesWithPolicy"`
	Cause           string      `json:"cause,omitempty" doc:"Why the image could not be scanned"`
	Vulnerabilities *Counts     `json:"vulnerabilities,omitempty" doc:"All that the image has, whatever the policy says of them"`
	Violations      []violation `json:"violations,omitempty" doc:"The worst of what breaks the policy, at most 50"`
	Violated        int         `json:"violated,omitempty" doc:"How many findings break the policy"`
}

// violation is one thing that breaks a policy.
type violation struct {
	Rule     string `json:"rule"`
	Detail   string `json:"detail"`
	ID       string `json:"id,omitempty" doc:"Of the vulnerability"`
	Severity string `json:"severity,omitempty"`
	Package  string `json:"package,omitempty"`
	Version  string `json:"version,omitempty" doc:"That is installed"`
	Fixed    string `json:"fixedVersion,omitempty"`
}

type scanOutput struct{ Body scanAnswer }

// registerScanRequests serves the call of pipelines.
func (s *server) registerScanRequests(api huma.API) {
	for path, id := range map[string]string{ScanRequestsPath: "scan-images-v2", ScanRequestsPathAlias: "scan-images-rca", Prefix + "/scan-requests": "scan-images"} {
		o := operation(http.MethodPost, path, id, "Scan images and judge them by a policy")
		o.Description = "Waits for the scans. The answer says whether all images comply; an image that cannot be scanned does not, and says why."
		o.Tags, o.DefaultStatus = []string{"scans"}, http.StatusOK
		o.Middlewares = append(s.allow(api, auth.ActionScan), extend)
		o.Errors = append(o.Errors, http.StatusNotFound, http.StatusUnprocessableEntity)
		huma.Register(api, o, s.scanImages)
	}
}

// extend lets an answer take as long as the longest wait: the server's own limit is that of reviews.
func extend(ctx huma.Context, next func(huma.Context)) {
	_, w := humago.Unwrap(ctx)
	control := http.NewResponseController(w)
	until := time.Now().Add(longestWait + writeMargin)
	// Where the connection cannot be told, the server's own limits hold.
	_ = control.SetWriteDeadline(until)
	_ = control.SetReadDeadline(until)
	next(ctx)
}

func (s *server) scanImages(ctx context.Context, in *scanRequest) (*scanOutput, error) {
	arrived := s.Now()
	id := string(in.Body.PolicyID)
	if id == "" {
		id = defaultPolicy
	}
	p, ok := s.Policies.Get(id)
	if !ok {
		return nil, huma.Error404NotFound(fmt.Sprintf("there is no policy %q: see %s/policies", id, Prefix))
	}
	references, err := checkReferences(in.Body.ImageNames)
	if err != nil {
		return nil, err
	}
	request := &admission.ImagesRequest{References: references, Trigger: admission.TriggerAPI, User: caller(ctx).Name}
	if in.Body.Platform != "" {
		request.Platforms = []string{in.Body.Platform}
	}
	// A caller that goes away does not end the scans: they are answered to the next.
	limited, cancel := context.WithTimeout(ctx, time.Duration(in.Timeout)*time.Second)
	defer cancel()
	decision, _ := s.Reviewer.JudgeImages(limited, p, request, arrived)
	s.Recorder.Record(decision)
	return &scanOutput{Body: *s.answer(decision)}, nil
}

func checkReferences(names []string) ([]string, error) {
	var list []string
	var details []error
	for i, name := range names {
		name = strings.TrimSpace(name)
		if name == "" || len(name) > maxReference {
			details = append(details, &huma.ErrorDetail{Location: fmt.Sprintf("body.imageNames[%d]", i), Message: fmt.Sprintf("a reference has 1 to %d characters", maxReference)})
		}
		list = append(list, name)
	}
	if len(details) > 0 {
		return nil, huma.Error422UnprocessableEntity("validation failed", details...)
	}
	return list, nil
}

// answer tells a decision as pipelines read it.
func (s *server) answer(d *admission.Decision) *scanAnswer {
	answer := &scanAnswer{
		ID: d.ID, Complies: d.Verdict == policy.VerdictAllow, PolicyID: d.PolicyID, PolicyName: d.Policy,
		Status: StatusOf(d), URL: admission.ScanURL(s.PublicURL, d.ID), Results: make([]ImageAnswer, 0, len(d.Images)),
	}
	for i := range d.Images {
		answer.Results = append(answer.Results, imageAnswerOf(&d.Images[i]))
	}
	return answer
}

// ImageStatus tells whether an image of a decision could be scanned, in the words of StatusOf. One that was stored before outcomes
// were is told by its cause.
func ImageStatus(image *admission.DecisionImage) string {
	switch {
	case image.Outcome != "":
		return statusOf(image.Outcome)
	case image.Cause != "":
		return StatusFailed
	}
	return StatusSuccess
}

func statusOf(outcome policy.Outcome) string {
	switch outcome {
	case policy.OutcomeScanned:
		return StatusSuccess
	case policy.OutcomePending:
		return StatusRunning
	case policy.OutcomeUnscannable, policy.OutcomeNoFeed:
		return StatusFailed
	}
	return StatusFailed
}

func imageAnswerOf(image *admission.DecisionImage) ImageAnswer {
	answer := ImageAnswer{
		ImageName: image.Reference, Digest: image.Digest, Platform: image.Platform, Cause: image.Cause, Vulnerabilities: image.Counts,
		Complies: image.Verdict == policy.VerdictAllow, Violated: image.Violated, Status: ImageStatus(image),
	}
	for i := range image.Violations {
		v := &image.Violations[i]
		out := violation{Rule: v.Rule, Detail: v.Detail}
		if f := v.Finding; f != nil {
			out.ID, out.Severity = f.ID, f.Severity.String()
			out.Package, out.Version, out.Fixed = f.Package.Name, f.Package.Version, f.FixedVersion
		}
		answer.Violations = append(answer.Violations, out)
	}
	return answer
}
