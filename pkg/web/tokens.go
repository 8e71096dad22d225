package web

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/runecast/runecast/pkg/auth"
)

type tokenList struct {
	Body struct {
		Tokens []auth.Token `json:"tokens" doc:"Oldest first; revoked and expired ones too, and not those of mounted files"`
	}
}

type newToken struct {
	Body struct {
		Name       string    `json:"name" minLength:"1" maxLength:"100"`
		AccessType string    `json:"accessType" enum:"Global Admin,Review"`
		ExpiresAt  time.Time `json:"expiresAt,omitzero" doc:"Default never"`
	}
}

type issuedToken struct {
	Body struct {
		Token  auth.Token `json:"token"`
		Secret string     `json:"secret" doc:"Shown here and never again: only a hash of it is stored"`
	}
}

type tokenPath struct {
	ID string `path:"id" maxLength:"64"`
}

func (s *server) registerTokens(api huma.API) {
	manage := func(method, path, id, summary string, code int) huma.Operation {
		o := operation(method, Prefix+path, id, summary)
		o.Tags, o.Middlewares, o.DefaultStatus = []string{"tokens"}, s.allow(api, auth.ActionManage), code
		return o
	}
	huma.Register(api, manage(http.MethodGet, "/tokens", "list-tokens", "List the API tokens", http.StatusOK), s.listTokens)
	create := manage(http.MethodPost, "/tokens", "create-token", "Create an API token, which is shown once", http.StatusCreated)
	create.Errors = append(create.Errors, http.StatusUnprocessableEntity)
	huma.Register(api, create, s.createToken)
	revoke := manage(http.MethodDelete, "/tokens/{id}", "revoke-token", "Revoke an API token", http.StatusNoContent)
	revoke.Errors = append(revoke.Errors, http.StatusNotFound)
	huma.Register(api, revoke, s.revokeToken)
}

func (s *server) listTokens(ctx context.Context, _ *struct{}) (*tokenList, error) {
	list, err := s.Store.Tokens(ctx)
	if err != nil {
		return nil, s.internal("the tokens cannot be read", err)
	}
	out := &tokenList{}
	if out.Body.Tokens = list; list == nil {
		out.Body.Tokens = []auth.Token{}
	}
	return out, nil
}

func (s *server) createToken(ctx context.Context, in *newToken) (*issuedToken, error) {
	request := auth.IssueRequest{Name: in.Body.Name, AccessType: auth.AccessType(in.Body.AccessType), ExpiresAt: in.Body.ExpiresAt}
	secret, token, err := auth.Issue(ctx, s.Store, request)
	if refused, ok := errors.AsType[*auth.RequestError](err); ok {
		return nil, huma.Error422UnprocessableEntity(strings.ReplaceAll(refused.Error(), "\n", "; "))
	}
	if err != nil {
		return nil, s.internal("the token cannot be stored", err)
	}
	s.audit(ctx, "token created", token.ID, map[string]any{"name": token.Name, "accessType": token.AccessType})
	out := &issuedToken{}
	out.Body.Token, out.Body.Secret = token, secret
	return out, nil
}

func (s *server) revokeToken(ctx context.Context, in *tokenPath) (*struct{}, error) {
	found, err := s.Store.RevokeToken(ctx, in.ID, s.Now().UTC())
	if err != nil {
		return nil, s.internal("the token cannot be revoked", err)
	}
	if !found {
		return nil, huma.Error404NotFound("there is no live token of that id")
	}
	s.audit(ctx, "token revoked", in.ID, nil)
	return nil, nil //nolint:nilnil // 204 has no body
}
