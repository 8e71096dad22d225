package oidc_test

import (
	"errors"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/runecast/runecast/pkg/auth"
	"github.com/runecast/runecast/pkg/auth/oidc"
)

func TestLogin(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		options func(*oidc.Options)
		issuer  func(*issuer)
		want    auth.Identity // beside issuer and subject
	}{
		"administrator": {want: auth.Identity{Name: "alice", Role: auth.RoleAdministrator}},
		"read-only":     {issuer: func(i *issuer) { i.claims = map[string]any{"groups": []string{"staff"}} }, want: auth.Identity{Name: "alice", Role: auth.RoleReadOnly}},
		"one group as a text": {
			issuer: func(i *issuer) { i.claims = map[string]any{"groups": "staff"} }, want: auth.Identity{Name: "alice", Role: auth.RoleReadOnly},
		},
		"no group of ours":       {issuer: func(i *issuer) { i.claims = map[string]any{"groups": []string{"Platform", "staff ", ""}} }, want: auth.Identity{Name: "alice"}},
		"no groups at all":       {issuer: func(i *issuer) { i.claims = map[string]any{"groups": nil}; i.info = map[string]any{"sub": "subject-1"} }, want: auth.Identity{Name: "alice"}},
		"groups of another kind": {issuer: func(i *issuer) { i.claims = map[string]any{"groups": map[string]any{"platform": true}} }, want: auth.Identity{Name: "alice"}},
		"another claim of groups": {
			options: func(o *oidc.Options) { o.GroupsClaim = "https://example.com/roles" },
			issuer: func(i *issuer) {
				i.claims = map[string]any{"https://example.com/roles": []string{"platform"}, "groups": nil}
			}, want: auth.Identity{Name: "alice", Role: auth.RoleAdministrator},
		},
		"a verified address for a name": {options: func(o *oidc.Options) { o.NameClaim = "email" }, want: auth.Identity{Name: "alice@example.com", Role: auth.RoleAdministrator}},
		"groups and name by user info": {
			issuer: func(i *issuer) {
				i.claims = map[string]any{"groups": nil, "preferred_username": nil}
				i.info = map[string]any{"sub": "subject-1", "groups": []string{"staff"}, "preferred_username": "bob", "email": "evil"}
			},
			want: auth.Identity{Name: "bob", Role: auth.RoleReadOnly},
		},
		"secret in the form": {
			issuer: func(i *issuer) {
				i.discovery = map[string]any{"token_endpoint_auth_methods_supported": []string{"client_secret_post"}}
			},
			want: auth.Identity{Name: "alice", Role: auth.RoleAdministrator},
		},
		"more audiences with ours as the party": {
			issuer: func(i *issuer) { i.claims = map[string]any{"aud": []string{clientID, "other"}, "azp": clientID} }, want: auth.Identity{Name: "alice", Role: auth.RoleAdministrator},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			i := newIssuer(t)
			if c.issuer != nil {
				c.issuer(i)
			}
			p := i.provider(c.options)
			to, kept, err := p.Begin(t.Context(), "/scans?x=1")
			if err != nil {
				t.Fatal(err)
			}
			got, next, err := p.Finish(t.Context(), kept, i.authorize(to))
			if err != nil {
				t.Fatal(err)
			}
			c.want.Issuer, c.want.Subject = i.URL, "subject-1"
			if *got != c.want || next != "/scans?x=1" {
				t.Errorf("%+v, next %s; want %+v", got, next, c.want)
			}
			if out := p.LogoutURL(); out != i.URL+"/logout?client_id=runecast&x=1" {
				t.Errorf("logout at %s", out)
			}
		})
	}
}

