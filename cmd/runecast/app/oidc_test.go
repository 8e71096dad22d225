package app_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/zitadel/oidc/v3/example/server/exampleop"
	"github.com/zitadel/oidc/v3/example/server/storage"
	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"

	"github.com/runecast/runecast/cmd/runecast/app"
)

const (
	ssoHost   = "runecast.test" // as browsers know the server
	ssoSecret = "the client's own s3cret"
	ssoUser   = "test-user2" // whom the provider brings along, by the subject id2
)

// provider is a real OpenID provider (zitadel/oidc's, which is certified), with groups that the test sets.
type provider struct {
	*httptest.Server
	caFile     string
	secretFile string

	mu     sync.Mutex
	groups []string
}

// groupStorage adds the users' groups to what the provider tells.
type groupStorage struct {
	*storage.Storage
	provider *provider
}

func (g groupStorage) SetUserinfoFromRequest(ctx context.Context, info *oidc.UserInfo, request op.IDTokenRequest, scopes []string) error {
	g.provider.add(info)
	return g.Storage.SetUserinfoFromRequest(ctx, info, request, scopes) //nolint:wrapcheck // a test
}

func (g groupStorage) SetUserinfoFromToken(ctx context.Context, info *oidc.UserInfo, id, subject, origin string) error {
	g.provider.add(info)
	return g.Storage.SetUserinfoFromToken(ctx, info, id, subject, origin) //nolint:wrapcheck // a test
}

func (p *provider) add(info *oidc.UserInfo) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.groups != nil {
		info.AppendClaims("groups", p.groups)
	}
}

// set says which groups the user is in.
func (p *provider) set(groups ...string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.groups = groups
}

func newProvider(t *testing.T) *provider {
	t.Helper()
	p := &provider{Server: httptest.NewUnstartedServer(nil)}
	issuer := "https://" + p.Listener.Addr().String()
	storage.RegisterClients(storage.WebClient("runecast", ssoSecret, "https://"+ssoHost+"/login/oidc/callback"))
	kept := storage.NewStorage(storage.NewUserStore(issuer))
	p.Config.Handler = exampleop.SetupServer(issuer, groupStorage{kept, p}, slog.New(slog.NewTextHandler(io.Discard, nil)), false)
	p.StartTLS()
	t.Cleanup(p.Close)
	dir := t.TempDir()
	p.caFile = write(t, filepath.Join(dir, "ca.crt"), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: p.Certificate().Raw}))
	p.secretFile = write(t, filepath.Join(dir, "secret"), []byte(ssoSecret+"\n"))
	return p
}

// settings is the file of a server whose users log in by the provider.
func (p *provider) settings(t *testing.T, more string) string {
	t.Helper()
	return write(t, filepath.Join(t.TempDir(), "runecast.yaml"), fmt.Appendf(nil, `publicUrl: https://%s
oidc:
  issuer: %s
  name: Zitadel
  clientId: runecast
  clientSecretFile: %s
  administratorGroups: [platform]
  readOnlyGroups: [staff, developers]
  caFiles: [%s]
%s`, ssoHost, p.URL, p.secretFile, p.caFile, more))
}

// surf gives a browser that finds the server by its public name, the provider by its own, and follows redirects.
func (s *served) surf(p *provider) *browser {
	s.t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		s.t.Fatal(err)
	}
	roots := x509.NewCertPool()
	ca, err := os.ReadFile(filepath.Join(s.home.dir, "tls", "ca.crt"))
	if err != nil {
		s.t.Fatal(err)
	}
	roots.AppendCertsFromPEM(ca)
	roots.AddCert(p.Certificate())
	address := strings.TrimPrefix(s.address, "https://")
	transport := &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
		DialContext: func(ctx context.Context, network, to string) (net.Conn, error) {
			if strings.HasPrefix(to, ssoHost+":") {
				to = address
			}
			return (&net.Dialer{}).DialContext(ctx, network, to)
		},
	}
	s.t.Cleanup(transport.CloseIdleConnections)
	public := *s
	public.address = "https://" + ssoHost
	return &browser{&public, &http.Client{Jar: jar, Transport: transport}}
}

var authRequest = regexp.MustCompile(`name="id" value="([^"]+)"`)

// logInBy goes to the provider by the button, logs in there, and gives the page that it ends on, with its address and status.
func (b *browser) logInBy(p *provider, next string) (page, at string, code int) {
	b.s.t.Helper()
	form := b.fetch(http.MethodGet, b.s.address+"/login/oidc?next="+url.QueryEscape(next), nil)
	found := authRequest.FindStringSubmatch(form.body)
	if found == nil || !strings.HasPrefix(form.at, p.URL+"/login/username") {
		b.s.t.Fatalf("the button leads to %s: %s", form.at, form.body)
	}
	end := b.fetch(http.MethodPost, p.URL+"/login/username", url.Values{"id": {found[1]}, "username": {ssoUser}, "password": {"verysecure"}})
	return end.body, end.at, end.code
}

