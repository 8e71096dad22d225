package auth

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sirupsen/logrus"
	"golang.org/x/sync/errgroup"
)

const (
	defaultRefresh = 2 * time.Second
	maxHeader      = 1024 // bytes of an Authorization header that are looked at
	maxSecret      = 128  // bytes of a presented secret; ours have 36
)

// What Authenticate answers instead of a principal. A client that gets ErrBadToken cannot tell an unknown token from an expired
// or a revoked one.
var (
	// ErrNoToken says that the request carries no token at all: 401.
	ErrNoToken = errors.New("no API token: send the header Authorization: Bearer <token>")
	// ErrBadToken says that the token is unknown, expired or revoked: 401.
	ErrBadToken = errors.New("the API token is not valid: it is unknown, expired or revoked")
	// ErrUnavailable says that the token is not among the known ones and that the store, which might know it, cannot be read: 503,
	// so that the API server tries again.
	ErrUnavailable = errors.New("the API token cannot be checked now, because the token store does not answer")
)

// Options are the settings of an Authenticator; zero values mean the defaults.
type Options struct {
	Clock   func() time.Time   // what tokens expire by; default time.Now
	Refresh time.Duration      // how old the tokens in memory may get, and so how long a revoked one still works; default 2 s
	Log     logrus.FieldLogger // default: nowhere. No secret is ever logged
}

// Authenticator checks presented tokens against the live ones, which it holds in memory. It is safe for concurrent use. Run must
// be running: without it a token that was revoked goes on working.
type Authenticator struct {
	store   TokenStore
	clock   func() time.Time
	refresh time.Duration
	log     logrus.FieldLogger

	current atomic.Pointer[snapshot] // nil until the tokens were read once
	health  atomic.Pointer[health]
	load    chan struct{} // holds one value: whoever takes it may read the store
	usage   usageTable

	mu    sync.Mutex
	next  *flight   // the refresh that has not begun yet, which callers may join
	began time.Time // when the last one began that unknown tokens caused
}

// NewAuthenticator makes an Authenticator that knows no token yet: the first Authenticate, or Run, reads them.
func NewAuthenticator(store TokenStore, opts Options) *Authenticator {
	a := &Authenticator{
		store: store, clock: opts.Clock, refresh: opts.Refresh, log: opts.Log,
		load: make(chan struct{}, 1),
	}
	if a.clock == nil {
		a.clock = time.Now
	}
	if a.refresh <= 0 {
		a.refresh = defaultRefresh
	}
	if a.log == nil {
		silent := logrus.New()
		silent.SetOutput(io.Discard)
		a.log = silent
	}
	a.load <- struct{}{}
	a.health.Store(&health{err: errNotRead})
	return a
}

// Authenticate gives the caller behind an Authorization header, `Bearer <token>` (the scheme in any case) or the bare token.
// A known token is checked in memory alone. For any other the store is asked first, at most ten times a second for all callers
// together, so that a token works as soon as any process has issued it; ctx ends that wait. Errors are ErrNoToken, ErrBadToken,
// ErrUnavailable, or the context's, wrapped.
func (a *Authenticator) Authenticate(ctx context.Context, authorization string) (Principal, error) {
	if len(authorization) > maxHeader {
		return Principal{}, ErrBadToken
	}
	secret := presented(authorization)
	if secret == "" {
		return Principal{}, ErrNoToken
	}
	return a.authenticate(ctx, secret, false)
}

// AuthenticateKey is Authenticate for a key that came in a review's path. Such keys and API tokens do not stand for each other:
// a path is seen by more people than a header.
func (a *Authenticator) AuthenticateKey(ctx context.Context, key string) (Principal, error) {
	if key == "" {
		return Principal{}, ErrNoToken
	}
	return a.authenticate(ctx, key, true)
}

func (a *Authenticator) authenticate(ctx context.Context, secret string, inPath bool) (Principal, error) {
	if len(secret) > maxSecret {
		return Principal{}, ErrBadToken
	}
	var text [maxSecret]byte
	sum := sha256.Sum256(text[:copy(text[:], secret)])

	if found := a.current.Load().find(&sum); found.liveAt(a.clock()) {
		return a.accept(found, inPath)
	}
	refreshed := a.refreshFor(ctx)
	if err := ctx.Err(); err != nil {
		return Principal{}, fmt.Errorf("check API token: %w", err)
	}
	found := a.current.Load().find(&sum)
	switch {
	case found.liveAt(a.clock()):
		return a.accept(found, inPath)
	case found == nil && refreshed != nil:
		return Principal{}, ErrUnavailable
	default:
		return Principal{}, ErrBadToken
	}
}

// accept notes the use of a token, for the background to store, and gives its principal, unless it came in the wrong place.
func (a *Authenticator) accept(found *entry, inPath bool) (Principal, error) {
	if (found.principal.AccessType == AccessPathKey) != inPath {
		return Principal{}, ErrBadToken
	}
	found.usage.note(a.clock())
	return found.principal, nil
}

// presented takes the token out of an Authorization header; empty when there is none, which is also the case for other schemes.
func presented(authorization string) string {
	value := strings.TrimSpace(authorization)
	scheme, rest, spaced := strings.Cut(value, " ")
	if strings.EqualFold(scheme, "Bearer") {
		return strings.TrimSpace(rest)
	}
	if spaced {
		return ""
	}
	return value
}

// Run refreshes the tokens and stores their last use until ctx ends, then returns nil. The first refresh is at once.
func (a *Authenticator) Run(ctx context.Context) error {
	loops, ctx := errgroup.WithContext(ctx)
	loops.Go(func() error {
		return a.every(ctx, func(ctx context.Context) { _ = a.refreshNow(ctx) }) // a failure is kept as health
	})
	loops.Go(func() error { return a.every(ctx, a.touch) })
	return loops.Wait()
}

// every calls do at once and then at each refresh interval until ctx ends.
func (a *Authenticator) every(ctx context.Context, do func(context.Context)) error {
	ticker := time.NewTicker(a.refresh)
	defer ticker.Stop()
	for {
		do(ctx)
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}
