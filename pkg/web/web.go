package web

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
	"github.com/sirupsen/logrus"

	"github.com/runecast/runecast/pkg/admission"
	"github.com/runecast/runecast/pkg/advisory"
	"github.com/runecast/runecast/pkg/auth"
	"github.com/runecast/runecast/pkg/impact"
	"github.com/runecast/runecast/pkg/policy/live"
	"github.com/runecast/runecast/pkg/scan"
)

// Prefix is where the interface is.
const Prefix = "/api/v1"

// AccessStore keeps tokens and what was done.
type AccessStore interface {
	auth.TokenStore
	auth.AuditStore
}

// ImageStore is what is known of all images.
type ImageStore interface {
	VulnerabilityStore
	OverviewStore
}

// Store is what the interface reads and writes of the database.
type Store interface {
	AccessStore
	ImageStore
	DecisionReader
	// Scans lists decisions that name images, without their violations and exemptions, and gives the cursor of the next page, empty after
	// the last. A cursor that no page gave is an error with the method BadCursor.
	Scans(ctx context.Context, query *ScanQuery) ([]admission.Decision, string, error)
	// Report gives what is known of an image at a feed's revision; nil without an error when there is none.
	Report(ctx context.Context, digest, feedRevision string) (*scan.Report, error)
	// Inventory gives the packages of an image; nil without an error when they are not known.
	Inventory(ctx context.Context, digest string) (*scan.Contents, error)
}

// Counts are numbers of findings by severity. CVSS's none counts as low.
type Counts = admission.Counts

// Recorder keeps decisions without making the caller wait.
type Recorder interface{ Record(d *admission.Decision) }

// Authenticator knows tokens.
type Authenticator interface {
	// Authenticate gives who shows an Authorization header. Its errors are auth.ErrNoToken, auth.ErrBadToken, or that tokens
	// cannot be checked.
	Authenticate(ctx context.Context, authorization string) (auth.Principal, error)
}

// Options is what the interface works with. All of it is required but Now.
type Options struct {
	Store         Store
	Policies      *live.Set
	Preview       *impact.Previewer // what changes of policies would do
	Reviewer      *admission.Reviewer
	Recorder      Recorder
	Authenticator Authenticator
	Auditor       auth.Auditor // told of every change
	Feed          func() (advisory.Info, error)
	Webhooks      Webhooks
	Notices       Notices
	Version       string // of the program
	PublicURL     string // where people find the pages, https://host[:port]; default none: answers link to nothing
	Log           logrus.FieldLogger
	Now           func() time.Time // default time.Now
}

// server answers requests.
type server struct{ Options }

// Register puts the interface on a mux, and gives its description.
func Register(mux *http.ServeMux, options Options) *huma.OpenAPI { //nolint:gocritic // made once; a value cannot be changed behind its back
	if options.Now == nil {
		options.Now = time.Now
	}
	s := &server{options}
	config := huma.DefaultConfig("runecast", options.Version)
	config.Info.Description = "Judges container images at admission to a Kubernetes cluster. Show an API token of access type Global Admin in the Authorization header."
	config.OpenAPIPath, config.DocsPath, config.SchemasPath = Prefix+"/openapi", "", ""
	config.CreateHooks = nil // no links to schemas in answers
	config.Components.Schemas = schemas()
	config.Components.SecuritySchemes = map[string]*huma.SecurityScheme{
		"token": {Type: "http", Scheme: "bearer", Description: "An API token: runecast token create"},
	}
	api := humago.New(mux, config)
	api.UseMiddleware(s.harden)
	mux.HandleFunc(Prefix+"/", s.nothing)
	s.registerScanRequests(api)
	s.registerScans(api)
	s.registerVulnerabilities(api)
	s.registerOverview(api)
	s.registerDecisions(api)
	s.registerPolicies(api)
	s.registerExemptions(api)
	s.registerTokens(api)
	s.registerAudit(api)
	s.registerFeed(api)
	s.registerWebhooks(api)
	s.registerNotifications(api)
	return api.OpenAPI()
}

