//go:build certgen

package certgen_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/runecast/runecast/certgen/state"
	"github.com/runecast/runecast/pkg/webhook"
)

const maxKills = 40 // no scenario has as many writes

// scenario is something that certgen has to do, and that it must get done wherever it is cut off.
type scenario struct {
	prepare func(t *testing.T, p *place, clock *fakeClock) // what is there before
	run     run
	writes  int // how many it takes at least
	check   func(t *testing.T, p *place, clock *fakeClock)
}

// installed is the state after an install, with a configuration that was made by hand from it, as servers present it.
func installed(t *testing.T, p *place, clock *fakeClock) {
	t.Helper()
	_, err := p.converge(t.Context(), t, run{scope: issue, clock: clock})
	must(t, err)
	p.configure(t)
	p.configureByHand(t)
	_, err = p.converge(t.Context(), t, run{scope: patch, clock: clock})
	must(t, err)
	p.syncAll(t)
	p.syncAll(t)
}

// ask asks for a rotation by the annotation.
func (p *place) ask(t *testing.T, secret string) {
	t.Helper()
	_, err := p.Client.CoreV1().Secrets(p.namespace).Patch(t.Context(), secret, types.MergePatchType,
		[]byte(`{"metadata":{"annotations":{"`+state.AnnotationRotate+`":"now"}}}`), metav1.PatchOptions{})
	must(t, err)
}

// syncAll lets all servers read the Secrets once; their certificate is presented from the second handshake on.
func (p *place) syncAll(t *testing.T) {
	t.Helper()
	must(t, p.front.syncKeys(t.Context()))
	for _, s := range p.front.servers {
		must(t, p.front.sync(t.Context(), s))
		_, _ = s.certificate()
	}
}

// long makes a run long enough for all waits of a rotation, by the fake clock.
func long(r run) run {
	r.timeout = 72 * time.Hour
	return r
}

func scenarios() map[string]scenario {
	return map[string]scenario{
		"issue": {
			prepare: func(t *testing.T, p *place, _ *fakeClock) { t.Helper(); p.configure(t) },
			run:     run{scope: issue}, writes: 4,
		},
		"renew": {
			prepare: func(t *testing.T, p *place, clock *fakeClock) {
				t.Helper()
				installed(t, p, clock)
				must(t, clock.Wait(t.Context(), 61*24*time.Hour))
			},
			run: run{scope: reconcile}, writes: 1,
			check: func(t *testing.T, p *place, clock *fakeClock) {
				t.Helper()
				if left := state.ReadServing(p.secret(t, servingSecret)).Leaf.NotAfter.Sub(clock.Now()); left < 89*24*time.Hour {
					t.Errorf("the certificate ends in %s", left)
				}
			},
		},
		"rotate CA": {
			prepare: func(t *testing.T, p *place, clock *fakeClock) { t.Helper(); installed(t, p, clock); p.ask(t, caSecret) },
			run:     long(run{scope: reconcile}), writes: 12,
			check: func(t *testing.T, p *place, _ *fakeClock) {
				t.Helper()
				if ca, err := state.ReadCA(p.secret(t, caSecret)); err != nil || ca.Generation < 2 || ca.Cross == nil || len(ca.Retired) == 0 {
					t.Errorf("after the rotation: generation %d, cross-signed %t, retired %d, %v", ca.Generation, ca.Cross != nil, len(ca.Retired), err)
				}
			},
		},
		"CA lost": {
			prepare: func(t *testing.T, p *place, clock *fakeClock) {
				t.Helper()
				installed(t, p, clock)
				must(t, p.Client.CoreV1().Secrets(p.namespace).Delete(t.Context(), caSecret, metav1.DeleteOptions{}))
				_, err := p.converge(t.Context(), t, run{scope: issue, clock: clock})
				must(t, err)
			},
			run: long(run{scope: reconcile}), writes: 8,
		},
		"rotate key": {
			prepare: func(t *testing.T, p *place, clock *fakeClock) {
				t.Helper()
				installed(t, p, clock)
				p.ask(t, keySecret)
			},
			run: long(run{scope: reconcile}), writes: 5,
		},
		"rotate both, new private key": {
			prepare: func(t *testing.T, p *place, clock *fakeClock) {
				t.Helper()
				installed(t, p, clock)
				p.ask(t, caSecret)
				p.ask(t, keySecret)
				p.ask(t, servingSecret)
			},
			run: long(run{scope: reconcile}), writes: 18,
		},
	}
}

// testKills kills certgen after each of its writes in turn: what is stored then must serve every caller, and the next run must converge.
func (l *lab) testKills(t *testing.T) {
	for name, s := range scenarios() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for n := 1; n <= maxKills; n++ {
				if !l.killAfter(t, &s, n) {
					if n <= s.writes {
						t.Errorf("the run was over after %d writes, want %d at least", n-1, s.writes)
					}
					return
				}
			}
			t.Errorf("no end after %d writes", maxKills)
		})
	}
}

