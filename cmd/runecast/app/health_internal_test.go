package app

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/runecast/runecast/pkg/advisory"
)

// TestReadiness breaks one thing at a time.
func TestReadiness(t *testing.T) {
	t.Parallel()
	broken := errors.New("it broke")
	tests := []struct {
		name   string
		breaks func(*health)
		code   int
		want   []string
	}{
		{"all is well", func(*health) {}, http.StatusOK, []string{`"status": "ok"`, "of 2026-08-22, 3 days old, 7 advisories"}},
		{"shutting down", func(h *health) { h.stopping.Store(true) }, http.StatusServiceUnavailable, []string{`"status": "not ready"`, "the server is shutting down"}},
		{"tokens were never read", func(h *health) {
			h.loaded = func() bool { return false }
			h.tokens = func() error { return broken }
		}, http.StatusServiceUnavailable, []string{`"status": "not ready"`, "it broke"}},
		{"tokens are old", func(h *health) { h.tokens = func() error { return broken } }, http.StatusOK, []string{`"status": "degraded"`, "it broke"}},
		{"the store cannot be written", func(h *health) { h.writable = func(context.Context) error { return broken } }, http.StatusOK, []string{`"status": "degraded"`, `"name": "store"`, "it broke"}},
		{"a decision was not stored", func(h *health) { h.recorded = func() error { return broken } }, http.StatusOK, []string{`"status": "degraded"`, "it broke"}},
		{"policies cannot be read", func(h *health) { h.policies = func() error { return broken } }, http.StatusOK, []string{`"status": "degraded"`, `"name": "policies"`, "the last known policies hold: it broke"}},
		{"a stored policy cannot be used", func(h *health) { h.policyProblems = func() []string { return []string{"policy shop: no"} } }, http.StatusOK, []string{`"status": "degraded"`, "policy shop: no"}},
		{"no feed", func(h *health) { h.feed = func() (advisory.Info, error) { return advisory.Info{}, broken } }, http.StatusOK, []string{`"status": "degraded"`, "it broke"}},
		{"a damaged feed came", func(h *health) { h.feedErr = func() error { return broken } }, http.StatusOK, []string{`"status": "degraded"`, `"name": "feed update"`, "it broke"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			date := time.Date(2026, 8, 22, 0, 0, 0, 0, time.UTC)
			h := &health{
				loaded: func() bool { return true }, tokens: func() error { return nil }, writable: func(context.Context) error { return nil },
				recorded: func() error { return nil }, feedErr: func() error { return nil },
				policies: func() error { return nil }, policyProblems: func() []string { return nil },
				feed: func() (advisory.Info, error) { return advisory.Info{Date: date, Advisories: 7}, nil },
				now:  func() time.Time { return date.Add(80 * time.Hour) },
			}
			test.breaks(h)
			mux := http.NewServeMux()
			h.register(mux)
			recorder := httptest.NewRecorder()
			mux.ServeHTTP(recorder, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/readyz", http.NoBody))
			if recorder.Code != test.code {
				t.Errorf("status %d, want %d", recorder.Code, test.code)
			}
			for _, want := range test.want {
				if !strings.Contains(recorder.Body.String(), want) {
					t.Errorf("the answer lacks %s: %s", want, recorder.Body)
				}
			}
		})
	}
}

func TestRememberedAsksSeldom(t *testing.T) {
	t.Parallel()
	asked := 0
	r := remembered{ask: func(context.Context) error { asked++; return nil }}
	for range 100 {
		if err := r.get(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if asked != 1 {
		t.Errorf("asked %d times", asked)
	}
}
