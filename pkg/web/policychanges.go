package web

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/runecast/runecast/pkg/auth"
	"github.com/runecast/runecast/pkg/policy"
	"github.com/runecast/runecast/pkg/policy/live"
)

// mediaYAML is the media type of YAML (RFC 9512).
const mediaYAML = "application/yaml"

// PolicyBody is the text of a policy, in YAML or JSON, as part of a request.
type PolicyBody struct {
	ContentType string `header:"Content-Type"`
	RawBody     []byte `contentType:"application/yaml"`
}

// content gives the text as YAML.
func (b *PolicyBody) content() []byte {
	if strings.HasPrefix(b.ContentType, "application/json") {
		return plainJSON(b.RawBody)
	}
	return b.RawBody
}

type replacePolicy struct {
	PolicyPath
	PolicyBody
	IfMatch string `header:"If-Match" maxLength:"100" doc:"The ETag of the policy that is replaced; or give version"`
	Version int64  `query:"version" minimum:"1" doc:"The version that is replaced, in place of If-Match"`
}

type deletePolicy struct {
	PolicyPath
	IfMatch string `header:"If-Match" maxLength:"100" doc:"The ETag of the policy that is deleted; default: whichever there is"`
}

type createdPolicy struct {
	Location string `header:"Location"`
	ETag     string `header:"ETag" doc:"The version of the policy, for If-Match"` //nolint:tagliatelle // its name in RFC 9110
	Body     policyDetail
}

type deletedPolicy struct {
	Body struct {
		Warnings []string `json:"warnings" doc:"Such as that a webhook called it lately"`
	}
}

type validPolicy struct {
	Body struct {
		Valid    bool     `json:"valid" doc:"Always true: mistakes are answered with 422"`
		ID       string   `json:"id"`
		Name     string   `json:"name"`
		Warnings []string `json:"warnings" doc:"Such as exemptions that have ended, or that the id is taken"`
	}
}

func (s *server) registerPolicyChanges(api huma.API) {
	manage := func(method, path, id, summary string, code int, errs ...int) huma.Operation {
		o := operation(method, Prefix+path, id, summary)
		o.Tags, o.Middlewares, o.DefaultStatus = []string{"policies"}, s.allow(api, auth.ActionManage), code
		o.Errors = append(o.Errors, append(errs, http.StatusUnprocessableEntity)...)
		return o
	}
	create := manage(http.MethodPost, "/policies", "create-policy", "Store a new policy, which judges at once", http.StatusCreated, http.StatusConflict)
	huma.Register(api, create, s.createPolicy)
	replace := manage(http.MethodPut, "/policies/{id}", "replace-policy", "Replace a stored policy", http.StatusOK, http.StatusNotFound, http.StatusConflict, http.StatusPreconditionFailed, http.StatusPreconditionRequired)
	huma.Register(api, replace, s.replacePolicy)
	huma.Register(api, manage(http.MethodDelete, "/policies/{id}", "delete-policy", "Delete a stored policy; its history stays", http.StatusOK, http.StatusNotFound, http.StatusConflict, http.StatusPreconditionFailed), s.deletePolicy)
	validate := manage(http.MethodPost, "/policies/validate", "validate-policy", "Check a policy: every mistake is told with its path, line and column", http.StatusOK)
	validate.Middlewares = s.allow(api, auth.ActionRead)
	huma.Register(api, validate, s.validatePolicy)
	for _, path := range []string{"/policies", "/policies/validate"} {
		describePolicyBody(api.OpenAPI().Paths[Prefix+path].Post)
	}
	describePolicyBody(api.OpenAPI().Paths[Prefix+"/policies/{id}"].Put)
}

// describePolicyBody says in the description of the interface that a policy is taken as JSON too. It comes after the registration, so that
// the body is left to our own reader, which tells of lines.
func describePolicyBody(o *huma.Operation) {
	o.RequestBody.Description = "A policy in the form of its file; see the documentation of policies"
	o.RequestBody.Content = map[string]*huma.MediaType{
		mediaYAML: {Schema: &huma.Schema{Type: huma.TypeString}}, "application/json": {Schema: &huma.Schema{Type: huma.TypeObject, AdditionalProperties: true}},
	}
}

// Who names an actor as the history of policies has it: user NAME, token NAME.
func Who(a auth.Actor) string { return string(a.Kind) + " " + a.Name }

func (s *server) who(ctx context.Context) string { return Who(caller(ctx).Actor()) }

func (s *server) createPolicy(ctx context.Context, in *PolicyBody) (*createdPolicy, error) {
	e, err := s.Policies.Create(ctx, s.who(ctx), in.content())
	if err != nil {
		return nil, s.policyError("the policy cannot be stored", err)
	}
	s.audit(ctx, "policy created", e.Defined.ID, map[string]any{"name": e.Defined.Name, "version": e.Stored.Version})
	out, err := s.policyOutput(e)
	if err != nil {
		return nil, err
	}
	return &createdPolicy{Location: Prefix + "/policies/" + url.PathEscape(e.Defined.ID), ETag: out.ETag, Body: out.Body}, nil
}

