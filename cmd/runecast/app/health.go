package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/runecast/runecast/pkg/advisory"
	"github.com/runecast/runecast/pkg/feed"
)

// probeTimeout bounds one readiness check.
const probeTimeout = 2 * time.Second

// States of a check and of the whole.
const (
	stateOK       = "ok"
	stateDegraded = "degraded" // reviews are answered, by the policy's switches where data is missing
	stateNotReady = "not ready"
)

// Check is one line of the readiness answer.
type Check struct {
	Name   string `json:"name"`
	State  string `json:"state"`
	Detail string `json:"detail,omitempty"`
}

// Readiness is the readiness answer.
type Readiness struct {
	Status string  `json:"status"`
	Checks []Check `json:"checks"`
}

// writableFor is how long the answer to whether the store can be written is taken for true: it is found out by writing, and probes
// come from anywhere.
const writableFor = 2 * time.Second

// remembered asks a costly question at most once in writableFor.
type remembered struct {
	ask func(context.Context) error

	mu  sync.Mutex
	at  time.Time
	err error
}

func (r *remembered) get(ctx context.Context) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if time.Since(r.at) >= writableFor {
		r.err = r.ask(ctx)
		r.at = time.Now()
	}
	return r.err
}

// health answers /healthz and /readyz. Ready means: able to answer a review. A missing feed or a store that cannot be written
// degrades the server, visibly, but leaves it ready: the policy decides what such reviews get.
type health struct {
	stopping atomic.Bool
	loaded   func() bool                   // tokens were read once: callers can be authenticated
	tokens   func() error                  // nil: the tokens in memory are those of the store
	writable func(context.Context) error   // nil: the store can be written
	recorded func() error                  // nil: the last decision was stored
	feed     func() (advisory.Info, error) // the feed in use
	feedErr  func() error                  // nil: the last update of the feed was taken
	updates  *feed.Updater                 // nil: the server does not update its feed by itself
	policies func() error                  // nil: the policies are those of the store
	// policyProblems says which stored policies and exemptions cannot be used.
	policyProblems func() []string
	now            func() time.Time
}

func (h *health) register(mux *http.ServeMux) {
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = fmt.Fprintln(w, stateOK)
	})
	mux.HandleFunc("GET /readyz", h.ready)
}

func (h *health) ready(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), probeTimeout)
	defer cancel()
	answer := h.check(ctx)
	w.Header().Set("Content-Type", "application/json")
	if answer.Status == stateNotReady {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	_ = encoder.Encode(answer) //nolint:errchkjson // strings encode; where the prober is gone there is nobody to tell
}

func (h *health) check(ctx context.Context) Readiness {
	tokens := stateDegraded
	if !h.loaded() {
		tokens = stateNotReady
	}
	checks := []Check{
		h.one("server", stateNotReady, h.stoppingErr()),
		h.one("tokens", tokens, h.tokens()),
		h.one("store", stateDegraded, h.writable(ctx)),
		h.one("decisions", stateDegraded, h.recorded()),
		h.one("policies", stateDegraded, h.policyErr()),
		h.feedCheck(),
		h.one("feed update", stateDegraded, h.feedErr()),
	}
	if h.updates != nil {
		checks = append(checks, h.one("feed source", stateDegraded, h.updates.Err()))
	}
	answer := Readiness{Status: stateOK, Checks: checks}
	for _, c := range checks {
		if c.State == stateNotReady || (c.State == stateDegraded && answer.Status == stateOK) {
			answer.Status = c.State
		}
	}
	return answer
}

func (*health) one(name, broken string, err error) Check {
	if err != nil {
		return Check{Name: name, State: broken, Detail: err.Error()}
	}
	return Check{Name: name, State: stateOK}
}

// policyErr says that policies may be old, or that some cannot be used.
func (h *health) policyErr() error {
	if err := h.policies(); err != nil {
		return fmt.Errorf("the last known policies hold: %w", err)
	}
	if problems := h.policyProblems(); len(problems) > 0 {
		return errors.New(strings.Join(problems, "; "))
	}
	return nil
}

func (h *health) stoppingErr() error {
	if h.stopping.Load() {
		return errStopping
	}
	return nil
}

func (h *health) feedCheck() Check {
	info, err := h.feed()
	if err != nil {
		return Check{Name: "feed", State: stateDegraded, Detail: err.Error()}
	}
	age := h.now().Sub(info.Date)
	detail := fmt.Sprintf("of %s, %d days old, %d advisories", info.Date.UTC().Format(time.DateOnly), int(age.Hours()/24), info.Advisories)
	return Check{Name: "feed", State: stateOK, Detail: detail}
}