// TestRefused tries what an attacker, or a broken provider, may send: nobody gets in, and the reason names no secret.
func TestRefused(t *testing.T) {
	t.Parallel()
	claim := func(name string, value any) func(*issuer) {
		return func(i *issuer) { i.claims = map[string]any{name: value} }
	}
	for name, c := range map[string]struct {
		options func(*oidc.Options)
		issuer  func(*issuer)
		answer  func(answer url.Values, kept *string, p *oidc.Provider)
		want    string
	}{
		"other nonce":                            {issuer: claim("nonce", "x"), want: "another nonce"},
		"no nonce":                               {issuer: claim("nonce", nil), want: "another nonce"},
		"other audience":                         {issuer: claim("aud", "somebody"), want: "expected audience"},
		"no audience":                            {issuer: claim("aud", nil), want: "expected audience"},
		"audiences without ours":                 {issuer: claim("aud", []string{"a", "b"}), want: "expected audience"},
		"audiences without a party":              {issuer: claim("aud", []string{clientID, "b"}), want: "for the party"},
		"other party":                            {issuer: claim("azp", "somebody"), want: "for the party"},
		"expired":                                {issuer: claim("exp", time.Now().Add(-time.Minute).Unix()), want: "token is expired"},
		"never expires":                          {issuer: claim("exp", nil), want: "token is expired"},
		"not yet":                                {issuer: claim("nbf", time.Now().Add(time.Hour).Unix()), want: "before the nbf"},
		"other issuer in the token":              {issuer: claim("iss", "https://evil.example"), want: "issued by a different provider"},
		"other issuer's key":                     {issuer: func(i *issuer) { i.signer = i.other }, want: "failed to verify signature"},
		"no signature":                           {issuer: func(i *issuer) { i.algorithm = "none" }, want: "verify the ID token"},
		"signed by the client's secret":          {issuer: func(i *issuer) { i.algorithm = "HS256" }, want: "verify the ID token"},
		"unverified e-mail as name":              {options: func(o *oidc.Options) { o.NameClaim = "email" }, issuer: claim("email_verified", false), want: "has not verified your e-mail address"},
		"e-mail that is not said to be verified": {options: func(o *oidc.Options) { o.NameClaim = "email" }, issuer: claim("email_verified", nil), want: "has not verified your e-mail address"},
		"hostile name":                           {issuer: claim("preferred_username", "<script>alert(1)</script>"), want: "is no name that can be used here"},
		"name of another kind":                   {issuer: claim("preferred_username", 7), want: "is no name that can be used here"},
		"access token of somebody else":          {issuer: claim("at_hash", "AAAAAAAAAAAAAAAAAAAAAA"), want: "verify the access token"},
		"user info of somebody else": {
			issuer: func(i *issuer) {
				i.claims, i.info = map[string]any{"groups": nil}, map[string]any{"sub": "other", "groups": []string{"platform"}}
			},
			want: "about another subject",
		},
		"other state":   {answer: func(a url.Values, _ *string, _ *oidc.Provider) { a.Set("state", "x") }, want: "none to what was asked"},
		"no state":      {answer: func(a url.Values, _ *string, _ *oidc.Provider) { a.Del("state") }, want: "none to what was asked"},
		"other browser": {answer: func(_ url.Values, kept *string, _ *oidc.Provider) { *kept = "" }, want: "not begun in this browser"},
		"login of another browser": {answer: func(_ url.Values, kept *string, p *oidc.Provider) {
			_, *kept, _ = p.Begin(t.Context(), "/")
		}, want: "none to what was asked"},
		"state of our own, verifier of another": {answer: func(a url.Values, kept *string, p *oidc.Provider) {
			to, mine, _ := p.Begin(t.Context(), "/")
			u, _ := url.Parse(to)
			a.Set("state", u.Query().Get("state")) // a code that was stolen, put into a login of one's own
			*kept = mine
		}, want: "does not accept its code"},
		"damaged cookie":    {answer: func(_ url.Values, kept *string, _ *oidc.Provider) { *kept = "!" + *kept }, want: "not begun in this browser"},
		"huge cookie":       {answer: func(_ url.Values, kept *string, _ *oidc.Provider) { *kept = strings.Repeat("A", 1<<20) }, want: "not begun in this browser"},
		"empty cookie":      {answer: func(_ url.Values, kept *string, _ *oidc.Provider) { *kept = "e30" }, want: "not begun in this browser"},
		"other code":        {answer: func(a url.Values, _ *string, _ *oidc.Provider) { a.Set("code", "x") }, want: "does not accept its code"},
		"no code":           {answer: func(a url.Values, _ *string, _ *oidc.Provider) { a.Del("code") }, want: "does not accept its code"},
		"the user refuses":  {answer: func(a url.Values, _ *string, _ *oidc.Provider) { a.Set("error", "access_denied") }, want: "The login provider refuses: access_denied."},
		"a hostile error":   {answer: func(a url.Values, _ *string, _ *oidc.Provider) { a.Set("error", "<b>call 555-0100</b>") }, want: "The login provider refuses: an error."},
		"mixed-up provider": {answer: func(a url.Values, _ *string, _ *oidc.Provider) { a.Set("iss", "https://evil.example") }, want: "another login provider"},
		"provider that should say who it is": {issuer: func(i *issuer) {
			i.discovery = map[string]any{"authorization_response_iss_parameter_supported": true}
		}, want: "another login provider"},
		"wrong secret": {options: func(o *oidc.Options) {
			o.ClientSecretFile += ".other"
			_ = os.WriteFile(o.ClientSecretFile, []byte("other"), 0o600)
		}, want: "does not accept its code"},
		"token endpoint without TLS": {issuer: func(i *issuer) { i.discovery = map[string]any{"token_endpoint": "http://127.0.0.1:1/token"} }, want: "which is not https"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			i := newIssuer(t)
			if c.issuer != nil {
				c.issuer(i)
			}
			p := i.provider(c.options)
			to, kept, err := p.Begin(t.Context(), "/")
			if err != nil {
				t.Fatal(err)
			}
			answer := i.authorize(to)
			if c.answer != nil {
				c.answer(answer, &kept, p)
			}
			identity, _, err := p.Finish(t.Context(), kept, answer)
			refused, ok := errors.AsType[*auth.RefusedError](err)
			if identity != nil || !ok || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("%+v, %v; want %s", identity, err, c.want)
			}
			if strings.Contains(err.Error(), clientSecret) || strings.ContainsAny(refused.Reason, "<>") {
				t.Errorf("the error tells too much: %v", err)
			}
		})
	}
}

