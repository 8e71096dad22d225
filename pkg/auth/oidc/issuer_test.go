package oidc_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	logtest "github.com/sirupsen/logrus/hooks/test"

	"github.com/runecast/runecast/pkg/auth/oidc"
)

const (
	clientID     = "runecast"
	clientSecret = "s3cret of the client"
	redirect     = "https://runecast.test/login/oidc/callback"
)

// issuer is a provider whose faults a test chooses. It checks what a provider has to: the client's secret, the verifier of PKCE, and that
// a code is used once.
type issuer struct {
	*httptest.Server
	t          *testing.T
	key, other *ecdsa.PrivateKey
	down       atomic.Bool

	claims    map[string]any // of the next ID token; nil takes one away
	info      map[string]any // what the UserInfo endpoint tells
	discovery map[string]any // changes of it
	signer    *ecdsa.PrivateKey
	algorithm jose.SignatureAlgorithm
	now       func() time.Time

	code, challenge string // what was given out last
	asked           atomic.Int32
}

func newIssuer(t *testing.T) *issuer {
	t.Helper()
	i := &issuer{t: t, key: newKey(t), other: newKey(t), now: time.Now, algorithm: jose.ES256}
	i.signer = i.key
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/openid-configuration", i.configuration)
	mux.HandleFunc("GET /keys", func(w http.ResponseWriter, _ *http.Request) {
		i.answer(w, jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: i.key.Public(), KeyID: "k", Use: "sig", Algorithm: string(jose.ES256)}}})
	})
	mux.HandleFunc("POST /token", i.token)
	mux.HandleFunc("GET /userinfo", func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer access" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		i.answer(w, i.info)
	})
	i.Server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		i.asked.Add(1)
		if i.down.Load() {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		mux.ServeHTTP(w, r)
	}))
	t.Cleanup(i.Close)
	return i
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func (i *issuer) answer(w http.ResponseWriter, value any) {
	w.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(w).Encode(value); err != nil {
		i.t.Error(err)
	}
}

func (i *issuer) configuration(w http.ResponseWriter, _ *http.Request) {
	found := map[string]any{
		"issuer": i.URL, "authorization_endpoint": i.URL + "/auth", "token_endpoint": i.URL + "/token", "jwks_uri": i.URL + "/keys", "userinfo_endpoint": i.URL + "/userinfo",
		"id_token_signing_alg_values_supported": []string{"ES256", "HS256", "none"}, "end_session_endpoint": i.URL + "/logout?x=1",
	}
	maps.Copy(found, i.discovery)
	i.answer(w, found)
}

// authorize is the provider's page: it takes what the browser was sent with and gives the query that it comes back with.
func (i *issuer) authorize(to string) url.Values {
	i.t.Helper()
	u, err := url.Parse(to)
	if err != nil {
		i.t.Fatal(err)
	}
	q := u.Query()
	for name, want := range map[string]string{"client_id": clientID, "response_type": "code", "redirect_uri": redirect, "code_challenge_method": "S256", "scope": "openid profile email"} {
		if q.Get(name) != want {
			i.t.Errorf("%s is %q in %s", name, q.Get(name), to)
		}
	}
	if u.Scheme+"://"+u.Host+u.Path != i.URL+"/auth" || len(q.Get("state")) < 40 || len(q.Get("nonce")) < 40 || q.Get("state") == q.Get("nonce") {
		i.t.Errorf("the browser is sent to %s", to)
	}
	i.code, i.challenge = rand.Text(), q.Get("code_challenge")
	claims := map[string]any{
		"iss": i.URL, "sub": "subject-1", "aud": clientID, "exp": i.now().Add(time.Hour).Unix(), "iat": i.now().Unix(), "nonce": q.Get("nonce"),
		"preferred_username": "alice", "email": "alice@example.com", "email_verified": true, "groups": []string{"staff", "platform"},
	}
	for name, value := range i.claims {
		if claims[name] = value; value == nil {
			delete(claims, name)
		}
	}
	i.claims = claims
	return url.Values{"code": {i.code}, "state": {q.Get("state")}}
}

func (i *issuer) token(w http.ResponseWriter, r *http.Request) {
	id, secret, _ := r.BasicAuth()
	if id == "" {
		id, secret = r.FormValue("client_id"), r.FormValue("client_secret")
	}
	if unescaped, err := url.QueryUnescape(secret); err == nil {
		secret = unescaped
	}
	sum := sha256.Sum256([]byte(r.FormValue("code_verifier")))
	if id != clientID || secret != clientSecret || i.code == "" || r.FormValue("code") != i.code || r.FormValue("redirect_uri") != redirect ||
		base64.RawURLEncoding.EncodeToString(sum[:]) != i.challenge {
		w.WriteHeader(http.StatusBadRequest)
		i.answer(w, map[string]any{"error": "invalid_grant"})
		return
	}
	i.code = ""
	i.answer(w, map[string]any{"access_token": "access", "token_type": "Bearer", "expires_in": 300, "id_token": i.sign()})
}

func (i *issuer) sign() string {
	plain, err := json.Marshal(i.claims)
	if err != nil {
		i.t.Error(err)
	}
	if i.algorithm == "none" {
		encode := base64.RawURLEncoding.EncodeToString
		return encode([]byte(`{"alg":"none"}`)) + "." + encode(plain) + "."
	}
	key := any(i.signer)
	if i.algorithm == jose.HS256 { // a public key that is taken for a secret
		key = []byte(clientSecret + "................................")
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: i.algorithm, Key: jose.JSONWebKey{Key: key, KeyID: "k"}}, nil)
	if err != nil {
		i.t.Error(err)
		return ""
	}
	signed, err := signer.Sign(plain)
	if err != nil {
		i.t.Error(err)
		return ""
	}
	text, err := signed.CompactSerialize()
	if err != nil {
		i.t.Error(err)
	}
	return text
}

// options are those of a server that trusts the issuer.
func (i *issuer) options() oidc.Options {
	i.t.Helper()
	dir := i.t.TempDir()
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: i.Certificate().Raw})
	for name, content := range map[string][]byte{"ca.crt": ca, "secret": []byte(clientSecret + "\n")} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			i.t.Fatal(err)
		}
	}
	log, _ := logtest.NewNullLogger()
	return oidc.Options{
		Issuer: i.URL, ClientID: clientID, ClientSecretFile: filepath.Join(dir, "secret"), RedirectURL: redirect, CAFiles: []string{filepath.Join(dir, "ca.crt")},
		AdministratorGroups: []string{"platform"}, ReadOnlyGroups: []string{"staff"}, Log: log,
	}
}

func (i *issuer) provider(change func(*oidc.Options)) *oidc.Provider {
	i.t.Helper()
	options := i.options()
	if change != nil {
		change(&options)
	}
	p, err := oidc.New(options)
	if err != nil {
		i.t.Fatal(err)
	}
	return p
}
