package web

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/runecast/runecast/pkg/admission"
	"github.com/runecast/runecast/pkg/policy"
)

// DecisionReader reads decisions.
type DecisionReader interface {
	// Decision gives one decision; nil without an error when there is none of that id.
	Decision(ctx context.Context, id string) (*admission.Decision, error)
	// FindDecisions lists decisions, newest first, and gives the cursor of the next page, empty after the last. A cursor that no page gave is
	// an error with the method BadCursor.
	FindDecisions(ctx context.Context, query *DecisionQuery) ([]admission.Decision, string, error)
}

// DecisionQuery selects decisions; empty fields do not matter.
type DecisionQuery struct {
	Limit          int                   // of one page; default 100, at most 1000
	Before         string                // the cursor that the page before gave; "" for the newest
	PolicyID       string                //
	PolicyRevision string                //
	Namespace      string                //
	Verdict        policy.Verdict        //
	Trigger        admission.TriggerType //
	Reason         string                // one of admission's
	Kind, Name     string                // of the object, whole
	User           string                // whole
	Allowed        string                // yes or no
	From, To       time.Time             // from (inclusive) and to (exclusive)
}

type listDecisions struct {
	Limit          int       `query:"limit" minimum:"1" maximum:"1000" default:"100"`
	Cursor         string    `query:"cursor" maxLength:"500" doc:"The nextCursor of the page before"`
	PolicyID       string    `query:"policyId" maxLength:"63"`
	PolicyRevision string    `query:"policyRevision" maxLength:"64"`
	Namespace      string    `query:"namespace" maxLength:"63"`
	Verdict        string    `query:"verdict" enum:"allow,deny,unknown"`
	Trigger        string    `query:"triggerType" maxLength:"50" doc:"K8s admission controller, API, CLI, UI"`
	Reason         string    `query:"reason" maxLength:"50" doc:"Such as: compliant, violation, pending, unchanged"`
	Kind           string    `query:"kind" maxLength:"63"`
	Name           string    `query:"name" maxLength:"512" doc:"Of the object, whole"`
	User           string    `query:"user" maxLength:"512" doc:"Who asked, whole"`
	Allowed        string    `query:"allowed" enum:"yes,no" doc:"What the asker was told"`
	From           time.Time `query:"from" doc:"Decided then or later"`
	To             time.Time `query:"to" doc:"Decided before"`
}

// decisionView is a decision as it is told.
type decisionView struct {
	ID             string          `json:"id"`
	ReviewUID      string          `json:"reviewUid,omitempty" doc:"The uid of the AdmissionReview"`
	At             time.Time       `json:"at"`
	Seconds        float64         `json:"seconds" doc:"Until it was answered"`
	Trigger        string          `json:"triggerType"`
	PolicyID       string          `json:"policyId"`
	Policy         string          `json:"policyName" doc:"At that time"`
	PolicyRevision string          `json:"policyRevision,omitempty" doc:"Of the policy as it judged: /policies/{id}/revisions/{revision} has its text"`
	Mode           string          `json:"mode"`
	Verdict        string          `json:"verdict" enum:"allow,deny,unknown"`
	Allowed        bool            `json:"allowed" doc:"What the asker was told"`
	Reason         string          `json:"reason" doc:"Such as: compliant, violation, pending, unchanged"`
	Message        string          `json:"message,omitempty"`
	Operation      string          `json:"operation,omitempty"`
	Group          string          `json:"group,omitempty"`
	Kind           string          `json:"kind"`
	Namespace      string          `json:"namespace,omitempty"`
	Name           string          `json:"name,omitempty"`
	User           string          `json:"user,omitempty"`
	Results        []decisionImage `json:"results"`
}

// decisionImage is what of a decision is about one image.
type decisionImage struct {
	ImageAnswer
	Verdict      string     `json:"verdict" enum:"allow,deny,unknown"`
	FeedRevision string     `json:"feedRevision,omitempty"`
	Exempted     []exempted `json:"exempted,omitempty" doc:"Violations that an exemption or a VEX statement took away"`
}