// killAfter plays a scenario with a kill after the n-th write. It tells whether there were as many.
func (l *lab) killAfter(t *testing.T, s *scenario, n int) bool {
	t.Helper()
	p, clock := l.newPlace(t), newFakeClock()
	s.prepare(t, p, clock)
	follow := p.follow(t) // nginx and review servers, which lag behind by one look

	k := &killer{left: n}
	r := s.run
	r.clock = &followingClock{fakeClock: clock, follow: follow}
	r.config = k.wrap(p.as)
	if r.scope.Create {
		r.config = k.wrap(p.asHook)
	}
	_, err := p.converge(t.Context(), t, r)
	if k.killed != (err != nil) || (err != nil && !errors.Is(err, errKilled)) {
		t.Fatalf("kill after write %d (%s): killed %t, error %v", n, k.last, k.killed, err)
	}
	where := fmt.Sprintf("after write %d, %s", n, k.last)
	p.checkServed(t, clock, where)

	r.config = nil
	if _, err = p.converge(t.Context(), t, r); err != nil {
		t.Fatalf("the run %s: %v", where, err)
	}
	follow()
	p.checkServed(t, clock, where+", resumed")
	if s.check != nil {
		s.check(t, p, clock)
	}
	again, err := p.converge(t.Context(), t, r)
	if err != nil || len(again.Did) != 0 || again.Pending != nil {
		t.Errorf("a further run %s: %d writes, pending %v, %v; want nothing to do", where, len(again.Did), again.Pending, err)
	}
	p.checkIdle(t, where)
	return k.killed
}

// follow gives what lets the servers read the Secrets as kubelets do: what they read last time is what they present now.
func (p *place) follow(t *testing.T) func() {
	t.Helper()
	return func() {
		_ = p.front.syncKeys(context.WithoutCancel(t.Context())) // not there yet, before an install
		for _, s := range p.front.servers {
			_ = p.front.sync(context.WithoutCancel(t.Context()), s)
		}
	}
}

// followingClock lets the servers catch up whenever time passes, as they do.
type followingClock struct {
	*fakeClock
	follow func()
}

func (c *followingClock) Wait(ctx context.Context, d time.Duration) error {
	c.follow()
	return c.fakeClock.Wait(ctx, d)
}

// checkServed checks that the API server could ask every server through every configuration: each certificate that a server presents, has
// read, or could read now verifies under every caBundle, and the review servers accept the credential of every path.
func (p *place) checkServed(t *testing.T, clock *fakeClock, where string) {
	t.Helper()
	pairs := p.front.pairs()
	secret, err := p.Client.CoreV1().Secrets(p.namespace).Get(t.Context(), servingSecret, metav1.GetOptions{})
	if err == nil {
		pair, err := tls.X509KeyPair(secret.Data["tls.crt"], secret.Data["tls.key"])
		must(t, err)
		pairs = append(pairs, &pair)
	}
	for _, name := range []string{p.managed, p.byHand} {
		c, err := p.Client.AdmissionregistrationV1().ValidatingWebhookConfigurations().Get(t.Context(), name, metav1.GetOptions{})
		if err != nil || len(c.Webhooks[0].ClientConfig.CABundle) == 0 { // not made or not patched yet
			continue
		}
		for _, pair := range pairs {
			if err := p.verify(pair, c.Webhooks[0].ClientConfig.CABundle, clock.Now()); err != nil {
				t.Errorf("%s: configuration %s: %v", where, name, err)
			}
		}
		// The one made by hand has the credential of before, which no rotation changes.
		if path := c.Webhooks[0].ClientConfig.Service.Path; name == p.managed && path != nil && len(p.front.keys) > 0 && !p.front.accepts(*path) {
			t.Errorf("%s: configuration %s: no server accepts the credential of its path", where, name)
		}
	}
}

// pairs are the certificates that the servers present now or from the next handshake on.
func (f *front) pairs() []*tls.Certificate {
	var pairs []*tls.Certificate
	for _, s := range f.servers {
		s.mu.Lock()
		for _, pair := range []*tls.Certificate{s.have, s.next} {
			if pair != nil {
				pairs = append(pairs, pair)
			}
		}
		s.mu.Unlock()
	}
	return pairs
}

// verify verifies a chain as the API server's TLS client does.
func (p *place) verify(pair *tls.Certificate, bundle []byte, now time.Time) error {
	roots, intermediates := x509.NewCertPool(), x509.NewCertPool()
	roots.AppendCertsFromPEM(bundle)
	for _, der := range pair.Certificate[1:] {
		c, err := x509.ParseCertificate(der)
		if err != nil {
			return err
		}
		intermediates.AddCert(c)
	}
	_, err := pair.Leaf.Verify(x509.VerifyOptions{
		DNSName: frontService + "." + p.namespace + ".svc", Roots: roots, Intermediates: intermediates, CurrentTime: now,
	})
	return err
}

// checkIdle checks that nothing of a rotation is left.
func (p *place) checkIdle(t *testing.T, where string) {
	t.Helper()
	var secrets []*corev1.Secret
	for _, name := range []string{caSecret, servingSecret, keySecret} {
		secrets = append(secrets, p.secret(t, name))
	}
	for _, s := range secrets {
		if s.Annotations[state.AnnotationPhase] != "" || s.Annotations[state.AnnotationRotate] != "" {
			t.Errorf("%s: Secret %s: annotations %v", where, s.Name, s.Annotations)
		}
		for name := range s.Data {
			if strings.HasPrefix(name, "next") || name == "previous" || name == "previous.crt" {
				t.Errorf("%s: Secret %s still has %s", where, s.Name, name)
			}
		}
	}
	bundle, err := webhook.ParseBundle(p.clientConfig(t, p.managed).CABundle)
	must(t, err)
	ca, err := state.ReadCA(secrets[0])
	must(t, err)
	if !slices.EqualFunc(bundle, []*x509.Certificate{ca.Current.Certificate}, (*x509.Certificate).Equal) {
		t.Errorf("%s: the caBundle of the chart's configuration holds %d certificates, want the CA alone", where, len(bundle))
	}
	if path := p.clientConfig(t, p.managed).Service.Path; path == nil || *path != webhook.ReviewPath("2", string(secrets[2].Data["key"])) {
		t.Errorf("%s: the path of the chart's configuration is not that of policy and key", where)
	}
}
