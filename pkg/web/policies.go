package web

import (
	"context"
	"fmt"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/runecast/runecast/pkg/auth"
	"github.com/runecast/runecast/pkg/policy"
)

// policySummary is a row of the list of policies.
type policySummary struct {
	ID          string `json:"id"`
	Name        string `json:"name"`
	Description string `json:"description,omitempty"`
	Mode        string `json:"mode" enum:"enforce,warn,audit"`
	ReadOnly    bool   `json:"readOnly" doc:"It comes with the program or from a file"`
	Source      string `json:"source,omitempty" doc:"built-in, or the file it was loaded from"`
	Rules       int    `json:"rules"`
	Exemptions  int    `json:"exemptions"`
	Revision    string `json:"revision" doc:"Of its content"`
}

type policyList struct {
	Body struct {
		Policies []policySummary `json:"policies"`
	}
}

// policyDetail is a policy as its file has it.
type policyDetail struct {
	policySummary
	Policy any `json:"policy" doc:"The policy in the form of its file; see the documentation of policies"`
}

type policyPath struct {
	ID string `path:"id" maxLength:"63"`
}

func (s *server) registerPolicies(api huma.API) {
	list := operation(http.MethodGet, Prefix+"/policies", "list-policies", "List the policies")
	list.Tags, list.Middlewares = []string{"policies"}, s.allow(api, auth.ActionRead)
	huma.Register(api, list, s.listPolicies)
	one := operation(http.MethodGet, Prefix+"/policies/{id}", "get-policy", "One policy")
	one.Tags, one.Middlewares, one.Errors = list.Tags, list.Middlewares, append(one.Errors, http.StatusNotFound)
	huma.Register(api, one, s.getPolicy)
}

func summarizePolicy(p *policy.Policy) policySummary {
	return policySummary{
		ID: p.ID, Name: p.Name, Description: p.Description, Mode: string(p.Mode), ReadOnly: p.ReadOnly(), Source: string(p.Source),
		Rules: len(p.Rules), Exemptions: len(p.Exemptions), Revision: p.Revision(),
	}
}

func (s *server) listPolicies(context.Context, *struct{}) (*policyList, error) {
	out := &policyList{}
	all := s.Policies.List()
	out.Body.Policies = make([]policySummary, 0, len(all))
	for _, p := range all {
		out.Body.Policies = append(out.Body.Policies, summarizePolicy(p))
	}
	return out, nil
}

func (s *server) getPolicy(_ context.Context, in *policyPath) (*struct{ Body policyDetail }, error) {
	p, ok := s.Policies.Get(in.ID)
	if !ok {
		return nil, huma.Error404NotFound(fmt.Sprintf("there is no policy %q", in.ID))
	}
	return &struct{ Body policyDetail }{policyDetail{summarizePolicy(p), p}}, nil
}
