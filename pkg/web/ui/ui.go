// Package ui is the pages that people look at in a browser: plain HTML made on the server, which works without scripts. Whoever
// opens one logs in first; a session is a cookie that scripts and other sites cannot use. What a user may do is their role's matter
// (pkg/auth): one who only reads is refused everything that changes something.
package ui

import (
	"context"
	"embed"
	"errors"
	"html/template"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/sirupsen/logrus"

	"github.com/runecast/runecast/pkg/admission"
	"github.com/runecast/runecast/pkg/advisory"
	"github.com/runecast/runecast/pkg/auth"
	"github.com/runecast/runecast/pkg/impact"
	"github.com/runecast/runecast/pkg/policy/live"
	"github.com/runecast/runecast/pkg/scan"
	"github.com/runecast/runecast/pkg/web"
)

// ScanStore is what the pages read of scans.
type ScanStore interface {
	web.ImageStore
	// Scans, Decision, Report and Inventory are as in web.Store.
	Scans(ctx context.Context, query *web.ScanQuery) ([]admission.Decision, string, error)
	Decision(ctx context.Context, id string) (*admission.Decision, error)
	Report(ctx context.Context, digest, feedRevision string) (*scan.Report, error)
	Inventory(ctx context.Context, digest string) (*scan.Contents, error)
}

// ImageStore is what the pages read of images and their scans.
type ImageStore interface {
	ScanStore
	web.RunningStore
	web.VulnerabilityStore
	web.OverviewStore
}

// Store is what the pages read and write of the database.
type Store interface {
	ImageStore
	auth.TokenStore
	auth.UserStore
	auth.AuditStore
	admission.DecisionStore
}

// Options is what the pages work with. All of it is required but SingleSignOn and Now. Whose a request is auth.AddressOf tells.
type Options struct {
	Store        Store
	Policies     *live.Set
	Preview      *impact.Previewer // what changes of policies would do
	Jobs         *Jobs             // scans what people ask for
	Sessions     *auth.Sessions
	Webhooks     web.Webhooks
	Notices      web.Notices
	Auditor      auth.Auditor                  // told of every change, login and logout
	SingleSignOn *SingleSignOn                 // lets users log in by an OpenID provider; nil: nobody does
	API          *huma.OpenAPI                 // the description of the REST interface
	Version      string                        // of the program
	Feed         func() (advisory.Info, error) // the vulnerability data in use
	Log          logrus.FieldLogger
	Now          func() time.Time // default time.Now
}

//go:embed templates static
var files embed.FS

// maxForm is how many bytes a form may have.
const maxForm = 128 << 10

// contentPolicy lets a page load its own files, ask its own server and send its own forms, and nothing else
// (https://www.w3.org/TR/CSP3/).
const contentPolicy = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; connect-src 'self'; " +
	"form-action 'self'; frame-ancestors 'none'; base-uri 'none'"

type server struct {
	Options
	pages map[string]*template.Template
}

// handler answers a request of a user; an error becomes a page.
type handler func(w http.ResponseWriter, r *http.Request, user *auth.User) error

// Register puts the pages on a mux, each on a path of its own.
func Register(mux *http.ServeMux, options Options) { //nolint:gocritic // made once; a value cannot be changed behind its back
	if options.Now == nil {
		options.Now = time.Now
	}
	s := &server{Options: options, pages: parse()}
	cross := http.NewCrossOriginProtection()
	add := func(pattern string, h http.HandlerFunc) {
		mux.Handle(pattern, harden(cross.Handler(secureOrigin(http.MaxBytesHandler(h, maxForm)))))
	}
	add("GET /login", s.loginPage)
	add("POST /login", s.login)
	if options.SingleSignOn != nil {
		add("GET "+beginPath, s.beginSingleSignOn)
		add("GET "+SingleSignOnPath, s.finishSingleSignOn)
	}
	add("GET /static/{file}", readAssets().serve)
	for _, page := range s.routes() {
		add(page.pattern, s.page(page.action, page.handle))
	}
}

// route is a path of those who are logged in, and what their role must allow.
type route struct {
	pattern string
	action  auth.Action
	handle  handler
}

// serves tells whether there is a page of that pattern.
func (s *server) serves(pattern string) bool {
	return slices.ContainsFunc(s.routes(), func(r route) bool { return r.pattern == pattern })
}

// Routes gives every path that one has to log in for, as the mux has it, with what one's role must allow: for tests that walk them all.
func Routes() map[string]auth.Action {
	actions := map[string]auth.Action{}
	for _, r := range (&server{}).routes() {
		actions[r.pattern] = r.action
	}
	return actions
}

