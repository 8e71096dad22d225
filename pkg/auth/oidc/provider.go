package oidc

import (
	"context"
	"crypto/subtle"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/runecast/runecast/pkg/auth"
)

// retryAfter is how long a provider that could not be reached is not asked again: whoever logs in meanwhile is told at once.
const retryAfter = 3 * time.Second

// Provider is an OpenID provider. It is safe for concurrent use.
type Provider struct {
	opts   Options
	client *http.Client

	mu     sync.Mutex
	known  *discovered // nil until the provider answered
	failed time.Time   // when it did not, the last time
	err    error
}

// discovered is what the provider says of itself (https://openid.net/specs/openid-connect-discovery-1_0.html, section 3).
type discovered struct {
	provider   *oidc.Provider
	style      oauth2.AuthStyle
	EndSession string   `json:"end_session_endpoint"`                           //nolint:tagliatelle // the specification
	Methods    []string `json:"token_endpoint_auth_methods_supported"`          //nolint:tagliatelle // the specification
	TellsIss   bool     `json:"authorization_response_iss_parameter_supported"` //nolint:tagliatelle // RFC 9207, section 3
}

// New makes a Provider. It asks nobody yet: a provider that is down when the server starts is asked again by the next login.
func New(opts Options) (*Provider, error) { //nolint:gocritic // hugeParam: called once
	if err := opts.Check(); err != nil {
		return nil, err
	}
	if opts.NameClaim == "" {
		opts.NameClaim = defaultName
	}
	if opts.GroupsClaim == "" {
		opts.GroupsClaim = defaultGroups
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	if len(opts.Scopes) == 0 {
		opts.Scopes = []string{"profile", emailClaim}
	}
	if !slices.Contains(opts.Scopes, oidc.ScopeOpenID) {
		opts.Scopes = append([]string{oidc.ScopeOpenID}, opts.Scopes...)
	}
	if _, err := opts.secret(); err != nil {
		return nil, fmt.Errorf("read the client's secret: %w", err)
	}
	client, err := opts.client()
	if err != nil {
		return nil, err
	}
	return &Provider{opts: opts, client: client}, nil
}

// discover asks the provider where its endpoints are, once.
func (p *Provider) discover(ctx context.Context) (*discovered, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.known != nil {
		return p.known, nil
	}
	if now := p.opts.Now(); p.err != nil && now.Sub(p.failed) < retryAfter {
		return nil, p.err
	}
	// One who waits no longer does not end what others wait for too; the client has its own time limit.
	found, err := p.ask(context.WithoutCancel(ctx))
	if err != nil {
		p.failed, p.err = p.opts.Now(), &auth.RefusedError{Reason: "The login provider cannot be reached now: try again.", Down: true, Err: err}
		return nil, p.err
	}
	p.known, p.err = found, nil
	p.opts.Log.WithField("issuer", p.opts.Issuer).Info("the login provider answers")
	return found, nil
}

func (p *Provider) ask(ctx context.Context) (*discovered, error) {
	provider, err := oidc.NewProvider(oidc.ClientContext(ctx, p.client), p.opts.Issuer)
	if err != nil {
		return nil, fmt.Errorf("ask %s for its configuration: %w", p.opts.Issuer, shorten(err))
	}
	found := &discovered{provider: provider, style: oauth2.AuthStyleInHeader}
	if err := provider.Claims(found); err != nil {
		return nil, fmt.Errorf("read the configuration of %s: %w", p.opts.Issuer, shorten(err))
	}
	// Where nothing is said the method is client_secret_basic. Trying both would use up the code.
	if len(found.Methods) > 0 && !slices.Contains(found.Methods, "client_secret_basic") {
		found.style = oauth2.AuthStyleInParams
	}
	if p.opts.ClientSecretFile == "" {
		found.style = oauth2.AuthStyleInParams // the client's id alone (RFC 6749, section 3.2.1)
	}
	return found, nil
}

func (p *Provider) config(d *discovered) (*oauth2.Config, error) {
	secret, err := p.opts.secret()
	if err != nil {
		return nil, &auth.RefusedError{Reason: "The login provider cannot be asked now.", Down: true, Err: fmt.Errorf("read the client's secret: %w", err)}
	}
	endpoint := d.provider.Endpoint()
	endpoint.AuthStyle = d.style
	return &oauth2.Config{ClientID: p.opts.ClientID, ClientSecret: secret, Endpoint: endpoint, RedirectURL: p.opts.RedirectURL, Scopes: p.opts.Scopes}, nil
}

// Begin begins a login: it gives where to send the browser, and what the browser is to bring back to Finish. Errors are *auth.RefusedError.
func (p *Provider) Begin(ctx context.Context, next string) (to, kept string, err error) {
	d, err := p.discover(ctx)
	if err != nil {
		return "", "", err
	}
	config, err := p.config(d)
	if err != nil {
		return "", "", err
	}
	f := newFlow(next, p.opts.Now())
	return config.AuthCodeURL(f.State, oidc.Nonce(f.Nonce), oauth2.S256ChallengeOption(f.Verifier)), f.text(), nil
}

// errorCode is what a provider's error may be, as it is shown (RFC 6749, section 4.1.2.1).
var errorCode = regexp.MustCompile(`^[a-z_]{1,40}$`)

// Finish takes the provider's answer, the query of the address that the browser came back to, and what Begin gave the browser. It gives who
// logged in, with the role of their groups, which is empty where none has one, and where they wanted to go. Errors are *auth.RefusedError.
func (p *Provider) Finish(ctx context.Context, kept string, answer url.Values) (identity *auth.Identity, next string, err error) {
	f, ok := parseFlow(kept, p.opts.Now())
	if !ok {
		return nil, "", refuse("This login was not begun in this browser, or took more than ten minutes: begin again.", nil)
	}
	if subtle.ConstantTimeCompare([]byte(answer.Get("state")), []byte(f.State)) != 1 {
		return nil, "", refuse("This answer of the login provider is none to what was asked: begin again.", nil)
	}
	if code := answer.Get("error"); code != "" {
		if !errorCode.MatchString(code) {
			code = "an error"
		}
		return nil, "", refuse("The login provider refuses: "+code+".", nil)
	}
	d, err := p.discover(ctx)
	if err != nil {
		return nil, "", err
	}
	// Mixed-up providers (RFC 9207, section 2.4).
	if iss := answer.Get("iss"); iss != "" && iss != p.opts.Issuer || iss == "" && d.TellsIss {
		return nil, "", refuse("This answer comes from another login provider.", nil)
	}
	config, err := p.config(d)
	if err != nil {
		return nil, "", err
	}
	token, err := config.Exchange(oidc.ClientContext(ctx, p.client), answer.Get("code"), oauth2.VerifierOption(f.Verifier))
	if err != nil {
		return nil, "", refuse("The login provider does not accept its code: begin again.", fmt.Errorf("exchange the code: %w", shorten(err)))
	}
	identity, err = p.identify(ctx, d, token, f.Nonce)
	return identity, f.Next, err
}

// LogoutURL is the page of the provider at which somebody logs out there too; "" where it has told none.
// (https://openid.net/specs/openid-connect-rpinitiated-1_0.html, section 2)
func (p *Provider) LogoutURL() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.known == nil {
		return ""
	}
	u, err := url.Parse(p.known.EndSession)
	if err != nil || u.Scheme != "https" {
		return ""
	}
	query := u.Query()
	query.Set("client_id", p.opts.ClientID)
	u.RawQuery = query.Encode()
	return u.String()
}

func refuse(reason string, err error) error { return &auth.RefusedError{Reason: reason, Err: err} }

// shorten keeps an error that holds what the provider sent from filling the log.
func shorten(err error) error {
	const most = 500
	if text := err.Error(); len(text) > most {
		return fmt.Errorf("%.*q…", most, text)
	}
	return err
}
