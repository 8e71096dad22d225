package auth_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/runecast/runecast/pkg/auth"
)

// memory is a TokenStore whose failures a test can switch on. The real stores have their own suite.
type memory struct {
	mu      sync.Mutex
	tokens  []auth.Token
	fail    error
	hang    bool
	reads   int
	touches map[string][]time.Time
}

//nolint:gocritic // the interface passes tokens by value
func (m *memory) CreateToken(_ context.Context, t auth.Token) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fail != nil {
		return m.fail
	}
	m.tokens = append(m.tokens, t)
	return nil
}

func (m *memory) Tokens(ctx context.Context) ([]auth.Token, error) {
	m.mu.Lock()
	hang := m.hang
	m.reads++
	m.mu.Unlock()
	if hang {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.tokens), m.fail
}

func (m *memory) RevokeToken(_ context.Context, id string, at time.Time) (bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for i := range m.tokens {
		if m.tokens[i].ID == id {
			m.tokens[i].RevokedAt = at
			return true, nil
		}
	}
	return false, nil
}

func (m *memory) TouchToken(_ context.Context, id string, at time.Time) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fail != nil {
		return m.fail
	}
	if m.touches == nil {
		m.touches = map[string][]time.Time{}
	}
	m.touches[id] = append(m.touches[id], at)
	return nil
}

func (m *memory) set(change func(*memory)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	change(m)
}

func (m *memory) readCount() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.reads
}

func (m *memory) touched(id string) []time.Time {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.touches[id])
}

var errDown = errors.New("database is down")

func issue(tb testing.TB, store auth.TokenStore, name string, access auth.AccessType, expires time.Time) (string, auth.Token) {
	tb.Helper()
	secret, token, err := auth.Issue(tb.Context(), store, auth.IssueRequest{Name: name, AccessType: access, ExpiresAt: expires})
	if err != nil {
		tb.Fatalf("issue token: %v", err)
	}
	return secret, token
}

// eventually polls until ok holds, and fails the test with what after ten seconds.
func eventually(tb testing.TB, what string, ok func() bool) {
	tb.Helper()
	deadline := time.NewTimer(10 * time.Second)
	defer deadline.Stop()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-deadline.C:
			tb.Fatalf("not within 10 s: %s", what)
		case <-tick.C:
		}
	}
}

// clock is a clock that tests move.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}
