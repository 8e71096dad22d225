package web

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"go.yaml.in/yaml/v3"

	"github.com/runecast/runecast/pkg/policy"
	"github.com/runecast/runecast/pkg/policy/live"
)

// PolicySummary is a row of the list of policies.
type PolicySummary struct {
	ID          string    `json:"id"`
	Name        string    `json:"name"`
	Description string    `json:"description,omitempty"`
	Mode        string    `json:"mode" enum:"enforce,warn,audit"`
	ReadOnly    bool      `json:"readOnly" doc:"It comes with the program or from a file"`
	Source      string    `json:"source,omitempty" doc:"built-in, or the file it was loaded from; not there for a stored policy"`
	Rules       int       `json:"rules"`
	Exemptions  int       `json:"exemptions" doc:"Its own and those that were added to it"`
	Revision    string    `json:"revision" doc:"Of its content with all exemptions, as decisions name it"`
	Version     int64     `json:"version,omitempty" doc:"Of a stored policy: one more with each change"`
	UpdatedAt   time.Time `json:"updatedAt,omitzero"`
	UpdatedBy   string    `json:"updatedBy,omitempty"`
	Problem     string    `json:"problem,omitempty" doc:"Why this version cannot use it: it denies all"`
}

type policyList struct {
	Body struct {
		Policies []PolicySummary `json:"policies"`
	}
}

// policyDetail is a policy as its file has it.
type policyDetail struct {
	PolicySummary
	CreatedAt time.Time `json:"createdAt,omitzero"`
	CreatedBy string    `json:"createdBy,omitempty"`
	Policy    any       `json:"policy" doc:"The policy in the form of its file, without the exemptions that were added; see the documentation of policies"`
	YAML      string    `json:"yaml" doc:"A stored policy as it was given, others as YAML"`
	Added     []string  `json:"addedExemptions" doc:"Ids of the exemptions that were added to it"`
}

// PolicyOutput is the answer about one policy.
type PolicyOutput struct {
	ETag string `header:"ETag" doc:"The version of a stored policy, for If-Match"` //nolint:tagliatelle // its name in RFC 9110
	Body policyDetail
}

// PolicyPath is the path of a policy, as part of a request.
type PolicyPath struct {
	ID string `path:"id" maxLength:"63"`
}

func (s *server) registerPolicies(api huma.API) {
	read := s.reads(api, "policies", http.StatusNotFound)
	huma.Register(api, read("/policies", "list-policies", "List the policies"), s.listPolicies)
	huma.Register(api, read("/policies/{id}", "get-policy", "One policy"), s.getPolicy)
	text := read("/policies/{id}/yaml", "get-policy-yaml", "The text of a policy, as YAML")
	text.Responses = map[string]*huma.Response{"200": {Description: "The policy", Content: map[string]*huma.MediaType{mediaYAML: {Schema: &huma.Schema{Type: huma.TypeString}}}}}
	huma.Register(api, text, s.policyYAML)
	huma.Register(api, read("/policies/{id}/history", "get-policy-history", "Who changed a stored policy, newest first"), s.policyHistory)
	huma.Register(api, read("/policies/{id}/revisions/{revision}", "get-policy-revision", "A policy as it judged, by the revision that decisions name"), s.policyRevision)
	s.registerPolicyChanges(api)
	s.registerPreviews(api)
}

func summarizePolicy(e *live.Entry) PolicySummary {
	p := e.Effective
	row := PolicySummary{
		ID: p.ID, Name: p.Name, Description: p.Description, Mode: string(p.Mode), ReadOnly: e.Stored == nil, Source: string(p.Source),
		Rules: len(p.Rules), Exemptions: len(e.Defined.Exemptions) + len(e.Exemptions), Revision: p.Revision(), Problem: p.Unusable(),
	}
	if e.Stored != nil {
		row.Version, row.UpdatedAt, row.UpdatedBy = e.Stored.Version, e.Stored.UpdatedAt, e.Stored.UpdatedBy
	}
	return row
}

func (s *server) listPolicies(context.Context, *struct{}) (*policyList, error) {
	out := &policyList{}
	all := s.Policies.Entries()
	out.Body.Policies = make([]PolicySummary, 0, len(all))
	for _, e := range all {
		out.Body.Policies = append(out.Body.Policies, summarizePolicy(e))
	}
	return out, nil
}

// entry finds a policy, or gives 404.
func (s *server) entry(id string) (*live.Entry, error) {
	if e := s.Policies.Entry(id); e != nil {
		return e, nil
	}
	return nil, huma.Error404NotFound(fmt.Sprintf("there is no policy %q", id))
}