// exempted is a violation that was taken away.
type exempted struct {
	Rule   string `json:"rule"`
	Detail string `json:"detail"`
	Reason string `json:"reason"`
	Owner  string `json:"owner,omitempty"`
	Until  string `json:"until,omitempty"`
	VEX    string `json:"vex,omitempty" doc:"Status of the VEX statement"`
}

type decisionPage struct {
	Body struct {
		Decisions []decisionView `json:"decisions" doc:"Newest first, those that name no image too"`
		Next      string         `json:"nextCursor,omitempty" doc:"Of the next page; not there after the last"`
	}
}

func (s *server) registerDecisions(api huma.API) {
	read := s.reads(api, "decisions", http.StatusNotFound, http.StatusUnprocessableEntity)
	huma.Register(api, read("/decisions", "list-decisions", "List what was decided and why, newest first"), s.listDecisions)
	huma.Register(api, read("/decisions/{id}", "get-decision", "One decision"), s.getDecision)
}

func (s *server) listDecisions(ctx context.Context, in *listDecisions) (*decisionPage, error) {
	list, next, err := s.Store.FindDecisions(ctx, &DecisionQuery{
		Limit: in.Limit, Before: in.Cursor, PolicyID: in.PolicyID, PolicyRevision: in.PolicyRevision, Namespace: in.Namespace, Verdict: policy.Verdict(in.Verdict),
		Trigger: admission.TriggerType(in.Trigger), Reason: in.Reason, Kind: in.Kind, Name: in.Name, User: in.User, Allowed: in.Allowed, From: in.From, To: in.To,
	})
	if badCursor(err) {
		return nil, errCursor()
	}
	if err != nil {
		return nil, s.internal("the decisions cannot be read", err)
	}
	out := &decisionPage{}
	out.Body.Next, out.Body.Decisions = next, make([]decisionView, 0, len(list))
	for i := range list {
		out.Body.Decisions = append(out.Body.Decisions, viewDecision(&list[i]))
	}
	return out, nil
}

func (s *server) getDecision(ctx context.Context, in *scanID) (*struct{ Body decisionView }, error) {
	d, err := s.Store.Decision(ctx, in.ID)
	if err != nil {
		return nil, s.internal("the decision cannot be read", err)
	}
	if d == nil {
		return nil, huma.Error404NotFound("there is no decision of that id; decisions are kept as long as decisionRetentionDays says")
	}
	return &struct{ Body decisionView }{viewDecision(d)}, nil
}

func viewDecision(d *admission.Decision) decisionView {
	view := decisionView{
		ID: d.ID, ReviewUID: d.ReviewUID, At: d.At, Seconds: d.Duration.Seconds(), Trigger: string(d.Trigger), PolicyID: d.PolicyID, Policy: d.Policy,
		PolicyRevision: d.PolicyRevision, Mode: string(d.Mode), Verdict: string(d.Verdict), Allowed: d.Allowed, Reason: d.Reason, Message: d.Message,
		Operation: d.Operation, Group: d.Group, Kind: d.Kind, Namespace: d.Namespace, Name: d.Name, User: d.User, Results: make([]decisionImage, 0, len(d.Images)),
	}
	for i := range d.Images {
		image := &d.Images[i]
		out := decisionImage{ImageAnswer: imageAnswerOf(image), Verdict: string(image.Verdict), FeedRevision: image.FeedRevision}
		for j := range image.Exempted {
			e := &image.Exempted[j]
			out.Exempted = append(out.Exempted, exempted{Rule: e.Violation.Rule, Detail: e.Violation.Detail, Reason: e.Reason, Owner: e.Owner, Until: e.Until, VEX: e.VEX})
		}
		view.Results = append(view.Results, out)
	}
	return view
}
