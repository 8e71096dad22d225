package ui

import (
	"context"
	"errors"
	"net/http"
	"net/url"

	"github.com/sirupsen/logrus"

	"github.com/runecast/runecast/pkg/auth"
)

// SingleSignOnPath is where a login provider sends browsers back.
const SingleSignOnPath = "/login/oidc/callback"

const (
	beginPath   = "/login/oidc"
	flowCookie  = cookieName + "-flow"
	flowSeconds = 600
)

// Provider vouches for users. Errors are *auth.RefusedError.
type Provider interface {
	// Begin gives where to send a browser, and what it is to keep until Finish.
	Begin(ctx context.Context, next string) (to, kept string, err error)
	// Finish takes what the browser kept and the query of the address that it came back to, and gives who it is and where they wanted to go.
	Finish(ctx context.Context, kept string, answer url.Values) (identity *auth.Identity, next string, err error)
	// LogoutURL is where somebody logs out of the provider too; "" where that is not known.
	LogoutURL() string
}

// SingleSignOn is how users log in by a provider.
type SingleSignOn struct {
	Provider       Provider
	Name           string // on the button
	LocalEmergency bool   // passwords are for local administrators alone, behind /login?local
}

// beginSingleSignOn sends the browser to the provider. It is a link and no form: a page's form-action would hold its redirect back.
func (s *server) beginSingleSignOn(w http.ResponseWriter, r *http.Request) {
	if err := s.Sessions.AdmitAnswer(auth.AddressOf(r.Context())); err != nil {
		s.refuseSingleSignOn(w, r, err)
		return
	}
	to, kept, err := s.SingleSignOn.Provider.Begin(r.Context(), ownPath(r.URL.Query().Get("next")))
	if err != nil {
		s.refuseSingleSignOn(w, r, err)
		return
	}
	setFlow(w, kept)
	http.Redirect(w, r, to, http.StatusSeeOther) //nolint:gosec // the provider of the settings
}

// setFlow gives the browser what it is to bring back; "" takes it away. Lax, as the browser comes back by a link of another site.
func setFlow(w http.ResponseWriter, kept string) {
	cookie := &http.Cookie{Name: flowCookie, Value: kept, Path: "/", MaxAge: flowSeconds, Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode}
	if kept == "" {
		cookie.MaxAge = -1
	}
	http.SetCookie(w, cookie)
}

// finishSingleSignOn takes the provider's answer. What the browser kept is used once, whatever comes of it.
func (s *server) finishSingleSignOn(w http.ResponseWriter, r *http.Request) {
	kept := cookieOf(r, flowCookie)
	setFlow(w, "")
	if err := s.Sessions.AdmitAnswer(auth.AddressOf(r.Context())); err != nil {
		s.refuseSingleSignOn(w, r, err)
		return
	}
	identity, next, err := s.SingleSignOn.Provider.Finish(r.Context(), kept, r.URL.Query())
	var login *auth.Login
	if err == nil {
		login, err = s.Sessions.LoginIdentity(r.Context(), identity)
	}
	if err != nil {
		s.refuseSingleSignOn(w, r, err)
		return
	}
	s.audit(r, login.User, "logged in", "", map[string]any{"by": s.SingleSignOn.Name, "role": login.User.Role})
	s.enter(w, r, login)
	http.Redirect(w, r, ownPath(next), http.StatusSeeOther) //nolint:gosec // a path of this server
}

// refuseSingleSignOn shows the page for logins again, and says why.
func (s *server) refuseSingleSignOn(w http.ResponseWriter, r *http.Request, err error) {
	refused, known := errors.AsType[*auth.RefusedError](err)
	code := http.StatusForbidden
	var text string
	switch {
	case known && refused.Down:
		code, text = http.StatusServiceUnavailable, refused.Reason
		w.Header().Set("Retry-After", "5")
	case known:
		text = refused.Reason
	default:
		if code = refusedLogin(w, err); code == 0 {
			s.fail(w, nil, err)
			return
		}
		text = sentence(err)
	}
	s.Log.WithFields(logrus.Fields{"address": auth.AddressOf(r.Context()), "audit": true}).WithError(err).Warn("login by the login provider refused")
	s.render(w, code, "login", view{Title: "Log in", Notice: text, Data: s.loginForm("", scansPath, false)})
}
