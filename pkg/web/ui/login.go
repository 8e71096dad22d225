package ui

import (
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/sirupsen/logrus"

	"github.com/runecast/runecast/pkg/auth"
)

const (
	// cookieName has the prefix by which browsers take the cookie from this host alone, by TLS, for all paths
	// (https://datatracker.ietf.org/doc/html/draft-ietf-httpbis-rfc6265bis, section 4.1.3.2).
	cookieName   = "__Host-runecast"
	loginPath    = "/login"
	passwordPath = "/password"
)

func sessionOf(r *http.Request) string {
	cookie, err := r.Cookie(cookieName)
	if err != nil {
		return ""
	}
	return cookie.Value
}

// setSession gives the browser a session's id; "" takes it away. It lasts as long as the browser's own session at most.
func setSession(w http.ResponseWriter, id string) {
	cookie := &http.Cookie{Name: cookieName, Value: id, Path: "/", Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode}
	if id == "" {
		cookie.MaxAge = -1
	}
	http.SetCookie(w, cookie)
}

// ownPath gives where to go after a login: a path of this server, never another server's.
func ownPath(next string) string {
	u, err := url.Parse(next)
	if err != nil || u.Scheme != "" || u.Host != "" || u.User != nil || u.Opaque != "" || !strings.HasPrefix(next, "/") ||
		strings.HasPrefix(next, "//") || strings.ContainsFunc(next, func(c rune) bool { return c == '\\' || c < ' ' || c == 0x7f }) {
		return scansPath
	}
	return next
}

// askToLogIn sends whoever has no session to the form, and back after it where they only looked.
func (s *server) askToLogIn(w http.ResponseWriter, r *http.Request) {
	to := loginPath
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		to += "?next=" + url.QueryEscape(r.URL.RequestURI())
	}
	http.Redirect(w, r, to, http.StatusSeeOther)
}

type loginForm struct{ Name, Next string }

func (s *server) loginPage(w http.ResponseWriter, r *http.Request) {
	s.render(w, http.StatusOK, "login", view{Title: "Log in", Data: loginForm{Next: ownPath(r.URL.Query().Get("next"))}})
}

func (s *server) login(w http.ResponseWriter, r *http.Request) {
	if err := r.ParseForm(); err != nil {
		s.fail(w, nil, badForm(err))
		return
	}
	form, address := loginForm{r.PostForm.Get("name"), ownPath(r.PostForm.Get("next"))}, auth.AddressOf(r.Context())
	id, user, err := s.Sessions.Login(r.Context(), form.Name, r.PostForm.Get("password"), address)
	code := http.StatusUnauthorized
	switch {
	case err == nil:
		if old := sessionOf(r); old != "" {
			if failed := s.Sessions.Logout(r.Context(), old); failed != nil {
				s.Log.WithError(failed).Warn("the session before cannot be ended")
			}
		}
		s.audit(r, user, "logged in", "", nil)
		setSession(w, id)
		http.Redirect(w, r, form.Next, http.StatusSeeOther)
		return
	case errors.Is(err, auth.ErrThrottled):
		code = http.StatusTooManyRequests
		w.Header().Set("Retry-After", "900")
	case !errors.Is(err, auth.ErrBadLogin):
		s.fail(w, nil, err)
		return
	}
	s.Log.WithFields(logrus.Fields{"user": shorten(form.Name), "address": address, "audit": true}).WithError(err).Warn("login refused")
	s.render(w, code, "login", view{Title: "Log in", Notice: sentence(err), Data: form})
}

func (s *server) logout(w http.ResponseWriter, r *http.Request, user *auth.User) error {
	if err := s.Sessions.Logout(r.Context(), sessionOf(r)); err != nil {
		return err //nolint:wrapcheck // it says all there is to say
	}
	s.audit(r, user, "logged out", "", nil)
	setSession(w, "")
	http.Redirect(w, r, loginPath, http.StatusSeeOther)
	return nil
}

func (s *server) passwordPage(w http.ResponseWriter, _ *http.Request, user *auth.User) error {
	s.render(w, http.StatusOK, "password", view{Title: "Change password", User: user})
	return nil
}

func (s *server) changePassword(w http.ResponseWriter, r *http.Request, user *auth.User) error {
	if err := r.ParseForm(); err != nil {
		return badForm(err)
	}
	refuse := func(code int, text string) error {
		s.render(w, code, "password", view{Title: "Change password", User: user, Notice: text})
		return nil
	}
	old, password := r.PostForm.Get("old"), r.PostForm.Get("password")
	if password != r.PostForm.Get("again") {
		return refuse(http.StatusUnprocessableEntity, "The new password was not typed alike both times.")
	}
	address := auth.AddressOf(r.Context())
	err := s.Sessions.ChangePassword(r.Context(), user.Name, old, password, address)
	request, bad := errors.AsType[*auth.RequestError](err)
	switch {
	case bad:
		return refuse(http.StatusUnprocessableEntity, sentence(request))
	case errors.Is(err, auth.ErrBadLogin):
		return refuse(http.StatusUnauthorized, "The password of now is wrong.")
	case errors.Is(err, auth.ErrThrottled):
		return refuse(http.StatusTooManyRequests, sentence(err))
	case err != nil:
		return err //nolint:wrapcheck // it says all there is to say
	}
	s.audit(r, user, "password changed", user.Name, nil)
	id, _, err := s.Sessions.Login(r.Context(), user.Name, password, address)
	if err != nil {
		return err //nolint:wrapcheck // it says all there is to say
	}
	setSession(w, id)
	http.Redirect(w, r, scansPath, http.StatusSeeOther)
	return nil
}

// badForm is a form that cannot be read.
func badForm(err error) error {
	if _, large := errors.AsType[*http.MaxBytesError](err); large {
		return err
	}
	return problem{http.StatusBadRequest, "The form cannot be read."}
}

// sentence makes an error's text one for people.
func sentence(err error) string {
	text := strings.ReplaceAll(err.Error(), "\n", "; ")
	return strings.ToUpper(text[:1]) + text[1:] + "."
}

func shorten(text string) string {
	const most = 64
	if len(text) > most {
		return text[:most] + "…"
	}
	return text
}