// harden sets what every answer says to browsers.
func (s *server) harden(ctx huma.Context, next func(huma.Context)) {
	ctx.SetHeader("Cache-Control", "no-store")
	ctx.SetHeader("X-Content-Type-Options", "nosniff")
	next(ctx)
}

// nothing answers what no endpoint does.
func (s *server) nothing(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(http.StatusNotFound)
	problem := huma.ErrorModel{Status: http.StatusNotFound, Title: http.StatusText(http.StatusNotFound), Detail: "there is no such endpoint, or it does not take " + r.Method + ": see " + Prefix + "/openapi.json"}
	if err := json.NewEncoder(w).Encode(&problem); err != nil {
		s.Log.WithError(err).Debug("an answer could not be written")
	}
}

// operation describes an endpoint; every one needs a token that may do the action.
func operation(method, path, id, summary string) huma.Operation {
	o := huma.Operation{
		OperationID: id, Method: method, Path: path, Summary: summary, Security: []map[string][]string{{"token": {}}},
		Errors: []int{http.StatusUnauthorized, http.StatusForbidden, http.StatusInternalServerError, http.StatusServiceUnavailable}, MaxBodyBytes: maxBody,
	}
	if method == http.MethodPost || method == http.MethodPut { // a body that cannot be read
		o.Errors = append(o.Errors, http.StatusBadRequest, http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType)
	}
	return o
}

// reads describes endpoints of one tag that whoever may read may ask, with the errors that they have beside those of all.
func (s *server) reads(api huma.API, tag string, errs ...int) func(path, id, summary string) huma.Operation {
	return func(path, id, summary string) huma.Operation {
		o := operation(http.MethodGet, Prefix+path, id, summary)
		o.Tags, o.Middlewares = []string{tag}, s.allow(api, auth.ActionRead)
		o.Errors = append(o.Errors, errs...)
		return o
	}
}

const maxBody = 1 << 20 // bytes of a request

// principalKey is the key of the caller in a request's context.
type principalKey struct{}

// allow lets an endpoint be used by those who may do an action, and refuses others with 401 or 403.
func (s *server) allow(api huma.API, action auth.Action) huma.Middlewares {
	return huma.Middlewares{func(ctx huma.Context, next func(huma.Context)) {
		principal, err := s.Authenticator.Authenticate(ctx.Context(), ctx.Header("Authorization"))
		switch {
		case errors.Is(err, auth.ErrNoToken), errors.Is(err, auth.ErrBadToken):
			ctx.SetHeader("WWW-Authenticate", "Bearer")
			s.refuse(api, ctx, http.StatusUnauthorized, "show an API token that is valid, in the Authorization header")
		case err != nil:
			s.Log.WithError(err).Warn("tokens cannot be checked")
			s.refuse(api, ctx, http.StatusServiceUnavailable, "tokens cannot be checked now: try again")
		case !principal.May(action):
			s.refuse(api, ctx, http.StatusForbidden, "this token's access type, "+string(principal.AccessType)+", may not "+string(action))
		default:
			next(huma.WithValue(ctx, principalKey{}, principal))
		}
	}}
}

func (s *server) refuse(api huma.API, ctx huma.Context, code int, text string) {
	if err := huma.WriteErr(api, ctx, code, text); err != nil {
		s.Log.WithError(err).Debug("an answer could not be written")
	}
}

// caller gives who asks.
func caller(ctx context.Context) auth.Principal {
	principal, _ := ctx.Value(principalKey{}).(auth.Principal)
	return principal
}

// internal hides a fault behind a text, and tells the log.
func (s *server) internal(what string, err error) error {
	s.Log.WithError(err).Error(what)
	return huma.Error500InternalServerError(what + ": see the server's log")
}
