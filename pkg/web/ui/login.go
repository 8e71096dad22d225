package ui

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

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

// deviceCookie says that somebody has logged in with this browser; see auth.Login.
const (
	deviceCookie = cookieName + "-device"
	deviceAge    = 90 * 24 * time.Hour
)

func cookieOf(r *http.Request, name string) string {
	cookie, err := r.Cookie(name)
	if err != nil {
		return ""
	}
	return cookie.Value
}

func sessionOf(r *http.Request) string { return cookieOf(r, cookieName) }

// setSession gives the browser a session's id; "" takes it away. It lasts as long as the browser's own session at most. Lax, so that links
// from elsewhere, such as that of a denial, show the page; what changes something is guarded against other sites by its own means.
func setSession(w http.ResponseWriter, id string) {
	cookie := &http.Cookie{Name: cookieName, Value: id, Path: "/", Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode}
	if id == "" {
		cookie.MaxAge = -1
	}
	http.SetCookie(w, cookie)
}

// enter gives the browser what came of a login. A session that it had ends.
func (s *server) enter(w http.ResponseWriter, r *http.Request, login *auth.Login) {
	if old := sessionOf(r); old != "" {
		if err := s.Sessions.Logout(r.Context(), old); err != nil {
			s.Log.WithError(err).Warn("the session before cannot be ended")
		}
	}
	setSession(w, login.Session)
	if login.Device != "" {
		http.SetCookie(w, &http.Cookie{
			Name: deviceCookie, Value: login.Device, Path: "/", MaxAge: int(deviceAge.Seconds()), Secure: true, HttpOnly: true, SameSite: http.SameSiteStrictMode,
		})
	}
}

func attempt(r *http.Request, name, password string) *auth.Attempt {
	return &auth.Attempt{Name: name, Password: password, Address: auth.AddressOf(r.Context()), Device: cookieOf(r, deviceCookie)}
}

const maxNext = 1024 // bytes of where to go after a login