type fetched struct {
	body, at string
	code     int
}

func (b *browser) fetch(method, address string, form url.Values) fetched {
	b.s.t.Helper()
	request, err := http.NewRequestWithContext(b.s.t.Context(), method, address, strings.NewReader(form.Encode()))
	if err != nil {
		b.s.t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	response, err := b.client.Do(request)
	if err != nil {
		b.s.t.Fatal(err)
	}
	defer response.Body.Close()
	page, err := io.ReadAll(response.Body)
	if err != nil {
		b.s.t.Fatal(err)
	}
	return fetched{string(page), response.Request.URL.String(), response.StatusCode}
}

// TestSingleSignOn logs in by a real provider, by real redirects, and follows the groups of it.
func TestSingleSignOn(t *testing.T) { //nolint:paralleltest // the provider's list of clients is the process's
	h := newHome(t)
	p := newProvider(t)
	s := h.serve("--config", p.settings(t, ""), "--tls-names", ssoHost)
	first := s.surf(p)
	if page := first.fetch(http.MethodGet, "https://"+ssoHost+"/scans?status=Failed", nil); !strings.Contains(page.body, `href="/login/oidc?next=%2Fscans%3Fstatus%3DFailed">Log in with Zitadel</a>`) || !strings.Contains(page.body, `name="password"`) {
		t.Errorf("%+v", page)
	}
	// Without a group nobody gets in, and nobody becomes a user.
	if page, at, code := first.logInBy(p, "/"); code != http.StatusForbidden || !strings.HasPrefix(at, "https://"+ssoHost+"/login/oidc/callback?") || !strings.Contains(page, "None of your groups may use these pages") {
		t.Errorf("%d %s %s", code, at, page)
	}
	p.set("developers", "football")
	page, at, status := first.logInBy(p, "/scans?status=Failed")
	if status != http.StatusOK || at != "https://"+ssoHost+"/scans?status=Failed" || !strings.Contains(page, `<span class="user">test-user2</span>`) || !strings.Contains(page, "Read-only") {
		t.Fatalf("%d %s %s", status, at, page)
	}
	first.client.CheckRedirect = s.client.CheckRedirect
	first.get("/users", http.StatusForbidden)
	first.get("/password", http.StatusNotFound, "You have no password here")
	first.post("/password", url.Values{"old": {""}, "password": {ownPassword}, "again": {ownPassword}}, http.StatusNotFound)
	// The groups count at the next login, for sessions of before too.
	p.set("platform")
	first.get("/users", http.StatusForbidden)
	second := s.surf(p)
	if page, at, status = second.logInBy(p, "/users"); status != http.StatusOK || at != "https://"+ssoHost+"/users" || !strings.Contains(page, `<td>test-user2</td><td>OIDC</td>`) {
		t.Fatalf("%d %s %s", status, at, page)
	}
	first.get("/users", http.StatusOK)
	second.client.CheckRedirect = s.client.CheckRedirect
	second.post("/users/test-user2/role", url.Values{"role": {"Read-only"}}, http.StatusNotFound)
	second.post("/users/admin/delete", nil, http.StatusConflict) // the last one with a password
	second.get("/audit?actor=test-user2", http.StatusOK, "<td>logged in</td>", "Zitadel")
	// They have no password here, and nobody makes one.
	second.post("/users/test-user2/password", nil, http.StatusUnprocessableEntity)
	s.open().post("/login", url.Values{"name": {"test-user2"}, "password": {"verysecure"}}, http.StatusUnauthorized)
	code, _, errOut := h.run("user", "reset-password", ssoUser)
	want(t, code, errOut, app.ExitError, "who has a password here")
	code, out, _ := h.run("user", "list")
	want(t, code, out, app.ExitOK, "test-user2  Administrator  OIDC    none")
	// Logging out ends the session, and offers to log out at the provider.
	_, header := second.do(http.MethodPost, "/logout", nil, http.StatusSeeOther)
	second.get(header.Get("Location"), http.StatusOK, `id="elsewhere" href="`+p.URL+"/end_session?client_id=runecast")
	second.get("/scans", http.StatusSeeOther)
	first.get("/scans", http.StatusOK)
	// Who leaves all groups is refused, and what session is left may do nothing.
	p.set("football")
	if page, _, code := s.surf(p).logInBy(p, "/"); code != http.StatusForbidden {
		t.Errorf("%d %s", code, page)
	}
	first.get("/scans", http.StatusForbidden)
	if log := s.log.String(); strings.Contains(log, ssoSecret) || strings.Contains(log, "verysecure") {
		t.Error("the log has a secret")
	}
}

// TestSingleSignOnAttacks tries the callback with what an attacker may have.
func TestSingleSignOnAttacks(t *testing.T) { //nolint:paralleltest // the provider's list of clients is the process's
	h := newHome(t)
	p := newProvider(t)
	p.set("platform")
	s := h.serve("--config", p.settings(t, "  localLogin: emergency\n"), "--tls-names", ssoHost)
	b := s.surf(p)
	b.client.CheckRedirect = func(r *http.Request, _ []*http.Request) error {
		if r.URL.Path == "/login/oidc/callback" {
			return http.ErrUseLastResponse
		}
		return nil
	}
	form := b.fetch(http.MethodGet, "https://"+ssoHost+"/login/oidc?next=//evil.example/", nil)
	id := authRequest.FindStringSubmatch(form.body)
	if id == nil {
		t.Fatalf("%+v", form)
	}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, p.URL+"/login/username", strings.NewReader(url.Values{"id": {id[1]}, "username": {"test-user2"}, "password": {"verysecure"}}.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	response, err := b.client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
	answer := response.Header.Get("Location")
	path := strings.TrimPrefix(answer, "https://"+ssoHost)
	if !strings.HasPrefix(path, "/login/oidc/callback?code=") {
		t.Fatalf("%d %s", response.StatusCode, answer)
	}
	b.client.CheckRedirect = s.client.CheckRedirect
	// A victim who is sent the attacker's answer does not become the attacker, nor the other way round.
	victim := s.surf(p)
	victim.client.CheckRedirect = s.client.CheckRedirect
	victim.get(path, http.StatusForbidden, "not begun in this browser")
	// The flow's cookie is guarded as the session's is.
	_, begun := victim.do(http.MethodGet, "/login/oidc", nil, http.StatusSeeOther)
	if cookie := begun.Get("Set-Cookie"); !strings.HasPrefix(cookie, "__Host-runecast-flow=") || !strings.HasSuffix(cookie, "; Path=/; Max-Age=600; HttpOnly; Secure; SameSite=Lax") {
		t.Errorf("%s", cookie)
	}
	victim.get(path, http.StatusForbidden, "none to what was asked")
	// The right browser gets in, to a path of this server, and has a new session.
	_, entered := b.do(http.MethodGet, path, nil, http.StatusSeeOther)
	if entered.Get("Location") != "/scans" || entered.Get("Cache-Control") != "no-store" || !strings.Contains(strings.Join(entered.Values("Set-Cookie"), "\n"), "__Host-runecast=") {
		t.Errorf("%v", entered)
	}
	b.get("/users", http.StatusOK)
	b.get(path, http.StatusForbidden, "not begun in this browser") // a replay: the cookie was used up
	// Passwords are for emergencies alone: there is no form but for those who look for it, and readers do not get in.
	other := s.open()
	if page := other.get("/login", http.StatusOK, "Log in with Zitadel"); strings.Contains(page, `name="password"`) {
		t.Error("the form for passwords is there")
	}
	other.get("/login?local", http.StatusOK, `name="password"`, "For administrators with a password here, when Zitadel does not work.")
	admin := s.logIn("admin", s.oneTime())
	admin.get("/audit?action=logged+in&actor=admin", http.StatusOK, "&#34;emergency&#34;:true")
	password := secretOf(t, admin.post("/users", url.Values{"name": {"reader"}, "role": {"Read-only"}}, http.StatusOK))
	other.post("/login", url.Values{"name": {"reader"}, "password": {password}}, http.StatusUnauthorized)
	// The provider goes away: the server and emergencies go on.
	p.Close()
	s.open().get("/login", http.StatusOK)
	admin.get("/users", http.StatusOK)
	b.get("/users", http.StatusOK)
}

func TestSingleSignOnSettings(t *testing.T) {
	t.Parallel()
	h := &home{t: t, dir: t.TempDir()}
	for _, c := range []struct {
		yaml string
		want []string
	}{
		{"oidc: {clientId: x}", []string{"oidc: issuer: it is missing"}},
		{"oidc: {issuer: 'http://x', localLogin: never}", []string{
			`oidc: issuer: "http://x" is no URL`, "oidc: clientId: it is missing", "oidc: publicUrl is needed", "oidc: administratorGroups, readOnlyGroups: without a group", `oidc: localLogin: "never" is neither allowed nor emergency`,
		}},
		{"publicUrl: https://x\noidc: {issuer: https://y, clientId: z, readOnlyGroups: [a], secret: b}", []string{"invalid keys: secret"}},
		{"publicUrl: https://x\noidc: {issuer: https://y, clientId: z, readOnlyGroups: [a], clientSecretFile: /none}", []string{"set up logins by https://y: read the client's secret: open /none"}},
	} {
		file := write(t, filepath.Join(t.TempDir(), "c.yaml"), []byte(c.yaml))
		code, _, errOut := h.run("serve", "--listen", "127.0.0.1:0", "--config", file)
		want(t, code, errOut, app.ExitError, c.want...)
	}
}
