//go:build certgen

package certgen_test

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log" //nolint:depguard // net/http's error log is one of package log
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	admission "k8s.io/api/admission/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/runecast/runecast/pkg/webhook"
)

// front stands for the nginx pods and the review servers behind them.
type front struct {
	place   *place
	servers []*nginx
	reviews atomic.Int64           // that were answered
	bearer  atomic.Bool            // whether the plain path is answered, as to an API server that sends a token
	path    atomic.Pointer[string] // of the last review

	mu   sync.Mutex
	keys []string // that the review servers accept
}

// nginx is one server that presents the certificate that it read last.
type nginx struct {
	listener net.Listener
	address  string // under which the EndpointSlice has it

	mu   sync.Mutex
	have *tls.Certificate
	next *tls.Certificate // read already, presented from the second handshake on
}

// newFront starts n servers and what forwards to them from the Service's address.
func newFront(t *testing.T, p *place, n int) *front {
	t.Helper()
	f := &front{place: p}
	var addresses []string
	for i := range n {
		s := &nginx{listener: listen(t, "127.0.0.1:0"), address: fmt.Sprintf("10.99.0.%d", i+1)}
		f.servers, addresses = append(f.servers, s), append(addresses, s.address)
		server := &http.Server{
			Handler:           http.HandlerFunc(f.review),
			TLSConfig:         &tls.Config{GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return s.certificate() }},
			ReadHeaderTimeout: 10 * time.Second, ErrorLog: log.New(io.Discard, "", 0),
		}
		go func() { _ = server.ServeTLS(s.listener, "", "") }()
		t.Cleanup(func() { _ = server.Close() })
	}
	_, err := p.Client.DiscoveryV1().EndpointSlices(p.namespace).Create(t.Context(), p.endpointSlice(addresses), metav1.CreateOptions{})
	must(t, err)
	go f.forward(listen(t, net.JoinHostPort(p.clusterIP, "9080")))
	return f
}

// forward takes every connection to one of the servers, as kube-proxy does.
func (f *front) forward(l net.Listener) {
	for {
		in, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			defer in.Close()
			out, err := net.Dial("tcp", f.servers[rand.IntN(len(f.servers))].listener.Addr().String()) //nolint:noctx // loopback, in a test
			if err != nil {
				return
			}
			defer out.Close()
			go func() {
				_, _ = io.Copy(out, in)
				_ = out.Close()
			}()
			_, _ = io.Copy(in, out)
		}()
	}
}

// dial reaches the servers under the addresses of the EndpointSlice.
func (f *front) dial(ctx context.Context, network, address string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil || port != "9443" {
		return nil, fmt.Errorf("no endpoint has the address %s", address)
	}
	for _, s := range f.servers {
		if s.address == host {
			return (&net.Dialer{}).DialContext(ctx, network, s.listener.Addr().String())
		}
	}
	return nil, fmt.Errorf("no endpoint that is ready has the address %s", address)
}

func (s *nginx) certificate() (*tls.Certificate, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	have := s.have
	s.have = s.next
	if have == nil {
		if s.have == nil {
			return nil, errors.New("no certificate was read yet")
		}
		have = s.have
	}
	return have, nil
}

func (s *nginx) load(cert, key []byte) error {
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.next = &pair
	return nil
}

// sync lets one server read the serving Secret, as its kubelet and nginx do.
func (f *front) sync(ctx context.Context, s *nginx) error {
	secret, err := f.place.Client.CoreV1().Secrets(f.place.namespace).Get(ctx, servingSecret, metav1.GetOptions{})
	if err != nil {
		return err
	}
	return s.load(secret.Data["tls.crt"], secret.Data["tls.key"])
}

// syncKeys lets the review servers read the key Secret.
func (f *front) syncKeys(ctx context.Context) error {
	secret, err := f.place.Client.CoreV1().Secrets(f.place.namespace).Get(ctx, keySecret, metav1.GetOptions{})
	if err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.keys = nil
	for name, key := range secret.Data {
		if name == "key" || name == "previous" {
			f.keys = append(f.keys, string(key))
		}
	}
	return nil
}

// keepInSync lets all read the Secrets again and again, each with a lag of its own, until the test is over. It returns when all have
// read them once.
func (f *front) keepInSync(t *testing.T) {
	t.Helper()
	must(t, f.syncKeys(t.Context()))
	for _, s := range f.servers {
		must(t, f.sync(t.Context(), s))
	}
	again := func(lag time.Duration, sync func(context.Context) error) {
		for {
			select {
			case <-t.Context().Done():
				return
			case <-time.After(lag):
				_ = sync(t.Context()) // what cannot be read stays as it was, as with a kubelet
			}
		}
	}
	for i, s := range f.servers {
		go again(time.Duration(i+1)*300*time.Millisecond, func(ctx context.Context) error { return f.sync(ctx, s) })
	}
	go again(200*time.Millisecond, f.syncKeys)
}

// review answers as the review server does, and closes the connection now and then so that there are new handshakes.
func (f *front) review(w http.ResponseWriter, r *http.Request) {
	if rand.IntN(4) == 0 {
		w.Header().Set("Connection", "close")
	}
	body, err := io.ReadAll(r.Body)
	var in admission.AdmissionReview
	if err == nil {
		err = json.Unmarshal(body, &in)
	}
	if err != nil || in.Request == nil {
		http.Error(w, "no AdmissionReview", http.StatusBadRequest)
		return
	}
	if !f.accepts(r.URL.Path) {
		http.Error(w, "no such key", http.StatusUnauthorized)
		return
	}
	f.reviews.Add(1)
	f.path.Store(&r.URL.Path)
	in.Response = &admission.AdmissionResponse{UID: in.Request.UID, Allowed: true}
	in.Request = nil
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(in) //nolint:errchkjson // the caller is gone: nobody is left to be told
}

func (f *front) accepts(path string) bool {
	if path == webhook.ReviewPath("2", "") && f.bearer.Load() {
		return true
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, key := range f.keys {
		if strings.HasPrefix(path, webhook.ReviewPath("2", key)) {
			return true
		}
	}
	return false
}

// awaitPath waits until the API server asks under a path.
func (p *place) awaitPath(t *testing.T, path string) {
	t.Helper()
	eventually(t, 30*time.Second, func() error {
		if last := p.front.path.Load(); last == nil || *last != path {
			return errors.New("the API server asks under another path")
		}
		return nil
	})
}