// TestReplay uses a code twice: the provider refuses, and the cookie alone is worth nothing.
func TestReplay(t *testing.T) {
	t.Parallel()
	i := newIssuer(t)
	p := i.provider(nil)
	to, kept, err := p.Begin(t.Context(), "/")
	if err != nil {
		t.Fatal(err)
	}
	answer := i.authorize(to)
	if _, _, err := p.Finish(t.Context(), kept, answer); err != nil {
		t.Fatal(err)
	}
	if identity, _, err := p.Finish(t.Context(), kept, answer); identity != nil || err == nil || !strings.Contains(err.Error(), "does not accept its code") {
		t.Errorf("%+v, %v", identity, err)
	}
}

// TestLate refuses an answer that comes more than ten minutes after the question.
func TestLate(t *testing.T) {
	t.Parallel()
	i := newIssuer(t)
	now := time.Now()
	p := i.provider(func(o *oidc.Options) { o.Now = func() time.Time { return now } })
	to, kept, err := p.Begin(t.Context(), "/")
	if err != nil {
		t.Fatal(err)
	}
	answer := i.authorize(to)
	now = now.Add(10 * time.Minute)
	if _, _, err := p.Finish(t.Context(), kept, answer); err == nil || !strings.Contains(err.Error(), "took more than ten minutes") {
		t.Error(err)
	}
}

