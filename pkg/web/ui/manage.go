package ui

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/runecast/runecast/pkg/auth"
)

type tokenRow struct {
	auth.Token
	Status auth.Status
}

type tokenPage struct {
	Rows        []tokenRow
	AccessTypes []auth.AccessType
	Secret      string // of the token that was just made
}

func (s *server) tokens(w http.ResponseWriter, r *http.Request, user *auth.User) error {
	return s.showTokens(w, r, view{User: user}, "")
}

func (s *server) showTokens(w http.ResponseWriter, r *http.Request, v view, secret string) error {
	list, err := s.Store.Tokens(r.Context())
	if err != nil {
		return fmt.Errorf("list tokens: %w", err)
	}
	page, code := tokenPage{AccessTypes: auth.AccessTypes(), Secret: secret}, http.StatusOK
	for i := range list {
		page.Rows = append(page.Rows, tokenRow{list[i], list[i].Status(s.Now())})
	}
	if v.Notice != "" {
		code = http.StatusUnprocessableEntity
	}
	v.Title, v.Data = "API tokens", page
	s.render(w, code, "tokens", v)
	return nil
}

func (s *server) createToken(w http.ResponseWriter, r *http.Request, user *auth.User) error {
	if err := r.ParseForm(); err != nil {
		return badForm(err)
	}
	request := auth.IssueRequest{Name: r.PostForm.Get("name"), AccessType: auth.AccessType(r.PostForm.Get("access"))}
	if day := r.PostForm.Get("expires"); day != "" {
		at, err := time.Parse(dayLayout, day)
		if err != nil {
			return s.showTokens(w, r, view{User: user, Notice: "A day is written as 2006-01-31."}, "")
		}
		request.ExpiresAt = at
	}
	secret, token, err := auth.Issue(r.Context(), s.Store, request)
	if refused, ok := errors.AsType[*auth.RequestError](err); ok {
		return s.showTokens(w, r, view{User: user, Notice: sentence(refused)}, "")
	}
	if err != nil {
		return err //nolint:wrapcheck // it says all there is to say
	}
	s.audit(r, user, "token created", token.ID, map[string]any{"name": token.Name, "accessType": token.AccessType})
	return s.showTokens(w, r, view{User: user}, secret)
}

func (s *server) revokeToken(w http.ResponseWriter, r *http.Request, user *auth.User) error {
	id := r.PathValue("id")
	found, err := s.Store.RevokeToken(r.Context(), id, s.Now().UTC())
	if err != nil {
		return err //nolint:wrapcheck // it says all there is to say
	}
	if !found {
		return problem{http.StatusNotFound, "There is no live token of that id."}
	}
	s.audit(r, user, "token revoked", id, nil)
	http.Redirect(w, r, "/tokens", http.StatusSeeOther)
	return nil
}
