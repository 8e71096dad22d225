//go:build certgen

package certgen_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/runecast/runecast/certgen/pki"
	"github.com/runecast/runecast/certgen/plan"
	"github.com/runecast/runecast/certgen/state"
	"github.com/runecast/runecast/pkg/webhook"
)

// quick makes the waits of a rotation short, but longer than any lag of the servers and of the API server's informers, also where other
// suites keep the machine busy.
func quick(o *plan.Options) {
	o.PropagationWait, o.KeyWait, o.ContractAfter = 8*time.Second, 8*time.Second, 8*time.Second
}

// load creates objects through the API server until it is stopped.
type load struct {
	calls  atomic.Int64
	failed atomic.Int64
	first  atomic.Pointer[string] // what the first failure said
	stop   func()
}

func (p *place) startLoad(t *testing.T, workers int) *load {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	l := &load{}
	var running sync.WaitGroup
	for range workers {
		running.Go(func() {
			for ctx.Err() == nil {
				err := p.create(context.WithoutCancel(ctx)) // a call that has begun is let finish
				l.calls.Add(1)
				if err != nil {
					l.failed.Add(1)
					l.first.CompareAndSwap(nil, new(err.Error()))
				}
			}
		})
	}
	l.stop = func() { cancel(); running.Wait() }
	t.Cleanup(l.stop)
	return l
}

// check wants calls, and not one of them failed.
func (l *load) check(t *testing.T) {
	t.Helper()
	l.stop()
	if l.failed.Load() != 0 {
		t.Errorf("%d of %d calls failed, the first: %s", l.failed.Load(), l.calls.Load(), *l.first.Load())
	}
	if l.calls.Load() < 50 {
		t.Errorf("only %d calls were made, which shows little", l.calls.Load())
	}
	t.Logf("%d of %d calls failed", l.failed.Load(), l.calls.Load())
}

// testRotationUnderLoad rotates CA, review key and private key at once while the API server asks all the time through two configurations,
// one of which was made by hand. No call may be lost.
func (l *lab) testRotationUnderLoad(t *testing.T) {
	p := l.newPlace(t)
	_, err := p.converge(t.Context(), t, run{scope: issue})
	must(t, err)
	p.front.keepInSync(t)
	p.configure(t)
	_, err = p.converge(t.Context(), t, run{scope: patch})
	must(t, err)
	p.awaitCreate(t)
	// A bundle and a client of before: what an operator may have copied to anywhere.
	bundle := p.secret(t, servingSecret).Data["tls.crt"]
	before := p.clientConfig(t, p.managed)
	beforeKey := state.ReadServing(p.secret(t, servingSecret)).Key

	load := p.startLoad(t, 8)
	p.ask(t, caSecret)
	p.ask(t, keySecret)
	result, err := p.converge(t.Context(), t, run{scope: reconcile, change: quick, timeout: 2 * time.Minute})
	must(t, err)
	if result.Pending != nil {
		t.Errorf("the rotation was left at %q", result.Pending.What)
	}
	// The API server has the new CA alone now; calls go on, over new connections too.
	calls := load.calls.Load()
	eventually(t, time.Minute, func() error {
		if load.calls.Load() < calls+50 {
			return errors.New("no calls after the rotation")
		}
		return nil
	})
	load.check(t)

	after := p.clientConfig(t, p.managed)
	if bytes.Equal(after.CABundle, before.CABundle) || *after.Service.Path == *before.Service.Path {
		t.Error("caBundle or path is that of before")
	}
	if key, ok := state.ReadServing(p.secret(t, servingSecret)).Key.Public().(interface{ Equal(crypto any) bool }); ok && !key.Equal(beforeKey.Public()) {
		t.Error("the rotation changed the private key")
	}
	p.checkOldClient(t, bundle)
}

// checkOldClient connects as a client that was given a bundle before the rotation.
func (p *place) checkOldClient(t *testing.T, bundle []byte) {
	t.Helper()
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(bundle)
	for _, s := range p.front.servers {
		conn, err := (&tls.Dialer{Config: &tls.Config{RootCAs: roots, ServerName: frontService + "." + p.namespace + ".svc"}}).DialContext(t.Context(), "tcp", s.listener.Addr().String())
		if err != nil {
			t.Errorf("a client with the bundle of before the rotation: %v", err)
			continue
		}
		_ = conn.Close()
	}
	file := filepath.Join(t.TempDir(), "old.pem")
	must(t, os.WriteFile(file, bundle, 0o600))
	openssl, err := exec.LookPath("openssl")
	if err != nil {
		t.Log("there is no openssl: its way of building chains was not tested")
		return
	}
	for _, s := range p.front.servers {
		cmd := exec.CommandContext(t.Context(), openssl, "s_client", "-connect", s.listener.Addr().String(), "-CAfile", file, "-verify_return_error",
			"-no-CApath", "-no-CAstore", "-verify_hostname", frontService+"."+p.namespace+".svc")
		cmd.Stdin = strings.NewReader("")
		if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "Verify return code: 0 (ok)") {
			t.Errorf("openssl with the bundle of before the rotation: %v\n%s", err, out)
		}
	}
}

