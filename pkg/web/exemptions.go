package web

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/runecast/runecast/pkg/auth"
	"github.com/runecast/runecast/pkg/policy"
	"github.com/runecast/runecast/pkg/policy/live"
)

// ExemptionBody is an exemption as it is given.
type ExemptionBody struct {
	PolicyID  string   `json:"policyId,omitempty" maxLength:"63" doc:"Of the policy that it is added to, read-only ones too; default: all policies"`
	IDs       []string `json:"ids,omitempty" maxItems:"100" doc:"Vulnerabilities by any of their ids"`
	Package   string   `json:"package,omitempty" maxLength:"512" doc:"Name of the installed or source package"`
	Ecosystem string   `json:"ecosystem,omitempty" maxLength:"100" doc:"Debian for all releases, Debian:12 for one"`
	Image     string   `json:"image,omitempty" maxLength:"512" doc:"Image pattern, as in exemptImages"`
	Reason    string   `json:"reason" maxLength:"2000" doc:"Why the violation is accepted"`
	Owner     string   `json:"owner" maxLength:"200" doc:"Who answers for it"`
	Expires   string   `json:"expires,omitempty" maxLength:"40" doc:"2026-12-31, to the end of that day UTC, or RFC 3339; default never"`
	UntilFix  bool     `json:"untilFix,omitempty" doc:"It ends for a finding once a fixed version is known"`
}

func (b *ExemptionBody) exemption() policy.Exemption {
	return policy.Exemption{
		IDs: b.IDs, Package: b.Package, Ecosystem: b.Ecosystem, Image: b.Image, Reason: b.Reason, Owner: b.Owner, Expires: b.Expires, UntilFix: b.UntilFix,
	}
}

// exemptionView is a stored exemption.
type exemptionView struct {
	ID     string `json:"id"`
	Status string `json:"status" enum:"active,expired,removed,unusable"`
	ExemptionBody
	CreatedAt time.Time `json:"createdAt"`
	CreatedBy string    `json:"createdBy"`
	RemovedAt time.Time `json:"removedAt,omitzero"`
	RemovedBy string    `json:"removedBy,omitempty"`
}

func (s *server) viewExemption(e *live.Exemption) exemptionView {
	return exemptionView{
		ID: e.ID, Status: string(e.StatusAt(s.Now())), CreatedAt: e.CreatedAt, CreatedBy: e.CreatedBy, RemovedAt: e.RemovedAt, RemovedBy: e.RemovedBy,
		ExemptionBody: ExemptionBody{
			PolicyID: e.PolicyID, IDs: e.IDs, Package: e.Package, Ecosystem: e.Ecosystem, Image: e.Image, Reason: e.Reason, Owner: e.Owner, Expires: e.Expires, UntilFix: e.UntilFix,
		},
	}
}

type listExemptions struct {
	Status   string `query:"status" enum:"active,expired,removed,unusable,all" doc:"Default: all but removed ones"`
	PolicyID string `query:"policyId" maxLength:"63" doc:"Those that belong to that policy, among them those of all policies"`
}

type exemptionList struct {
	Body struct {
		Exemptions []exemptionView `json:"exemptions" doc:"Oldest first, then those that were removed, the last first, at most 1000 of them"`
	}
}

type exemptionOutput struct {
	Location string `header:"Location"`
	Body     exemptionView
}

type exemptionPath struct {
	ID string `path:"id" maxLength:"64"`
}

