//go:build certgen

package certgen_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sirupsen/logrus"
	"k8s.io/client-go/rest"

	"github.com/runecast/runecast/certgen/cluster"
	"github.com/runecast/runecast/certgen/job"
	"github.com/runecast/runecast/certgen/pki"
	"github.com/runecast/runecast/certgen/plan"
	"github.com/runecast/runecast/pkg/webhook"
)

// The commands' scopes, as certgen/app gives them.
var (
	issue     = plan.Scope{Secrets: true, Create: true, Configure: true}
	patch     = plan.Scope{Configure: true}
	reconcile = plan.Scope{Secrets: true, Configure: true, Rotate: true}
)

// run is how a test runs certgen.
type run struct {
	scope   plan.Scope
	config  *rest.Config
	clock   job.Clock
	change  func(*plan.Options)
	look    func(*cluster.Options)
	timeout time.Duration
}

// converge runs certgen.
func (p *place) converge(ctx context.Context, t *testing.T, r run) (job.Result, error) {
	t.Helper()
	runner, err := p.runner(r)
	must(t, err)
	return runner.Converge(ctx)
}

func (p *place) runner(r run) (*job.Runner, error) {
	if r.config == nil {
		r.config = p.as
		if r.scope.Create {
			r.config = p.asHook
		}
	}
	if r.clock == nil {
		r.clock = job.RealClock{}
	}
	if r.timeout == 0 {
		r.timeout = time.Minute
	}
	look := cluster.Options{
		Namespace: p.namespace, CASecret: caSecret, ServingSecret: servingSecret, KeySecret: keySecret, ReadCA: true,
		Managed: p.managed, Adopted: []string{p.byHand}, FrontService: frontService, PortName: "https",
		Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
			return p.front.dial(ctx, network, address)
		},
	}
	if r.look != nil {
		r.look(&look)
	}
	client, err := cluster.New(r.config, look)
	if err != nil {
		return nil, err
	}
	names, err := pki.NewNames(p.namespace, "cluster.local", []string{frontService, "runecast-server"}, nil, nil)
	if err != nil {
		return nil, err
	}
	options := plan.Options{
		Scope: r.scope, Namespace: p.namespace, Source: plan.SourceCertgen, CASecret: caSecret, ServingSecret: servingSecret, KeySecret: keySecret,
		Leaf: pki.Leaf{Names: names, Validity: 90 * 24 * time.Hour}, CAValidity: 10 * 365 * 24 * time.Hour,
		Services:        []webhook.Service{{Namespace: p.namespace, Name: frontService}, {Namespace: p.namespace, Name: "runecast-server"}},
		PropagationWait: 30 * time.Second, KeyWait: 3 * time.Minute, ContractAfter: 24 * time.Hour,
	}
	if r.change != nil {
		r.change(&options)
	}
	log := logrus.New()
	log.SetOutput(io.Discard)
	return &job.Runner{Cluster: client, Options: options, Clock: r.clock, Timeout: r.timeout, Log: log, Lenient: r.scope.Create}, nil
}

// fakeClock tells a time that only waiting and tests move.
type fakeClock struct {
	mu  sync.Mutex
	now time.Time
}

func newFakeClock() *fakeClock { return &fakeClock{now: time.Now()} }

func (c *fakeClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *fakeClock) Wait(ctx context.Context, d time.Duration) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
	return ctx.Err()
}

var errKilled = errors.New("certgen was killed")

// killer ends a run after its n-th write of a Secret or a configuration has reached the API server: the answer is lost, and so is every
// request after it.
type killer struct {
	mu     sync.Mutex
	left   int
	killed bool
	last   string // the write after which it was killed
}

// wrap gives a client configuration with the killer in it.
func (k *killer) wrap(config *rest.Config) *rest.Config {
	wrapped := rest.CopyConfig(config)
	wrapped.Wrap(func(next http.RoundTripper) http.RoundTripper { return killing{killer: k, next: next} })
	return wrapped
}

type killing struct {
	killer *killer
	next   http.RoundTripper
}

func (k killing) RoundTrip(r *http.Request) (*http.Response, error) {
	k.killer.mu.Lock()
	dead := k.killer.killed
	k.killer.mu.Unlock()
	if dead {
		return nil, errKilled
	}
	response, err := k.next.RoundTrip(r)
	write := r.Method != http.MethodGet && !strings.Contains(r.URL.Path, "/events")
	if err != nil || !write || response.StatusCode >= http.StatusBadRequest {
		return response, err
	}
	k.killer.mu.Lock()
	defer k.killer.mu.Unlock()
	if k.killer.left--; k.killer.left > 0 {
		return response, nil
	}
	k.killer.killed, k.killer.last = true, r.Method+" "+r.URL.Path
	_ = response.Body.Close()
	return nil, errKilled
}