func (s *server) routes() []route {
	return []route{
		{"POST /logout", auth.ActionRead, s.logout},
		{"GET /password", auth.ActionRead, s.passwordPage},
		{"POST /password", auth.ActionRead, s.changePassword},
		{"GET /{$}", auth.ActionRead, s.overview},
		{"GET /risk", auth.ActionRead, s.risk},
		{"GET /scans", auth.ActionRead, s.scans},
		{"POST /scans", auth.ActionScan, s.scanImages},
		{"GET /scans/{id}", auth.ActionRead, s.scan},
		{"GET /scans/{id}/events", auth.ActionRead, s.runningEvents},
		{"GET /scans/{id}/images/{image}/inventory", auth.ActionRead, s.bill},
		{"GET /vulnerabilities", auth.ActionRead, s.vulnerabilities},
		{"GET /vulnerabilities/{id}", auth.ActionRead, s.vulnerability},
		{"GET /policies", auth.ActionRead, s.policies},
		{"GET /policies/{id}", auth.ActionRead, s.policy},
		{"GET /api", auth.ActionRead, s.api},
		{"GET " + newPolicyPath, auth.ActionManage, s.newPolicyPage},
		{"POST " + newPolicyPath, auth.ActionManage, s.newPolicy},
		{"GET /policies/{id}/edit", auth.ActionManage, s.editPolicyPage},
		{"POST /policies/{id}/edit", auth.ActionManage, s.editPolicy},
		{"GET /policies/{id}/delete", auth.ActionManage, s.deletePolicyPage},
		{"POST /policies/{id}/delete", auth.ActionManage, s.deletePolicy},
		{"GET " + exemptionsPath, auth.ActionRead, s.exemptions},
		{"GET " + exemptionsPath + "/new", auth.ActionManage, s.newExemptionPage},
		{"POST " + exemptionsPath, auth.ActionManage, s.newExemption},
		{"POST " + exemptionsPath + "/{id}/remove", auth.ActionManage, s.removeExemption},
		{"GET /tokens", auth.ActionManage, s.tokens},
		{"POST /tokens", auth.ActionManage, s.createToken},
		{"POST /tokens/{id}/revoke", auth.ActionManage, s.revokeToken},
		{"GET /webhooks", auth.ActionRead, s.webhooks},
		{"GET /notifications", auth.ActionRead, s.notifications},
		{"POST /notifications/{id}/retry", auth.ActionManage, s.retryNotification},
		{"POST /notifications/{id}/discard", auth.ActionManage, s.discardNotification},
		{"GET /audit", auth.ActionManage, s.auditLog},
		{"GET /users", auth.ActionManage, s.users},
		{"POST /users", auth.ActionManage, s.createUser},
		{"POST /users/{name}/delete", auth.ActionManage, s.deleteUser},
		{"POST /users/{name}/role", auth.ActionManage, s.changeRole},
		{"POST /users/{name}/password", auth.ActionManage, s.resetPassword},
	}
}

// secureOrigin refuses what the standard library's protection lets pass: a change that a page without TLS asks for, of a host of the same
// name, which is whoever sits on the network. Browsers that send Sec-Fetch-Site tell such a page themselves.
func secureOrigin(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead && r.Header.Get("Sec-Fetch-Site") == "" && strings.HasPrefix(r.Header.Get("Origin"), "http:") {
			http.Error(w, "cross-origin request detected: the page that sent it has no TLS", http.StatusForbidden)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// harden sets what every answer says to browsers.
func harden(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", contentPolicy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cache-Control", "no-store")
		next.ServeHTTP(w, r)
	})
}

// page lets those see a page who are logged in and whose role allows the action.
func (s *server) page(action auth.Action, handle handler) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		user, err := s.Sessions.User(r.Context(), sessionOf(r))
		switch {
		case errors.Is(err, auth.ErrNoSession):
			s.askToLogIn(w, r)
			return
		case err != nil:
			s.fail(w, nil, err)
			return
		case user.MustChange && r.URL.Path != passwordPath && r.URL.Path != "/logout":
			http.Redirect(w, r, passwordPath, http.StatusSeeOther)
			return
		case !user.Role.May(action):
			s.fail(w, user, problem{http.StatusForbidden, "The role " + string(user.Role) + " may not " + string(action) + "."})
			return
		}
		if err := handle(w, r, user); err != nil {
			s.fail(w, user, err)
		}
	}
}

// problem is an error that the user is told.
type problem struct {
	code int
	text string
}

// Error implements error.
func (p problem) Error() string { return p.text }

// fail shows an error: a problem as it is, others as a fault that the log tells.
func (s *server) fail(w http.ResponseWriter, user *auth.User, err error) {
	p, known := errors.AsType[problem](err)
	if _, large := errors.AsType[*http.MaxBytesError](err); large {
		p, known = problem{http.StatusRequestEntityTooLarge, "The form is too large."}, true
	}
	if !known {
		s.Log.WithError(err).Error("a page cannot be shown")
		p = problem{http.StatusInternalServerError, "This cannot be answered now: see the server's log."}
	}
	s.render(w, p.code, "error", view{User: user, Title: http.StatusText(p.code), Data: p.text})
}