func (s *server) registerExemptions(api huma.API) {
	register := func(method, path, id, summary string, action auth.Action) huma.Operation {
		o := operation(method, Prefix+path, id, summary)
		o.Tags, o.Middlewares = []string{"exemptions"}, s.allow(api, action)
		o.Errors = append(o.Errors, http.StatusNotFound, http.StatusUnprocessableEntity)
		return o
	}
	huma.Register(api, register(http.MethodGet, "/exemptions", "list-exemptions", "List the exemptions that were added to policies", auth.ActionRead), s.listExemptions)
	huma.Register(api, register(http.MethodGet, "/exemptions/{id}", "get-exemption", "One exemption", auth.ActionRead), s.getExemption)
	create := register(http.MethodPost, "/exemptions", "create-exemption", "Add an exemption to a policy or to all, which holds at once", auth.ActionManage)
	create.DefaultStatus, create.Errors = http.StatusCreated, append(create.Errors, http.StatusConflict)
	huma.Register(api, create, s.createExemption)
	remove := register(http.MethodDelete, "/exemptions/{id}", "remove-exemption", "Remove an exemption; it stays in the history", auth.ActionManage)
	remove.DefaultStatus = http.StatusNoContent
	huma.Register(api, remove, s.removeExemption)
}

func (s *server) listExemptions(ctx context.Context, in *listExemptions) (*exemptionList, error) {
	list, err := s.findExemptions(ctx, in.Status, in.PolicyID)
	if err != nil {
		return nil, err
	}
	out := &exemptionList{}
	out.Body.Exemptions = list
	return out, nil
}

// findExemptions lists exemptions of a status: "" for all but removed ones, all for all.
func (s *server) findExemptions(ctx context.Context, status, policyID string) ([]exemptionView, error) {
	var list []live.Exemption
	if status != string(live.StatusRemoved) {
		list = s.Policies.ActiveExemptions()
	}
	if status == string(live.StatusRemoved) || status == "all" {
		removed, err := s.Policies.Store.Exemptions(ctx, true)
		if err != nil {
			return nil, s.internal("the exemptions cannot be read", err)
		}
		list = slices.Concat(list, removed)
	}
	out := []exemptionView{}
	for i := range list {
		view := s.viewExemption(&list[i])
		if (status == "" || status == "all" || status == view.Status) && (policyID == "" || list[i].Covers(policyID)) {
			out = append(out, view)
		}
	}
	return out, nil
}

func (s *server) getExemption(ctx context.Context, in *exemptionPath) (*exemptionOutput, error) {
	e, err := s.Policies.Store.Exemption(ctx, in.ID)
	if err != nil {
		return nil, s.internal("the exemption cannot be read", err)
	}
	if e == nil {
		return nil, huma.Error404NotFound("there is no exemption of that id")
	}
	return &exemptionOutput{Body: s.viewExemption(e)}, nil
}

func (s *server) createExemption(ctx context.Context, in *struct{ Body ExemptionBody }) (*exemptionOutput, error) {
	given := in.Body.exemption()
	e, err := s.Policies.Exempt(ctx, s.who(ctx), in.Body.PolicyID, &given)
	if err != nil {
		return nil, s.policyError("the exemption cannot be stored", err)
	}
	s.audit(ctx, "exemption created", e.ID, ExemptionDetails(e))
	return &exemptionOutput{Location: Prefix + "/exemptions/" + url.PathEscape(e.ID), Body: s.viewExemption(e)}, nil
}

func (s *server) removeExemption(ctx context.Context, in *exemptionPath) (*struct{}, error) {
	if err := s.Policies.Unexempt(ctx, s.who(ctx), in.ID); err != nil {
		return nil, s.policyError("the exemption cannot be removed", err)
	}
	s.audit(ctx, "exemption removed", in.ID, nil)
	return nil, nil //nolint:nilnil // 204 has no body
}

// ExemptionDetails is what the audit log says of a new exemption.
func ExemptionDetails(e *live.Exemption) map[string]any {
	details := map[string]any{"reason": e.Reason, "owner": e.Owner}
	for name, value := range map[string]string{"policy": e.PolicyID, "package": e.Package, "ecosystem": e.Ecosystem, "image": e.Image, "expires": e.Expires} {
		if value != "" {
			details[name] = value
		}
	}
	if len(e.IDs) > 0 {
		details["ids"] = e.IDs
	}
	return details
}
