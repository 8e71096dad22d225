package imagetest

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

// Registry is a container registry on a loopback port. It counts the requests that come over the network, and Inject makes
// them fail. Push goes past both. It is safe for concurrent use.
type Registry struct {
	server  *httptest.Server
	backend http.Handler
	closed  chan struct{} // releases requests that a fault keeps waiting
	once    sync.Once

	sent atomic.Int64 // bytes of bodies
	busy atomic.Int64 // requests that are being answered

	mu     sync.Mutex
	counts map[string]int // by "METHOD path"
	faults []*injection
	login  *login
}

// NewRegistry starts an empty registry, as httptest.NewServer starts a server. The caller closes it.
func NewRegistry() *Registry {
	r := &Registry{
		backend: registry.New(registry.Logger(slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug)), registry.WithReferrersSupport(true)),
		closed:  make(chan struct{}),
		counts:  map[string]int{},
	}
	r.server = httptest.NewServer(r)
	return r
}

// Host is the registry's address as references name it: 127.0.0.1:PORT.
func (r *Registry) Host() string { return strings.TrimPrefix(r.server.URL, "http://") }

// Close ends the registry and every request in it.
func (r *Registry) Close() {
	r.once.Do(func() {
		close(r.closed)
		r.server.CloseClientConnections()
		r.server.Close()
	})
}

// Push stores a v1.Image or v1.ImageIndex under repository:tag and gives its reference with the registry's host, and its digest.
func (r *Registry) Push(ctx context.Context, repositoryTag string, thing remote.Taggable) (reference, digest string, err error) {
	reference = r.Host() + "/" + repositoryTag
	tag, err := name.NewTag(reference)
	if err != nil {
		return "", "", fmt.Errorf("push %s: %w", reference, err)
	}
	described, ok := thing.(interface{ Digest() (v1.Hash, error) })
	if !ok {
		return "", "", fmt.Errorf("push %s: %T has no digest", reference, thing)
	}
	hash, err := described.Digest()
	if err != nil {
		return "", "", fmt.Errorf("push %s: %w", reference, err)
	}
	opts := []remote.Option{remote.WithTransport(direct{r.backend}), remote.WithContext(ctx), remote.WithNondistributable}
	switch thing := thing.(type) {
	case v1.Image:
		err = remote.Write(tag, thing, opts...)
	case v1.ImageIndex:
		err = remote.WriteIndex(tag, thing, opts...)
	default:
		err = remote.Put(tag, thing, opts...)
	}
	if err != nil {
		return "", "", fmt.Errorf("push %s: %w", reference, err)
	}
	return reference, hash.String(), nil
}

// MustPush is Push for images that fit; it gives the reference.
func (r *Registry) MustPush(ctx context.Context, repositoryTag string, thing remote.Taggable) string {
	reference, _, err := r.Push(ctx, repositoryTag, thing)
	must(err)
	return reference
}

// Requests is the number of requests so far, of any kind.
func (r *Registry) Requests() int { return r.count(func(string) bool { return true }) }

// Manifests is the number of requests for manifests and indexes so far, GET and HEAD.
func (r *Registry) Manifests() int {
	return r.count(func(key string) bool { return strings.Contains(key, "/manifests/") })
}

// Blobs is the number of requests for layers and configurations so far.
func (r *Registry) Blobs() int {
	return r.count(func(key string) bool { return strings.Contains(key, "/blobs/") })
}

// Count is the number of requests so far whose "METHOD path" contains a text: a digest, a repository.
func (r *Registry) Count(part string) int {
	return r.count(func(key string) bool { return strings.Contains(key, part) })
}

// Sent is the number of bytes of all bodies that were sent so far.
func (r *Registry) Sent() int64 { return r.sent.Load() }

// ResetCounts sets all counters to zero. It waits up to a second for answers under way, whose last bytes are counted after they are read.
func (r *Registry) ResetCounts() {
	for end := time.Now().Add(time.Second); r.busy.Load() > 0 && time.Now().Before(end); {
		<-time.After(time.Millisecond)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	clear(r.counts)
	r.sent.Store(0)
}

func (r *Registry) count(match func(key string) bool) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := 0
	for key, times := range r.counts {
		if match(key) {
			n += times
		}
	}
	return n
}

// ServeHTTP counts a request, then lets the login, the faults and the registry itself answer it, in this order.
func (r *Registry) ServeHTTP(plain http.ResponseWriter, req *http.Request) {
	r.busy.Add(1)
	defer r.busy.Add(-1)
	w := &counted{plain, &r.sent}
	r.mu.Lock()
	r.counts[req.Method+" "+req.URL.Path]++
	guard, fault := r.login, r.take(req)
	r.mu.Unlock()
	if guard != nil && guard.handled(w, req) {
		return
	}
	if fault != nil {
		fault(w, req, r.backend)
		return
	}
	r.backend.ServeHTTP(w, req)
}

// counted counts the bytes of bodies.
type counted struct {
	http.ResponseWriter
	sent *atomic.Int64
}

// Write implements io.Writer.
func (c *counted) Write(p []byte) (int, error) {
	n, err := c.ResponseWriter.Write(p)
	c.sent.Add(int64(n))
	return n, err //nolint:wrapcheck // a writer hands on what it got
}

// Unwrap is for http.ResponseController.
func (c *counted) Unwrap() http.ResponseWriter { return c.ResponseWriter }

// direct hands requests to a handler without a network.
type direct struct{ handler http.Handler }

func (d direct) RoundTrip(req *http.Request) (*http.Response, error) {
	recorder := httptest.NewRecorder()
	inner := req.Clone(req.Context())
	inner.Host = req.URL.Host
	if inner.Body == nil {
		inner.Body = http.NoBody
	}
	d.handler.ServeHTTP(recorder, inner)
	resp := recorder.Result()
	resp.Request = req
	return resp, nil
}
