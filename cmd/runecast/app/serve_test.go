package app_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"database/sql"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/runecast/runecast/cmd/runecast/app"
)

const reviewPath = "/rc2/api/v2/k8s-admission-policy-review/policy/2?timeout=10s"

// served is a running server.
type served struct {
	t       testing.TB
	address string
	client  *http.Client
	token   string
	home    *home
	log     *logBuffer
	stop    func() int
	api     *contract
}

type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// until polls until something is so.
func until(tb testing.TB, what string, ok func() bool) {
	tb.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.After(15 * time.Second); !ok(); {
		select {
		case <-tick.C:
		case <-deadline:
			tb.Fatalf("not so after 15 s: %s", what)
		}
	}
}

// serve starts a server on a free port, with a token for it.
func (h *home) serve(args ...string) *served {
	h.t.Helper()
	_, token, _ := h.run("token", "create", "--name", "test", "--quiet")
	s := &served{api: new(contract), t: h.t, token: strings.TrimSpace(token), home: h, log: &logBuffer{}}
	ctx, cancel := context.WithCancel(context.WithoutCancel(h.t.Context()))
	code := make(chan int, 1)
	go func() {
		all := append([]string{"--data-dir", h.dir, "--log-format", "json", "serve", "--listen", "127.0.0.1:0", "--registry-allow-networks", "127.0.0.0/8"}, args...)
		code <- app.Main(ctx, all, app.Streams{In: strings.NewReader(""), Out: io.Discard, Err: s.log})
	}()
	s.stop = sync.OnceValue(func() int { cancel(); return <-code })
	h.t.Cleanup(func() { s.stop() })
	until(h.t, "the server listens", func() bool {
		for line := range strings.Lines(s.log.String()) {
			var entry struct {
				Msg     string `json:"msg"`
				Address string `json:"address"`
			}
			if json.Unmarshal([]byte(line), &entry) == nil && entry.Msg == "listening" {
				s.address = entry.Address
			}
		}
		return s.address != ""
	})
	roots := x509.NewCertPool()
	if ca, err := os.ReadFile(filepath.Join(h.dir, "tls", "ca.crt")); err == nil {
		roots.AppendCertsFromPEM(ca)
	}
	s.client = &http.Client{
		Transport:     held{&http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}}, s},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	h.t.Cleanup(s.client.CloseIdleConnections)
	return s
}