// testLeafFirst shows that the load test can fail: with the next CA's leaf served before the bundles have the CA, calls are lost.
func (l *lab) testLeafFirst(t *testing.T) {
	p := l.newPlace(t)
	_, err := p.converge(t.Context(), t, run{scope: issue})
	must(t, err)
	p.front.keepInSync(t)
	p.configure(t)
	_, err = p.converge(t.Context(), t, run{scope: patch})
	must(t, err)
	p.awaitCreate(t)
	load := p.startLoad(t, 4)
	other := l.newPlace(t)
	_, err = other.converge(t.Context(), t, run{scope: issue, change: func(o *plan.Options) {
		names, failure := pki.NewNames(p.namespace, "", []string{frontService}, nil, nil)
		must(t, failure)
		o.Leaf.Names = names
	}})
	must(t, err)
	foreign, own := other.secret(t, servingSecret), p.secret(t, servingSecret)
	own.Data = foreign.Data
	p.update(t, own)
	eventually(t, time.Minute, func() error {
		if load.failed.Load() == 0 {
			return errors.New("no call failed although the certificate is of another CA")
		}
		return nil
	})
	load.stop()
}

// testSlowEndpoint holds a rotation in phase switch as long as one endpoint presents the certificate of before.
func (l *lab) testSlowEndpoint(t *testing.T) {
	p, clock := l.newPlace(t), newFakeClock()
	installed(t, p, clock)
	p.ask(t, caSecret)
	r := run{scope: reconcile, clock: clock, timeout: 40 * time.Second}
	result, err := p.converge(t.Context(), t, r)
	if err != nil || result.Pending == nil || !result.Pending.Poll {
		t.Errorf("with endpoints that are behind for a few seconds: pending %+v, error %v", result.Pending, err)
	}
	must(t, clock.Wait(t.Context(), time.Hour))
	r.timeout = 5 * time.Second
	if result, err = p.converge(t.Context(), t, r); err == nil || !strings.Contains(err.Error(), "more than an hour") || result.Pending == nil || !result.Pending.Poll {
		t.Errorf("with endpoints that are behind for an hour: pending %+v, error %v", result.Pending, err)
	}
	must(t, p.front.sync(t.Context(), p.front.servers[0]))
	if result, err = p.converge(t.Context(), t, r); err == nil || result.Pending == nil || !strings.HasPrefix(result.Pending.Why, "1 of 2 ready endpoints") {
		t.Errorf("with one endpoint that is behind: pending %+v, error %v", result.Pending, err)
	}
	if bundle, failure := webhook.ParseBundle(p.clientConfig(t, p.managed).CABundle); failure != nil || len(bundle) != 2 {
		t.Errorf("the caBundle holds %d certificates, %v; want old and new", len(bundle), failure)
	}
	must(t, p.front.sync(t.Context(), p.front.servers[1]))
	if result, err = p.converge(t.Context(), t, r); err != nil || result.Pending == nil || result.Pending.Poll {
		t.Errorf("with all endpoints up to date: pending %+v, error %v", result.Pending, err)
	}
	runner, err := p.runner(run{scope: patch, clock: clock})
	must(t, err)
	must(t, runner.AwaitEndpoints(t.Context()))
}

// testHelmUpgradeInRotation takes the caBundle away while both CAs are being put into it, as helm does when a webhook gets another name:
// the time that API servers are given begins again.
func (l *lab) testHelmUpgradeInRotation(t *testing.T) {
	p, clock := l.newPlace(t), newFakeClock()
	installed(t, p, clock)
	p.ask(t, caSecret)
	r := run{scope: reconcile, clock: clock, timeout: time.Second} // no time for the wait
	result, err := p.converge(t.Context(), t, r)
	if err != nil || result.Pending == nil {
		t.Fatalf("pending %+v, error %v", result.Pending, err)
	}
	expanded := result.Pending.Until
	must(t, clock.Wait(t.Context(), 29*time.Second))
	p.clearBundle(t)
	if result, err = p.converge(t.Context(), t, r); err != nil || result.Pending == nil || !result.Pending.Until.After(expanded) {
		t.Errorf("after the bundle was lost: pending %+v, error %v; want a wait beyond %s", result.Pending, err, expanded)
	}
	if bundle, err := webhook.ParseBundle(p.clientConfig(t, p.managed).CABundle); err != nil || len(bundle) != 2 {
		t.Errorf("the caBundle holds %d certificates, %v; want old and new", len(bundle), err)
	}
}

// testRotateRequest begins a rotation when the chart's value changes, once, and never at an install.
func (l *lab) testRotateRequest(t *testing.T) {
	p, clock := l.newPlace(t), newFakeClock()
	request := func(text string) run {
		return long(run{scope: reconcile, clock: &followingClock{fakeClock: clock, follow: p.follow(t)}, change: func(o *plan.Options) { o.RotateRequest = text }})
	}
	first := request("first")
	first.scope, first.clock = issue, clock
	_, err := p.converge(t.Context(), t, first)
	must(t, err)
	p.syncAll(t)
	for i, step := range []struct {
		request string
		rotates bool
	}{{"first", false}, {"second", true}, {"second", false}, {"", false}, {"third", true}} {
		before := p.secret(t, caSecret).Data["tls.crt"]
		_, failure := p.converge(t.Context(), t, request(step.request))
		must(t, failure)
		if rotated := !bytes.Equal(p.secret(t, caSecret).Data["tls.crt"], before); rotated != step.rotates {
			t.Errorf("run %d with the request %q: rotated %t", i, step.request, rotated)
		}
	}
	// By itself, when two thirds of the CA's life are over. It is not long before the leaf is renewed, many times.
	must(t, clock.Wait(t.Context(), 2434*24*time.Hour))
	before := p.secret(t, caSecret).Data["tls.crt"]
	result, err := p.converge(t.Context(), t, request("third"))
	must(t, err)
	if bytes.Equal(p.secret(t, caSecret).Data["tls.crt"], before) {
		t.Errorf("the CA was not rotated at two thirds of its life: %+v", result.Pending)
	}
}
