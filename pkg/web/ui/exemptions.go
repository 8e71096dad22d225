package ui

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/runecast/runecast/pkg/auth"
	"github.com/runecast/runecast/pkg/impact"
	"github.com/runecast/runecast/pkg/policy"
	"github.com/runecast/runecast/pkg/policy/live"
	"github.com/runecast/runecast/pkg/web"
)

const exemptionsPath = "/exemptions"

// exemptionRow is an exemption as lists show it.
type exemptionRow struct {
	live.Exemption
	Status live.Status
	About  []string // what it covers
	Link   string   // of its policy; empty: it is of all
	Remove string   // where the form goes that removes it; empty: it is removed, or the user may not
}

func (s *server) exemptionRow(user *auth.User, e *live.Exemption) exemptionRow {
	row := exemptionRow{Exemption: *e, Status: e.StatusAt(s.Now())}
	row.About = append(row.About, e.IDs...)
	for name, value := range map[string]string{"package ": e.Package, "ecosystem ": e.Ecosystem, "image ": e.Image} {
		if value != "" {
			row.About = append(row.About, name+value)
		}
	}
	slices.Sort(row.About)
	if e.PolicyID != "" {
		row.Link = policyLink(e.PolicyID)
	}
	if e.RemovedAt.IsZero() && user.Role.May(auth.ActionManage) {
		row.Remove = exemptionsPath + "/" + url.PathEscape(e.ID) + "/remove"
	}
	return row
}

type exemptionPage struct {
	Rows     []exemptionRow
	Statuses []live.Status
	Status   string // that is asked for
	Policies []*policy.Policy
	PolicyID string // that is asked for
}

func (s *server) exemptions(w http.ResponseWriter, r *http.Request, user *auth.User) error {
	query := r.URL.Query()
	page := exemptionPage{
		Statuses: []live.Status{live.StatusActive, live.StatusExpired, live.StatusUnusable, live.StatusRemoved}, Policies: s.Policies.List(),
		Status: query.Get("status"), PolicyID: query.Get("policy"),
	}
	list := s.Policies.ActiveExemptions()
	if page.Status == string(live.StatusRemoved) {
		var err error
		if list, err = s.Policies.Store.Exemptions(r.Context(), true); err != nil {
			return fmt.Errorf("list exemptions: %w", err)
		}
	}
	for i := range list {
		row := s.exemptionRow(user, &list[i])
		if (page.Status == "" || page.Status == string(row.Status)) && (page.PolicyID == "" || row.Covers(page.PolicyID)) {
			page.Rows = append(page.Rows, row)
		}
	}
	s.render(w, http.StatusOK, "exemptions", view{Title: "Exemptions", User: user, Data: page})
	return nil
}

// exemptionForm is the page that an exemption is written on.
type exemptionForm struct {
	policy.Exemption
	PolicyID string
	Text     string // its ids, separated by blanks
	Policies []*policy.Policy
	Mistakes []policy.Problem
	Preview  *impactPart
	Seen     string // fingerprint of what Preview is of
}

func (s *server) newExemptionPage(w http.ResponseWriter, r *http.Request, user *auth.User) error {
	query := r.URL.Query()
	form := &exemptionForm{PolicyID: query.Get("policy"), Text: query.Get("id"), Exemption: policy.Exemption{
		Package: query.Get("package"), Image: policy.PatternOf(query.Get("image")), Owner: user.Name,
	}}
	return s.showExemptionForm(w, http.StatusOK, user, "", form)
}

func (s *server) showExemptionForm(w http.ResponseWriter, code int, user *auth.User, notice string, form *exemptionForm) error {
	form.Policies = s.Policies.List()
	s.render(w, code, "exemptionform", view{Title: "New exemption", User: user, Notice: notice, Data: form})
	return nil
}

// newExemption shows what an exemption would do, or stores it where that was seen before.
func (s *server) newExemption(w http.ResponseWriter, r *http.Request, user *auth.User) error {
	if err := r.ParseForm(); err != nil {
		return badForm(err)
	}
	get := func(name string) string { return strings.TrimSpace(r.PostForm.Get(name)) }
	form := &exemptionForm{PolicyID: get("policy"), Text: get("ids"), Exemption: policy.Exemption{
		Package: get("package"), Ecosystem: get("ecosystem"), Image: get("image"), Reason: get("reason"), Owner: get("owner"), Expires: get("expires"), UntilFix: get("untilFix") != "",
	}}
	form.IDs = strings.Fields(strings.ReplaceAll(form.Text, ",", " "))
	if len(form.IDs) == 0 {
		form.IDs = nil
	}
	before, after, err := s.Policies.Exempted(form.PolicyID, &form.Exemption)
	if mistakes, ok := errors.AsType[*policy.Error](err); ok {
		form.Mistakes = mistakes.Problems
		return s.showExemptionForm(w, http.StatusUnprocessableEntity, user, "The exemption has mistakes.", form)
	}
	if err != nil {
		return refusal(err)
	}
	plain, err := json.Marshal([]any{form.PolicyID, form.Exemption})
	if err != nil {
		return fmt.Errorf("write the exemption as JSON: %w", err)
	}
	form.Seen = fingerprint(string(plain))
	save := get("do") == "save"
	if save && get("seen") == form.Seen {
		return s.saveExemption(w, r, user, form)
	}
	pairs := make([]impact.Pair, len(before))
	for i := range before {
		pairs[i] = impact.Pair{Before: before[i], After: after[i]}
	}
	if form.Preview, err = s.impact(r, pairs...); err != nil {
		return err
	}
	notice := ""
	if save {
		notice = "The exemption is another than that of the preview: look at what it would do, then save it."
	}
	return s.showExemptionForm(w, http.StatusOK, user, notice, form)
}

func (s *server) saveExemption(w http.ResponseWriter, r *http.Request, user *auth.User, form *exemptionForm) error {
	e, err := s.Policies.Exempt(r.Context(), web.Who(user.Actor()), form.PolicyID, &form.Exemption)
	if err != nil {
		return refusal(err)
	}
	s.audit(r, user, "exemption created", e.ID, web.ExemptionDetails(e))
	http.Redirect(w, r, exemptionsPath, http.StatusSeeOther)
	return nil
}

func (s *server) removeExemption(w http.ResponseWriter, r *http.Request, user *auth.User) error {
	id := r.PathValue("id")
	if err := s.Policies.Unexempt(r.Context(), web.Who(user.Actor()), id); err != nil {
		return refusal(err)
	}
	s.audit(r, user, "exemption removed", id, nil)
	http.Redirect(w, r, exemptionsPath, http.StatusSeeOther)
	return nil
}
