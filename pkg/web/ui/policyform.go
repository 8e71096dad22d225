package ui

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
	"strconv"
	"strings"

	"github.com/runecast/runecast/pkg/auth"
	"github.com/runecast/runecast/pkg/impact"
	"github.com/runecast/runecast/pkg/policy"
	"github.com/runecast/runecast/pkg/policy/live"
	"github.com/runecast/runecast/pkg/web"
)

// newPolicyText is what a new policy begins with.
const newPolicyText = `id: my-policy
name: Shown in denials
mode: enforce        # or warn, audit
rules:
  - severity: high
    fixAvailable: true
`

// policyForm is the page that a policy is written on.
type policyForm struct {
	ID       string // of the policy that is changed; empty: it is a new one
	Action   string // where the form goes
	Text     string
	Version  int64
	Mistakes []policy.Problem
	Preview  *impactPart // nil: none was asked for, or there are mistakes
	Seen     string      // fingerprint of the text that Preview is of
}

func (s *server) newPolicyPage(w http.ResponseWriter, r *http.Request, user *auth.User) error {
	form := &policyForm{Action: newPolicyPath, Text: newPolicyText}
	if from := r.URL.Query().Get("from"); from != "" {
		e := s.Policies.Entry(from)
		if e == nil {
			return problem{http.StatusNotFound, "There is no policy of that id."}
		}
		text, err := web.PolicyText(e)
		if err != nil {
			return err //nolint:wrapcheck // it says all there is to say
		}
		form.Text = text
	}
	return s.showPolicyForm(w, http.StatusOK, user, "", form)
}

func (s *server) editPolicyPage(w http.ResponseWriter, r *http.Request, user *auth.User) error {
	e, err := s.entry(r)
	if err != nil {
		return err
	}
	if e.Stored == nil {
		return problem{http.StatusConflict, "This policy comes with the program or from a file: copy it to a new policy, or add an exemption to it."}
	}
	form := &policyForm{ID: e.Stored.ID, Action: policyLink(e.Stored.ID) + "/edit", Text: e.Stored.Document, Version: e.Stored.Version}
	return s.showPolicyForm(w, http.StatusOK, user, "", form)
}

func (s *server) showPolicyForm(w http.ResponseWriter, code int, user *auth.User, notice string, form *policyForm) error {
	title := "New policy"
	if form.ID != "" {
		title = "Edit policy " + form.ID
	}
	s.render(w, code, "policyform", view{Title: title, User: user, Notice: notice, Data: form})
	return nil
}

func (s *server) newPolicy(w http.ResponseWriter, r *http.Request, user *auth.User) error {
	return s.postPolicy(w, r, user, &policyForm{Action: newPolicyPath})
}

func (s *server) editPolicy(w http.ResponseWriter, r *http.Request, user *auth.User) error {
	e, err := s.entry(r)
	if err != nil {
		return err
	}
	version, err := versionOf(r)
	if err != nil {
		return err
	}
	return s.postPolicy(w, r, user, &policyForm{ID: e.Defined.ID, Action: policyLink(e.Defined.ID) + "/edit", Version: version})
}

// postPolicy shows what a text would do, or stores it where that was seen before.
func (s *server) postPolicy(w http.ResponseWriter, r *http.Request, user *auth.User, form *policyForm) error {
	if err := r.ParseForm(); err != nil {
		return badForm(err)
	}
	form.Text = strings.ReplaceAll(r.PostForm.Get("text"), "\r\n", "\n") // forms send lines as networks do
	save := r.PostForm.Get("do") == "save"
	seen := fingerprint(form.Text)
	if save && r.PostForm.Get("seen") == seen {
		return s.savePolicy(w, r, user, form)
	}
	p, err := live.Decode([]byte(form.Text))
	if err == nil && form.ID != "" && p.ID != form.ID {
		err = &policy.Error{Problems: []policy.Problem{{Path: "id", Text: "a policy's id cannot be changed: copy it to a new policy"}}}
	}
	if err == nil && form.ID == "" && s.Policies.Entry(p.ID) != nil {
		err = &policy.Error{Problems: []policy.Problem{{Path: "id", Text: strconv.Quote(p.ID) + " is the id of a policy already: choose another"}}}
	}
	if mistakes, ok := errors.AsType[*policy.Error](err); ok {
		form.Mistakes = mistakes.Problems
		return s.showPolicyForm(w, http.StatusUnprocessableEntity, user, "The policy has mistakes.", form)
	}
	if err != nil {
		return err //nolint:wrapcheck // it says all there is to say
	}
	before, _ := s.Policies.Get(p.ID)
	if form.Preview, err = s.impact(r, impact.Pair{Before: before, After: s.Policies.Candidate(p)}); err != nil {
		return err
	}
	form.Seen = seen
	notice := ""
	if save {
		notice = "The text is another than that of the preview: look at what it would do, then save it."
	}
	return s.showPolicyForm(w, http.StatusOK, user, notice, form)
}

func (s *server) savePolicy(w http.ResponseWriter, r *http.Request, user *auth.User, form *policyForm) error {
	var e *live.Entry
	var err error
	action := "policy created"
	if form.ID == "" {
		e, err = s.Policies.Create(r.Context(), web.Who(user.Actor()), []byte(form.Text))
	} else {
		action = "policy replaced"
		e, err = s.Policies.Replace(r.Context(), web.Who(user.Actor()), form.ID, form.Version, []byte(form.Text))
	}
	if mistakes, ok := errors.AsType[*policy.Error](err); ok {
		form.Mistakes = mistakes.Problems
		return s.showPolicyForm(w, http.StatusUnprocessableEntity, user, "The policy has mistakes.", form)
	}
	if refused, ok := errors.AsType[*live.RefusedError](err); ok && refused.Reason != live.ReasonNotFound {
		// The text stays on the page, so that nobody's work is lost.
		return s.showPolicyForm(w, http.StatusConflict, user, sentence(refused), form)
	}
	if err != nil {
		return refusal(err)
	}
	s.audit(r, user, action, e.Defined.ID, map[string]any{"name": e.Defined.Name, "version": e.Stored.Version})
	http.Redirect(w, r, policyLink(e.Defined.ID), http.StatusSeeOther) //nolint:gosec // below a path of our own, and escaped
	return nil
}

// fingerprint tells one text from another.
func fingerprint(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

// versionOf reads the version that a form is about.
func versionOf(r *http.Request) (int64, error) {
	if err := r.ParseForm(); err != nil {
		return 0, badForm(err)
	}
	version, err := strconv.ParseInt(r.PostForm.Get("version"), 10, 64)
	if err != nil || version < 1 {
		return 0, problem{http.StatusBadRequest, "The form does not say which version it is about."}
	}
	return version, nil
}

// refusal makes a page of a refused change.
func refusal(err error) error {
	refused, ok := errors.AsType[*live.RefusedError](err)
	switch {
	case !ok:
		return err
	case refused.Reason == live.ReasonNotFound:
		return problem{http.StatusNotFound, sentence(refused)}
	}
	return problem{http.StatusConflict, sentence(refused)}
}