func (s *server) getPolicy(_ context.Context, in *PolicyPath) (*PolicyOutput, error) {
	e, err := s.entry(in.ID)
	if err != nil {
		return nil, err
	}
	return s.policyOutput(e)
}

func (s *server) policyOutput(e *live.Entry) (*PolicyOutput, error) {
	text, err := PolicyText(e)
	if err != nil {
		return nil, s.internal("the policy cannot be written", err)
	}
	out := &PolicyOutput{Body: policyDetail{PolicySummary: summarizePolicy(e), Policy: e.Defined, YAML: text, Added: make([]string, 0, len(e.Exemptions))}}
	for i := range e.Exemptions {
		out.Body.Added = append(out.Body.Added, e.Exemptions[i].ID)
	}
	if e.Stored != nil {
		out.ETag = etag(e.Stored.Version)
		out.Body.CreatedAt, out.Body.CreatedBy = e.Stored.CreatedAt, e.Stored.CreatedBy
	}
	return out, nil
}

// etag writes a version as an entity tag (RFC 9110, section 8.8.3).
func etag(version int64) string { return strconv.Quote(strconv.FormatInt(version, 10)) }

// PolicyText gives the text of a policy: a stored one's as it was given, another's as YAML, without the exemptions that were added.
func PolicyText(e *live.Entry) (string, error) {
	if e.Stored != nil {
		return e.Stored.Document, nil
	}
	return policyYAML(e.Defined)
}

func policyYAML(p *policy.Policy) (string, error) {
	var b strings.Builder
	encoder := yaml.NewEncoder(&b)
	encoder.SetIndent(2)
	if err := encoder.Encode(p); err != nil {
		return "", fmt.Errorf("write policy %s as YAML: %w", p.ID, err)
	}
	if err := encoder.Close(); err != nil {
		return "", fmt.Errorf("write policy %s as YAML: %w", p.ID, err)
	}
	return b.String(), nil
}

type yamlOutput struct {
	ContentType string `header:"Content-Type"`
	ETag        string `header:"ETag"` //nolint:tagliatelle // likewise
	Body        []byte
}

func (s *server) policyYAML(_ context.Context, in *PolicyPath) (*yamlOutput, error) {
	e, err := s.entry(in.ID)
	if err != nil {
		return nil, err
	}
	detail, err := s.policyOutput(e)
	if err != nil {
		return nil, err
	}
	return &yamlOutput{ContentType: mediaYAML, ETag: detail.ETag, Body: []byte(detail.Body.YAML)}, nil
}

type policyHistory struct {
	Body struct {
		Changes    []live.Change   `json:"changes" doc:"Newest first; none for policies that cannot be changed here"`
		Exemptions []exemptionView `json:"exemptions" doc:"That were added to it, also those that were removed"`
	}
}

func (s *server) policyHistory(ctx context.Context, in *PolicyPath) (*policyHistory, error) {
	changes, err := s.Policies.Store.PolicyChanges(ctx, in.ID)
	if err != nil {
		return nil, s.internal("the history cannot be read", err)
	}
	if len(changes) == 0 && s.Policies.Entry(in.ID) == nil {
		return nil, huma.Error404NotFound(fmt.Sprintf("there is and was no policy %q", in.ID))
	}
	out := &policyHistory{}
	if out.Body.Changes = changes; changes == nil {
		out.Body.Changes = []live.Change{}
	}
	if out.Body.Exemptions, err = s.findExemptions(ctx, "all", in.ID); err != nil {
		return nil, err
	}
	return out, nil
}

type revisionPath struct {
	ID       string `path:"id" maxLength:"63"`
	Revision string `path:"revision" maxLength:"64"`
}

type revisionOutput struct {
	Body struct {
		Revision string          `json:"revision"`
		PolicyID string          `json:"policyId"`
		Since    time.Time       `json:"since" doc:"When a server judged by it first"`
		Policy   json.RawMessage `json:"policy" doc:"With the exemptions of then"`
	}
}

func (s *server) policyRevision(ctx context.Context, in *revisionPath) (*revisionOutput, error) {
	text, err := s.Policies.Store.PolicyText(ctx, in.Revision)
	if err != nil {
		return nil, s.internal("the policy's text cannot be read", err)
	}
	if text == nil || text.PolicyID != in.ID {
		return nil, huma.Error404NotFound(fmt.Sprintf("no server judged by policy %q of that revision", in.ID))
	}
	out := &revisionOutput{}
	out.Body.Revision, out.Body.PolicyID, out.Body.Since, out.Body.Policy = text.Revision, text.PolicyID, text.Since, json.RawMessage(text.Document)
	return out, nil
}
