package oidc

import (
	"context"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/runecast/runecast/pkg/auth"
)

// maxGroups is how many groups of a user are looked at.
const maxGroups = 10_000

// claims are what is read of a token, by its names.
type claims map[string]json.RawMessage

// identify checks the ID token by the rules of Core, section 3.1.3.7, and reads who it is about. What the token leaves out the provider's
// UserInfo endpoint may tell, for the same subject (section 5.3.2).
func (p *Provider) identify(ctx context.Context, d *discovered, token *oauth2.Token, nonce string) (*auth.Identity, error) {
	const bad = "The login provider's token is not valid: begin again."
	raw, ok := token.Extra("id_token").(string)
	if !ok {
		return nil, refuse(bad, errors.New("the answer has no id_token"))
	}
	ctx = oidc.ClientContext(ctx, p.client)
	verified, err := d.provider.VerifierContext(context.WithoutCancel(ctx), &oidc.Config{ClientID: p.opts.ClientID, Now: p.opts.Now}).Verify(ctx, raw)
	if err != nil {
		return nil, refuse(bad, fmt.Errorf("verify the ID token: %w", shorten(err)))
	}
	if subtle.ConstantTimeCompare([]byte(verified.Nonce), []byte(nonce)) != 1 {
		return nil, refuse(bad, errors.New("the ID token has another nonce"))
	}
	if verified.AccessTokenHash != "" {
		if err := verified.VerifyAccessToken(token.AccessToken); err != nil {
			return nil, refuse(bad, fmt.Errorf("verify the access token: %w", err))
		}
	}
	var all claims
	if err := verified.Claims(&all); err != nil {
		return nil, refuse(bad, fmt.Errorf("read the ID token: %w", err))
	}
	if party := all.text("azp"); party != "" && party != p.opts.ClientID || party == "" && len(verified.Audience) > 1 {
		return nil, refuse(bad, fmt.Errorf("the ID token is for the party %.100q of %d audiences", party, len(verified.Audience)))
	}
	if all[p.opts.GroupsClaim] == nil || all[p.opts.NameClaim] == nil {
		if err := p.complete(ctx, d, token, verified.Subject, all); err != nil {
			return nil, refuse("The login provider does not tell who you are: begin again.", err)
		}
	}
	return p.read(verified.Subject, all)
}

// complete adds what the UserInfo endpoint tells and the ID token does not.
func (p *Provider) complete(ctx context.Context, d *discovered, token *oauth2.Token, subject string, all claims) error {
	if d.provider.UserInfoEndpoint() == "" {
		return nil
	}
	info, err := d.provider.UserInfo(ctx, oauth2.StaticTokenSource(token))
	if err != nil {
		return fmt.Errorf("ask for user info: %w", shorten(err))
	}
	if info.Subject != subject {
		return errors.New("the user info is about another subject")
	}
	var more claims
	if err := info.Claims(&more); err != nil {
		return fmt.Errorf("read the user info: %w", shorten(err))
	}
	for name, value := range more {
		if all[name] == nil {
			all[name] = value
		}
	}
	return nil
}

// read makes the identity of a user's claims.
func (p *Provider) read(subject string, all claims) (*auth.Identity, error) {
	name := all.text(p.opts.NameClaim)
	if p.opts.NameClaim == emailClaim && !all.yes("email_verified") {
		return nil, refuse("The login provider has not verified your e-mail address, which would be your name here.", nil)
	}
	if err := auth.CheckUserName(name); err != nil {
		return nil, refuse(fmt.Sprintf("The login provider's claim %s is no name that can be used here: %s.", p.opts.NameClaim, err), nil)
	}
	groups := all.list(p.opts.GroupsClaim)
	identity := &auth.Identity{Issuer: p.opts.Issuer, Subject: subject, Name: name}
	in := func(those []string) bool {
		return slices.ContainsFunc(groups, func(group string) bool { return slices.Contains(those, group) })
	}
	switch {
	case in(p.opts.AdministratorGroups):
		identity.Role = auth.RoleAdministrator
	case in(p.opts.ReadOnlyGroups):
		identity.Role = auth.RoleReadOnly
	}
	return identity, nil
}

// text is a claim that is a text; "" where it is none.
func (c claims) text(name string) string {
	var text string
	if json.Unmarshal(c[name], &text) != nil {
		return ""
	}
	return text
}

// yes tells whether a claim is true. Some providers write it as a text.
func (c claims) yes(name string) bool {
	var yes bool
	return json.Unmarshal(c[name], &yes) == nil && yes || c.text(name) == "true"
}

// list is a claim that is a list of texts, or one text.
func (c claims) list(name string) []string {
	if one := c.text(name); one != "" {
		return []string{one}
	}
	var list []string
	if json.Unmarshal(c[name], &list) != nil || len(list) > maxGroups {
		return nil
	}
	return list
}