// TestDown starts while the provider is down, tells so without asking it each time, and works as soon as it is up.
func TestDown(t *testing.T) {
	t.Parallel()
	i := newIssuer(t)
	i.down.Store(true)
	now := time.Now()
	p := i.provider(func(o *oidc.Options) { o.Now = func() time.Time { return now } })
	for range 3 {
		_, _, err := p.Begin(t.Context(), "/")
		if refused, ok := errors.AsType[*auth.RefusedError](err); !ok || !refused.Down || refused.Reason != "The login provider cannot be reached now: try again." {
			t.Errorf("%v", err)
		}
	}
	if n := i.asked.Load(); n != 1 {
		t.Errorf("the provider was asked %d times", n)
	}
	if p.LogoutURL() != "" {
		t.Error("it knows where to log out")
	}
	i.down.Store(false)
	now = now.Add(3 * time.Second)
	to, kept, err := p.Begin(t.Context(), "/")
	if err != nil {
		t.Fatal(err)
	}
	if identity, _, failure := p.Finish(t.Context(), kept, i.authorize(to)); failure != nil || identity.Name != "alice" {
		t.Errorf("%+v, %v", identity, failure)
	}
	// It goes down between the two.
	if to, kept, err = p.Begin(t.Context(), "/"); err != nil {
		t.Fatal(err)
	}
	answer := i.authorize(to)
	i.down.Store(true)
	if identity, _, err := p.Finish(t.Context(), kept, answer); identity != nil || err == nil {
		t.Errorf("%+v, %v", identity, err)
	}
}

// TestNewKey takes the provider's new key at once.
func TestNewKey(t *testing.T) {
	t.Parallel()
	i := newIssuer(t)
	p := i.provider(nil)
	for range 2 {
		to, kept, err := p.Begin(t.Context(), "/")
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := p.Finish(t.Context(), kept, i.authorize(to)); err != nil {
			t.Error(err)
		}
		i.key, i.claims = newKey(t), nil
		i.signer = i.key
	}
}

// TestHostileProvider asks providers that answer nonsense, too much, or for somebody else.
func TestHostileProvider(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		discovery map[string]any
		want      string
	}{
		"another issuer":    {map[string]any{"issuer": "https://evil.example"}, "did not match the issuer URL"},
		"a huge answer":     {map[string]any{"x": strings.Repeat("x", 2<<20)}, "too large"},
		"a field of a kind": {map[string]any{"jwks_uri": 7}, "failed to decode"},
	} {
		i := newIssuer(t)
		i.discovery = c.discovery
		if _, _, err := i.provider(nil).Begin(t.Context(), "/"); err == nil || !strings.Contains(err.Error(), c.want) || len(err.Error()) > 1000 {
			t.Errorf("%s: %.2000v", name, err)
		}
	}
}

func TestOptions(t *testing.T) {
	t.Parallel()
	i := newIssuer(t)
	for want, change := range map[string]func(*oidc.Options){
		"issuer: ":                     func(o *oidc.Options) { o.Issuer = "http://login.example.com" },
		`issuer: "https://u:p@x" is`:   func(o *oidc.Options) { o.Issuer = "https://u:p@x" },
		"clientId: ":                   func(o *oidc.Options) { o.ClientID = "" },
		"publicUrl is needed":          func(o *oidc.Options) { o.RedirectURL = "/login/oidc/callback" },
		"administratorGroups, readOnl": func(o *oidc.Options) { o.AdministratorGroups, o.ReadOnlyGroups = nil, nil },
		"readOnlyGroups: a group with": func(o *oidc.Options) { o.ReadOnlyGroups = []string{""} },
		"read the client's secret: op": func(o *oidc.Options) { o.ClientSecretFile += ".none" },
		"no PEM certificate":           func(o *oidc.Options) { o.CAFiles = []string{o.ClientSecretFile} },
		"no such file":                 func(o *oidc.Options) { o.CAFiles = []string{"/none"} },
	} {
		options := i.options()
		change(&options)
		if _, err := oidc.New(options); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
	// A provider whose certificate nobody signed is not believed.
	p := i.provider(func(o *oidc.Options) { o.CAFiles = nil })
	if _, _, err := p.Begin(t.Context(), "/"); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Error(err)
	}
}
