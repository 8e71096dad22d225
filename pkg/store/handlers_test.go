package store_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/runecast/runecast/pkg/admission"
	"github.com/runecast/runecast/pkg/advisory"
	"github.com/runecast/runecast/pkg/auth"
	"github.com/runecast/runecast/pkg/policy"
	"github.com/runecast/runecast/pkg/policy/live"
	"github.com/runecast/runecast/pkg/store"
	"github.com/runecast/runecast/pkg/store/storetest"
	"github.com/runecast/runecast/pkg/web"
	"github.com/runecast/runecast/pkg/web/ui"
)

// anyone takes every token for an administrator's.
type anyone struct{}

func (anyone) Authenticate(context.Context, string) (auth.Principal, error) {
	return auth.Principal{Name: "bench", AccessType: auth.AccessGlobalAdmin}, nil
}

func (anyone) Record(*admission.Decision)              {}
func (anyone) Audit(context.Context, *auth.AuditEntry) {}

func noFeed() (advisory.Info, error) { return advisory.Info{}, errors.New("there is none") }

// site is the REST interface and the pages, with somebody logged in.
type site struct {
	http.Handler

	cookies []*http.Cookie
}

func newSite(tb testing.TB, s *store.Store) *site {
	tb.Helper()
	base, err := policy.NewSet(policy.BuiltInOptions{})
	if err != nil {
		tb.Fatal(err)
	}
	policies := live.New(live.Options{Base: base, Store: s, Log: storetest.Log()})
	sessions := auth.NewSessions(s, time.Now)
	const name, first, own = "bench", "the first password", "another password"
	if _, err = auth.AddUser(tb.Context(), s, name, auth.RoleAdministrator, first); err != nil {
		tb.Fatal(err)
	}
	if err = sessions.ChangePassword(tb.Context(), &auth.Attempt{Name: name, Password: first, Address: "192.0.2.1"}, own); err != nil {
		tb.Fatal(err)
	}
	mux := http.NewServeMux()
	web.Register(mux, web.Options{Store: s, Policies: policies, Recorder: anyone{}, Authenticator: anyone{}, Log: storetest.Log()})
	ui.Register(mux, ui.Options{Store: s, Policies: policies, Jobs: ui.NewJobs(s, nil, nil, storetest.Log(), nil), Sessions: sessions, Feed: noFeed, Log: storetest.Log()})
	login, err := sessions.Login(tb.Context(), &auth.Attempt{Name: name, Password: own, Address: "192.0.2.1"})
	if err != nil {
		tb.Fatal(err)
	}
	return &site{mux, []*http.Cookie{{Name: "__Host-runecast", Value: login.Session}}}
}

// answer gives how many bytes are answered to a GET.
func (w *site) answer(tb testing.TB, path string) int {
	tb.Helper()
	request := httptest.NewRequestWithContext(tb.Context(), http.MethodGet, "https://runecast.example"+path, http.NoBody)
	request.Header.Set("Authorization", "Bearer token")
	for _, cookie := range w.cookies {
		request.AddCookie(cookie)
	}
	answer := httptest.NewRecorder()
	w.ServeHTTP(answer, request)
	if answer.Code != http.StatusOK {
		tb.Fatalf("%s: %d %s %.300s", path, answer.Code, answer.Header().Get("Location"), answer.Body)
	}
	return answer.Body.Len()
}

// handled lists the addresses that are measured as they are answered, the whole of it at the server: rows are bytes.
func handled(tb testing.TB, s *store.Store) []reading {
	tb.Helper()
	w := newSite(tb, s)
	list, _, err := s.Scans(tb.Context(), &web.ScanQuery{Limit: 1, Image: "nginx", Complies: "no", Status: web.StatusSuccess})
	if err != nil || len(list) == 0 {
		tb.Fatal(list, err)
	}
	common := storetest.LargeVulnerability(1)
	var readings []reading
	for _, path := range []string{
		"/api/v1/scans?limit=50", "/api/v1/scans?limit=1000", "/api/v1/scans?limit=50&image=web-&status=Failed&sort=worst", "/api/v1/scans/" + list[0].ID,
		"/api/v1/vulnerabilities?limit=50", "/api/v1/vulnerabilities/" + common + "?limit=50", "/api/v1/overview", "/api/v1/images-at-risk?limit=50",
		"/scans", "/scans?image=needle", "/scans?image=web-&status=Failed&severity=critical", "/scans?status=Running&evaluation=yes", "/scans/" + list[0].ID,
		"/", "/risk", "/vulnerabilities", "/vulnerabilities/" + common,
	} {
		name := "GET " + strings.Replace(path, list[0].ID, "ID", 1)
		readings = append(readings, reading{name, func(tb testing.TB, _ *store.Store) int { tb.Helper(); return w.answer(tb, path) }})
	}
	return readings
}

// TestHandled shows that what BenchmarkLarge asks for is answered.
func TestHandled(t *testing.T) {
	t.Parallel()
	s := storetest.Open(t, storetest.SQLite().New(t))
	storetest.Fill(t, s, storetest.Large{Scans: 300, Images: 100, Findings: 20, Vulnerabilities: 200})
	for _, r := range handled(t, s) {
		if bytes := r.read(t, s); bytes < 100 {
			t.Errorf("%s: %d bytes", r.name, bytes)
		}
	}
}