func (s *served) do(method, path, body string) (int, string) {
	s.t.Helper()
	request, err := http.NewRequestWithContext(s.t.Context(), method, s.address+path, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Authorization", "Bearer "+s.token)
	response, err := s.client.Do(request)
	if err != nil {
		s.t.Fatal(err)
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return response.StatusCode, string(answer)
}

func podReview(image string) string {
	return fmt.Sprintf(`{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{"uid":"u","operation":"CREATE","kind":{"kind":"Pod","version":"v1"},"name":"web","namespace":"shop",
 "object":{"spec":{"containers":[{"name":"a","image":%q}]}}}}`, image)
}

func TestServe(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	s := h.serve()
	if code, answer := s.do(http.MethodPost, reviewPath, podReview(h.vulnerable)); code != http.StatusOK || !strings.Contains(answer, `"allowed":false`) || !strings.Contains(answer, deniedLine) {
		t.Errorf("%d %s", code, answer)
	}
	if code, answer := s.do(http.MethodPost, strings.Replace(reviewPath, "/rc2/", "/rca/", 1), podReview(h.fixed)); code != http.StatusOK || !strings.Contains(answer, `"allowed":true`) {
		t.Errorf("%d %s", code, answer)
	}
	if code, answer := s.do(http.MethodGet, "/healthz", ""); code != http.StatusOK || answer != "ok\n" {
		t.Errorf("healthz: %d %s", code, answer)
	}
	if code, answer := s.do(http.MethodGet, "/readyz", ""); code != http.StatusOK || !strings.Contains(answer, `"status": "ok"`) || !strings.Contains(answer, "of 2024-11-21, ") {
		t.Errorf("readyz: %d %s", code, answer)
	}
	_, metrics := s.do(http.MethodGet, "/metrics", "")
	for _, want := range []string{
		`runecast_reviews_total{allowed="false",dry_run="false",policy="2",reason="violation",verdict="deny"} 1`,
		`runecast_reviews_total{allowed="true",dry_run="false",policy="2",reason="compliant",verdict="allow"} 1`,
		`runecast_review_duration_seconds_count{policy="2"} 2`, `runecast_scans_total{outcome="ok"} 2`, "runecast_cache_hits_total", "runecast_feed_age_seconds ", "runecast_certificate_expiry_timestamp_seconds 1",
	} {
		if !strings.Contains(metrics, want) {
			t.Errorf("the metrics lack %s", want)
		}
	}
	if code := s.stop(); code != app.ExitOK {
		t.Errorf("the server ended with %d: %s", code, s.log)
	}
	code, out, _ := h.run("decision", "list")
	want(t, code, out, app.ExitOK, "deny", "violation", "allow", "compliant", "Pod shop/web")
	if strings.Contains(s.log.String(), s.token) {
		t.Error("the log has the token")
	}
}

func TestServerNeverRedirectsAndNamesUnknownPaths(t *testing.T) {
	t.Parallel()
	s := newHome(t).serve()
	for _, path := range []string{"//rc2/api/v2/k8s-admission-policy-review/policy/2", "/rc2/../rc2/api/v2/k8s-admission-policy-review/policy/2", "/rc2/api/v2/k8s-admission-policy-review/policy", "/nothing", "/healthz/", "/"} {
		code, answer := s.do(http.MethodPost, path, podReview("x"))
		if code != http.StatusNotFound || !strings.Contains(answer, `"kind":"Status"`) {
			t.Errorf("%s: %d %s", path, code, answer)
		}
	}
}

func TestServerWithoutFeedIsDegradedUntilThereIsOne(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	index := filepath.Join(h.dir, "feed.index")
	whole, err := os.ReadFile(index)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(index); err != nil {
		t.Fatal(err)
	}
	s := h.serve()
	until(t, "the server is ready but degraded", func() bool {
		code, answer := s.do(http.MethodGet, "/readyz", "")
		return code == http.StatusOK && strings.Contains(answer, `"status": "degraded"`) && strings.Contains(answer, "there is no vulnerability data")
	})
	code, answer := s.do(http.MethodPost, reviewPath, podReview(h.fixed))
	if code != http.StatusOK || !strings.Contains(answer, `"allowed":false`) || !strings.Contains(answer, "no-feed") || !strings.Contains(answer, "runecast feed build") {
		t.Errorf("review without a feed: %d %s", code, answer)
	}
	write(t, index, whole)
	until(t, "the feed is in use", func() bool {
		_, answer := s.do(http.MethodGet, "/readyz", "")
		return strings.Contains(answer, `"status": "ok"`)
	})
	if _, answer := s.do(http.MethodPost, reviewPath, podReview(h.fixed)); !strings.Contains(answer, `"allowed":true`) {
		t.Errorf("review with the feed: %s", answer)
	}
	write(t, index+".new", whole[:len(whole)/2])
	if err := os.Rename(index+".new", index); err != nil {
		t.Fatal(err)
	}
	until(t, "the damaged feed is refused", func() bool {
		_, answer := s.do(http.MethodGet, "/readyz", "")
		return strings.Contains(answer, `"status": "degraded"`) && strings.Contains(answer, "damaged")
	})
	if _, answer := s.do(http.MethodPost, reviewPath, podReview(h.fixed)); !strings.Contains(answer, `"allowed":true`) {
		t.Errorf("the old feed is not in use any more: %s", answer)
	}
}

// TestStoreThatCannotBeWritten breaks the table of decisions under a running server.
func TestStoreThatCannotBeWritten(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	s := h.serve()
	db, err := sql.Open("sqlite", "file:"+filepath.Join(h.dir, "runecast.db")+"?_pragma=busy_timeout(10000)") // the server writes meanwhile
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.ExecContext(t.Context(), "CREATE TRIGGER full BEFORE INSERT ON decisions BEGIN SELECT RAISE(FAIL, 'disk full'); END"); err != nil {
		t.Fatal(err)
	}
	if code, answer := s.do(http.MethodPost, reviewPath, podReview(h.vulnerable)); code != http.StatusOK || !strings.Contains(answer, deniedLine) {
		t.Errorf("%d %s", code, answer)
	}
	until(t, "the server says that it is degraded", func() bool {
		code, answer := s.do(http.MethodGet, "/readyz", "")
		return code == http.StatusOK && strings.Contains(answer, `"status": "degraded"`) && strings.Contains(answer, "disk full")
	})
	if code := s.stop(); code != app.ExitOK {
		t.Errorf("the server ended with %d", code)
	}
	if log := s.log.String(); !strings.Contains(log, "decision not stored; this line is its only record") || !strings.Contains(log, "CVE-2021-3711") {
		t.Errorf("the decision is lost: %s", log)
	}
}

func TestServerWithoutTLS(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	s := h.serve("--plain-http")
	if !strings.HasPrefix(s.address, "http://") {
		t.Errorf("address %s", s.address)
	}
	if _, answer := s.do(http.MethodPost, reviewPath, podReview(h.vulnerable)); !strings.Contains(answer, deniedLine) {
		t.Errorf("answer %s", answer)
	}
}

func TestRevokedTokenStopsAndTheCAStays(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	s := h.serve()
	if code, _ := s.do(http.MethodPost, reviewPath, podReview(h.fixed)); code != http.StatusOK {
		t.Fatalf("status %d", code)
	}
	ca, err := os.ReadFile(filepath.Join(h.dir, "tls", "ca.crt"))
	if err != nil {
		t.Fatal(err)
	}
	_, list, _ := h.run("token", "list", "-o", "json")
	var tokens []struct{ ID string }
	decode(t, list, &tokens)
	if code, _, errOut := h.run("token", "revoke", tokens[0].ID); code != app.ExitOK {
		t.Fatal(errOut)
	}
	until(t, "the token is refused", func() bool {
		code, _ := s.do(http.MethodPost, reviewPath, podReview(h.fixed))
		return code == http.StatusUnauthorized
	})
	s.stop()
	again := h.serve()
	if now, err := os.ReadFile(filepath.Join(h.dir, "tls", "ca.crt")); err != nil || !bytes.Equal(now, ca) {
		t.Errorf("the CA changed at a restart: %v", err)
	}
	if code, _ := again.do(http.MethodPost, reviewPath, podReview(h.fixed)); code != http.StatusOK {
		t.Errorf("status %d after the restart", code)
	}
}

func TestServeErrors(t *testing.T) {
	t.Parallel()
	h := &home{t: t, dir: t.TempDir()}
	code, _, errOut := h.run("serve", "--listen", "127.0.0.1:0", "--tls-cert-file", "none.crt", "--tls-key-file", "none.key")
	want(t, code, errOut, app.ExitError, "load the certificate none.crt with the key none.key")
	code, _, errOut = h.run("serve", "--listen", "256.0.0.1:0")
	want(t, code, errOut, app.ExitError, "error: listen on 256.0.0.1:0: ")
	code, _, errOut = h.run("serve", "--database", "postgres://user:hunter2@127.0.0.1:1/none?connect_timeout=1")
	want(t, code, errOut, app.ExitError, "error: open the database: ")
	if strings.Contains(errOut, "hunter2") {
		t.Errorf("the error shows the password: %s", errOut)
	}
}