func (s *server) replacePolicy(ctx context.Context, in *replacePolicy) (*PolicyOutput, error) {
	version, err := matched(in.IfMatch)
	if err != nil {
		return nil, err
	}
	if version == 0 {
		version = in.Version
	}
	if version == 0 {
		return nil, huma.NewError(http.StatusPreconditionRequired, "say which version is replaced: send the policy's ETag in If-Match, or version")
	}
	e, err := s.Policies.Replace(ctx, s.who(ctx), in.ID, version, in.content())
	if err != nil {
		return nil, s.lateError("the policy cannot be stored", in.IfMatch, err)
	}
	s.audit(ctx, "policy replaced", in.ID, map[string]any{"name": e.Defined.Name, "version": e.Stored.Version})
	return s.policyOutput(e)
}

func (s *server) deletePolicy(ctx context.Context, in *deletePolicy) (*deletedPolicy, error) {
	version, err := matched(in.IfMatch)
	if err != nil {
		return nil, err
	}
	if err = s.Policies.Delete(ctx, s.who(ctx), in.ID, version); err != nil {
		return nil, s.lateError("the policy cannot be deleted", in.IfMatch, err)
	}
	s.audit(ctx, "policy deleted", in.ID, nil)
	out := &deletedPolicy{}
	out.Body.Warnings = []string{}
	last, err := s.Preview.Store.LastReview(ctx, in.ID)
	if err != nil {
		s.Log.WithError(err).Warn("it cannot be told whether a webhook calls the deleted policy")
	}
	if text := CalledWarning(in.ID, last, s.Now()); text != "" {
		out.Body.Warnings = append(out.Body.Warnings, text)
	}
	return out, nil
}

// CalledWarning words that a webhook seems to call a policy that is deleted; empty where none did for 30 days.
func CalledWarning(id string, last, now time.Time) string {
	const lately = 30 * 24 * time.Hour
	if last.IsZero() || now.Sub(last) > lately {
		return ""
	}
	return fmt.Sprintf("a webhook called policy %s at %s: without the policy its reviews are answered with 404, so that failurePolicy Fail refuses every workload, and Ignore lets all in; change the webhook first",
		id, last.UTC().Format(time.RFC3339))
}

func (s *server) validatePolicy(_ context.Context, in *PolicyBody) (*validPolicy, error) {
	p, err := live.Decode(in.content())
	if err != nil {
		return nil, s.policyError("the policy cannot be checked", err)
	}
	out := &validPolicy{}
	out.Body.Valid, out.Body.ID, out.Body.Name, out.Body.Warnings = true, p.ID, p.Name, []string{}
	if taken := s.Policies.Base.Taken(p.ID); taken != "" {
		out.Body.Warnings = append(out.Body.Warnings, "id: "+taken)
	}
	if set, err := (&policy.Set{}).With(p); err == nil {
		out.Body.Warnings = append(out.Body.Warnings, set.Warnings(s.Now())...)
	}
	return out, nil
}

// matched reads the version of an If-Match header: one strong tag that we gave. 0: there is none, or it is *.
func matched(header string) (int64, error) {
	header = strings.TrimSpace(header)
	if header == "" || header == "*" {
		return 0, nil
	}
	plain, err := strconv.Unquote(header)
	version, failure := strconv.ParseInt(plain, 10, 64)
	if err != nil || failure != nil || version < 1 {
		return 0, huma.Error412PreconditionFailed("If-Match is none that this policy has: read the policy again")
	}
	return version, nil
}

// lateError is policyError, with 412 where If-Match names an old version.
func (s *server) lateError(what, ifMatch string, err error) error {
	if refused, ok := errors.AsType[*live.RefusedError](err); ok && refused.Reason == live.ReasonChanged && ifMatch != "" {
		return huma.Error412PreconditionFailed(refused.Text)
	}
	return s.policyError(what, err)
}

// policyError answers a refused change, or hides a fault.
func (s *server) policyError(what string, err error) error {
	if mistakes, ok := errors.AsType[*policy.Error](err); ok {
		details := make([]error, len(mistakes.Problems))
		for i := range mistakes.Problems {
			details[i] = problemDetail(&mistakes.Problems[i])
		}
		return huma.Error422UnprocessableEntity("validation failed", details...)
	}
	refused, ok := errors.AsType[*live.RefusedError](err)
	switch {
	case !ok:
		return s.internal(what, err)
	case refused.Reason == live.ReasonNotFound:
		return huma.Error404NotFound(refused.Text)
	default: // read-only, taken, changed, too many
		return huma.Error409Conflict(refused.Text)
	}
}

// place is where in a text a mistake is, from 1.
type place struct {
	Line   int `json:"line"`
	Column int `json:"column"`
}

func problemDetail(p *policy.Problem) *huma.ErrorDetail {
	detail := &huma.ErrorDetail{Location: "body", Message: p.Text}
	if p.Path != "" {
		detail.Location += "." + p.Path
	}
	if p.Line > 0 {
		detail.Message = fmt.Sprintf("line %d, column %d: %s", p.Line, p.Column, p.Text)
		detail.Value = place{p.Line, p.Column}
	}
	return detail
}