// ownPath gives where to go after a login: a path of this server, never another server's.
func ownPath(next string) string {
	u, err := url.Parse(next)
	if err != nil || len(next) > maxNext || u.Scheme != "" || u.Host != "" || u.User != nil || u.Opaque != "" || !strings.HasPrefix(next, "/") ||
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

// loginForm is what the page for logins shows.
type loginForm struct {
	Name, Next string
	Provider   string // name of the login provider; "" where there is none
	Begin      string // link to it
	Local      bool   // there is the form for a password
	Emergency  bool   // the form is for local administrators alone
	Elsewhere  string // link that logs out at the provider too; "" where that is not asked
}

// loginForm gives the form; the query's local shows the one for emergencies.
func (s *server) loginForm(name, next string, local bool) loginForm {
	form := loginForm{Name: name, Next: next, Local: true}
	if sso := s.SingleSignOn; sso != nil {
		form.Provider, form.Begin = sso.Name, beginPath+"?"+url.Values{"next": {next}}.Encode()
		form.Local, form.Emergency = local || !sso.LocalEmergency, sso.LocalEmergency
	}
	return form
}

func (s *server) loginPage(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	form := s.loginForm("", ownPath(query.Get("next")), query.Has("local"))
	v := view{Title: "Log in"}
	if query.Has("out") && s.SingleSignOn != nil {
		form.Elsewhere = s.SingleSignOn.Provider.LogoutURL()
	}
	v.Data = form
	s.render(w, http.StatusOK, "login", v)
}

func (s *server) login(w http.ResponseWriter, r *http.Request) {
	if err := r.ParseForm(); err != nil {
		s.fail(w, nil, badForm(err))
		return
	}
	form := s.loginForm(r.PostForm.Get("name"), ownPath(r.PostForm.Get("next")), true)
	try := attempt(r, form.Name, r.PostForm.Get("password"))
	try.Emergency = form.Emergency
	login, err := s.Sessions.Login(r.Context(), try)
	if err != nil {
		s.refuseLogin(w, r, form, err)
		return
	}
	var details map[string]any
	if form.Emergency {
		details = map[string]any{"emergency": true}
		s.Log.WithField("user", login.User.Name).Warn("somebody logged in by a password though localLogin is emergency")
	}
	s.audit(r, login.User, "logged in", "", details)
	s.enter(w, r, login)
	http.Redirect(w, r, form.Next, http.StatusSeeOther)
}

// refusedLogin gives the status of a login that is refused; 0 for a fault.
func refusedLogin(w http.ResponseWriter, err error) int {
	switch {
	case errors.Is(err, auth.ErrBadLogin):
		return http.StatusUnauthorized
	case errors.Is(err, auth.ErrThrottled):
		w.Header().Set("Retry-After", "900")
		return http.StatusTooManyRequests
	case errors.Is(err, auth.ErrBusy):
		w.Header().Set("Retry-After", "5")
		return http.StatusServiceUnavailable
	}
	return 0
}

// refuseLogin shows the form again, and says why.
func (s *server) refuseLogin(w http.ResponseWriter, r *http.Request, form loginForm, err error) { //nolint:gocritic // hugeParam: shown once
	code := refusedLogin(w, err)
	if code == 0 {
		s.fail(w, nil, err)
		return
	}
	name, address := shorten(form.Name), auth.AddressOf(r.Context())
	if errors.Is(err, auth.ErrBadLogin) && s.Sessions.KeepRefusal() {
		s.Auditor.Audit(r.Context(), &auth.AuditEntry{Actor: auth.Actor{Kind: auth.ActorUser, Name: name}, Action: "login refused"})
	} else {
		s.Log.WithFields(logrus.Fields{"by": name, "address": address, "audit": true}).WithError(err).Warn("login refused")
	}
	s.render(w, code, "login", view{Title: "Log in", Notice: sentence(err), Data: form})
}

func (s *server) logout(w http.ResponseWriter, r *http.Request, user *auth.User) error {
	if err := s.Sessions.Logout(r.Context(), sessionOf(r)); err != nil {
		return err //nolint:wrapcheck // it says all there is to say
	}
	s.audit(r, user, "logged out", "", nil)
	setSession(w, "")
	to := loginPath
	if user.Source == auth.SourceOIDC {
		to += "?out"
	}
	http.Redirect(w, r, to, http.StatusSeeOther)
	return nil
}

// errNoPassword is told to those whom a login provider vouches for.
var errNoPassword error = problem{http.StatusNotFound, "You have no password here: you log in by the login provider."}

func (s *server) passwordPage(w http.ResponseWriter, _ *http.Request, user *auth.User) error {
	if user.Source != auth.SourceLocal {
		return errNoPassword
	}
	s.render(w, http.StatusOK, "password", view{Title: "Change password", User: user})
	return nil
}

func (s *server) changePassword(w http.ResponseWriter, r *http.Request, user *auth.User) error {
	if user.Source != auth.SourceLocal {
		return errNoPassword
	}
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
	err := s.Sessions.ChangePassword(r.Context(), attempt(r, user.Name, old), password)
	request, bad := errors.AsType[*auth.RequestError](err)
	switch {
	case bad:
		return refuse(http.StatusUnprocessableEntity, sentence(request))
	case errors.Is(err, auth.ErrBadLogin):
		return refuse(http.StatusUnauthorized, "The password of now is wrong.")
	case err != nil:
		if code := refusedLogin(w, err); code != 0 {
			return refuse(code, sentence(err))
		}
		return err //nolint:wrapcheck // it says all there is to say
	}
	s.audit(r, user, "password changed", user.Name, nil)
	login, err := s.Sessions.Login(r.Context(), attempt(r, user.Name, password))
	if err != nil {
		return err //nolint:wrapcheck // it says all there is to say
	}
	s.enter(w, r, login)
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
