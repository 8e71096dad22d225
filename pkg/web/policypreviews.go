package web

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/runecast/runecast/pkg/auth"
	"github.com/runecast/runecast/pkg/impact"
	"github.com/runecast/runecast/pkg/policy"
	"github.com/runecast/runecast/pkg/policy/live"
)

// PreviewQuery bounds a preview, as part of a request.
type PreviewQuery struct {
	Days int `query:"days" minimum:"1" maximum:"366" default:"30" doc:"Images that were decided about in the days before count"`
	Rows int `query:"rows" minimum:"1" maximum:"1000" default:"200" doc:"Images of each change that are listed"`
}

type previewPolicy struct {
	PolicyBody
	PreviewQuery
}

type previewDeletion struct {
	PolicyPath
	PreviewQuery
}

type previewOutput struct {
	Body struct {
		impact.Result
		Warnings []string `json:"warnings" doc:"Such as that a webhook calls the policy that is deleted"`
	}
}

func (s *server) registerPreviews(api huma.API) {
	register := func(path, id, summary string, errs ...int) huma.Operation {
		o := operation(http.MethodPost, Prefix+path, id, summary)
		o.Description = "Each known image is judged twice on the findings of the moment, by the policy as it is and as it would be. Nothing is changed."
		o.Tags, o.Middlewares, o.DefaultStatus = []string{"policies"}, huma.Middlewares{s.allow(api, auth.ActionRead)[0], extend}, http.StatusOK
		o.Errors = append(o.Errors, append(errs, http.StatusUnprocessableEntity)...)
		return o
	}
	change := register("/policies/preview", "preview-policy", "Which known images a new policy, or a new text of a policy, would deny or let in")
	huma.Register(api, change, s.previewPolicy)
	describePolicyBody(api.OpenAPI().Paths[Prefix+"/policies/preview"].Post)
	huma.Register(api, register("/policies/{id}/preview-deletion", "preview-policy-deletion", "Which known images the deletion of a policy would let in, and whether a webhook calls it", http.StatusNotFound), s.previewDeletion)
	exempt := register("/exemptions/preview", "preview-exemption", "Which known images an exemption would let in", http.StatusNotFound)
	exempt.Tags = []string{"exemptions"}
	huma.Register(api, exempt, s.previewExemption)
}

// preview makes a preview and answers.
func (s *server) preview(ctx context.Context, query *PreviewQuery, pairs ...impact.Pair) (*previewOutput, error) {
	result, err := s.Preview.Preview(ctx, &impact.Request{Pairs: pairs, Window: time.Duration(query.Days) * 24 * time.Hour, Rows: query.Rows})
	if errors.Is(err, impact.ErrBusy) {
		return nil, huma.Error503ServiceUnavailable(impact.ErrBusy.Error())
	}
	if err != nil {
		return nil, s.internal("the preview cannot be made", err)
	}
	out := &previewOutput{}
	out.Body.Result, out.Body.Warnings = *result, []string{}
	for i := range pairs {
		if pairs[i].After != nil {
			continue
		}
		if text := CalledWarning(pairs[i].Before.ID, result.LastReview, s.Now()); text != "" {
			out.Body.Warnings = append(out.Body.Warnings, text)
		}
	}
	return out, nil
}

func (s *server) previewPolicy(ctx context.Context, in *previewPolicy) (*previewOutput, error) {
	p, err := live.Decode(in.content())
	if err != nil {
		return nil, s.policyError("the policy cannot be checked", err)
	}
	return s.preview(ctx, &in.PreviewQuery, impact.Pair{Before: s.before(p.ID), After: s.Policies.Candidate(p)})
}

func (s *server) previewDeletion(ctx context.Context, in *previewDeletion) (*previewOutput, error) {
	e, err := s.entry(in.ID)
	if err != nil {
		return nil, err
	}
	return s.preview(ctx, &in.PreviewQuery, impact.Pair{Before: e.Effective})
}

type previewExemption struct {
	PreviewQuery
	Body ExemptionBody
}

func (s *server) previewExemption(ctx context.Context, in *previewExemption) (*previewOutput, error) {
	e := in.Body.exemption()
	before, after, err := s.Policies.Exempted(in.Body.PolicyID, &e)
	if err != nil {
		return nil, s.policyError("the exemption cannot be checked", err)
	}
	pairs := make([]impact.Pair, len(before))
	for i := range before {
		pairs[i] = impact.Pair{Before: before[i], After: after[i]}
	}
	return s.preview(ctx, &in.PreviewQuery, pairs...)
}

// before gives the policy that judges now; nil where there is none.
func (s *server) before(id string) *policy.Policy {
	p, _ := s.Policies.Get(id)
	return p
}
