package ui

import (
	"fmt"
	"net/http"
	"net/url"

	"github.com/runecast/runecast/pkg/auth"
	"github.com/runecast/runecast/pkg/policy"
	"github.com/runecast/runecast/pkg/policy/live"
	"github.com/runecast/runecast/pkg/web"
)

const (
	policiesPath  = "/policies"
	newPolicyPath = "/new-policy"
)

// policyRow is a policy as lists show it.
type policyRow struct {
	*live.Entry
	Link       string // of its page
	Exemptions int    // its own and those that were added
}

func (s *server) policies(w http.ResponseWriter, _ *http.Request, user *auth.User) error {
	var rows []policyRow
	for _, e := range s.Policies.Entries() {
		rows = append(rows, policyRow{e, policyLink(e.Defined.ID), len(e.Defined.Exemptions) + len(e.Exemptions)})
	}
	v := view{Title: "Policies", User: user, Data: struct {
		Rows     []policyRow
		Problems []string
	}{rows, s.Policies.Problems()}}
	s.render(w, http.StatusOK, "policies", v)
	return nil
}

func policyLink(id string) string { return policiesPath + "/" + url.PathEscape(id) }

// ruleRow is a rule in words.
type ruleRow struct{ Name, Words string }

type policyPage struct {
	*live.Entry
	Link, Copy string
	Rules      []ruleRow
	Own        []policy.Exemption // of its text
	Added      []exemptionRow
	Changes    []live.Change // newest first
	YAML       string
}

// entry finds a policy, or gives the page that says that there is none.
func (s *server) entry(r *http.Request) (*live.Entry, error) {
	if e := s.Policies.Entry(r.PathValue("id")); e != nil {
		return e, nil
	}
	return nil, problem{http.StatusNotFound, "There is no policy of that id."}
}

func (s *server) policy(w http.ResponseWriter, r *http.Request, user *auth.User) error {
	e, err := s.entry(r)
	if err != nil {
		return err
	}
	page := policyPage{Entry: e, Link: policyLink(e.Defined.ID), Copy: newPolicyPath + "?" + url.Values{"from": {e.Defined.ID}}.Encode(), Own: e.Defined.Exemptions}
	if page.YAML, err = web.PolicyText(e); err != nil {
		return err //nolint:wrapcheck // it says all there is to say
	}
	if page.Changes, err = s.Policies.Store.PolicyChanges(r.Context(), e.Defined.ID); err != nil {
		return fmt.Errorf("read the history: %w", err)
	}
	for i := range e.Defined.Rules {
		rule := &e.Defined.Rules[i]
		row := ruleRow{rule.Name, rule.Words()}
		if row.Name == row.Words {
			row.Name = ""
		}
		page.Rules = append(page.Rules, row)
	}
	for i := range e.Exemptions {
		page.Added = append(page.Added, s.exemptionRow(user, &e.Exemptions[i]))
	}
	s.render(w, http.StatusOK, "policy", view{Title: e.Defined.Name, User: user, Data: page})
	return nil
}

type deletePage struct {
	ID, Link string
	Version  int64
	Preview  *impactPart
	Warning  string // that a webhook calls it
}

func (s *server) deletePolicyPage(w http.ResponseWriter, r *http.Request, user *auth.User) error {
	e, err := s.entry(r)
	if err != nil {
		return err
	}
	if e.Stored == nil {
		return problem{http.StatusConflict, "This policy comes with the program or from a file: it cannot be deleted here."}
	}
	page := deletePage{ID: e.Defined.ID, Link: policyLink(e.Defined.ID), Version: e.Stored.Version}
	if page.Preview, err = s.impact(r, deletionOf(e)); err != nil {
		return err
	}
	page.Warning = web.CalledWarning(page.ID, page.Preview.LastReview, s.Now())
	s.render(w, http.StatusOK, "policydelete", view{Title: "Delete policy " + page.ID, User: user, Data: page})
	return nil
}

func (s *server) deletePolicy(w http.ResponseWriter, r *http.Request, user *auth.User) error {
	version, err := versionOf(r)
	if err != nil {
		return err
	}
	id := r.PathValue("id")
	if err := s.Policies.Delete(r.Context(), web.Who(user.Actor()), id, version); err != nil {
		return refusal(err)
	}
	s.audit(r, user, "policy deleted", id, nil)
	http.Redirect(w, r, policiesPath, http.StatusSeeOther)
	return nil
}
