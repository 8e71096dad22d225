package image

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

const maxRedirects = 5

// network is the default transport. What a registry's name resolves to is looked at only where we resolve it ourselves: a proxy
// does so for its clients, and may itself be at an address that no registry may have.
type network struct{ direct, proxied *http.Transport }

func newNetwork(allowed *networks, resolver *net.Resolver, trust *tls.Config) *network {
	plain := net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second, Resolver: resolver}
	guarded := &dialer{networks: allowed, net: plain}
	n := &network{direct: newTransport(guarded.DialContext, nil), proxied: newTransport(plain.DialContext, http.ProxyFromEnvironment)}
	n.direct.TLSClientConfig, n.proxied.TLSClientConfig = trust.Clone(), trust.Clone()
	return n
}

// RoundTrip implements http.RoundTripper.
func (n *network) RoundTrip(req *http.Request) (*http.Response, error) {
	if proxy, err := http.ProxyFromEnvironment(req); err != nil || proxy != nil {
		return n.proxied.RoundTrip(req)
	}
	return n.direct.RoundTrip(req)
}

// newTransport decompresses nothing by itself: a digest is that of the bytes as stored.
func newTransport(dial func(ctx context.Context, network, hostPort string) (net.Conn, error), proxy func(*http.Request) (*url.URL, error)) *http.Transport {
	return &http.Transport{
		Proxy:               proxy,
		DialContext:         dial,
		ForceAttemptHTTP2:   true,
		MaxIdleConns:        100,
		MaxIdleConnsPerHost: 16,
		IdleConnTimeout:     90 * time.Second,
		TLSHandshakeTimeout: 10 * time.Second,
		ReadBufferSize:      64 << 10,
		DisableCompression:  true,

		MaxResponseHeaderBytes: 256 << 10,
	}
}

// guard is the transport beneath go-containerregistry's login, which every request passes: the first contact, that for a token,
// that for a blob elsewhere. It makes only those that are permitted. It gives every request a time to be answered in and every body
// a least speed, and turns the answers that ask to wait into *throttled, so that all callers see the time they ask for.
type guard struct {
	inner         http.RoundTripper
	networks      *networks
	tokenHosts    map[string]bool // pairs of registry=host beside those that need no naming
	limits        *limits
	plain         map[string]bool // hosts that may be asked without TLS
	userAgent     string
	headerTimeout time.Duration
	stallWindow   time.Duration
	minRate       int64
	now           func() time.Time
}

// throttled is a 429 or 503.
type throttled struct {
	status int
	after  time.Duration // 0: the registry did not say
}

func (t *throttled) Error() string {
	return fmt.Sprintf("%d %s", t.status, http.StatusText(t.status))
}

// slow is a registry that keeps us waiting.
type slow struct{ text string }

func (s *slow) Error() string { return s.text }

// broken is a connection that could not be made or was cut. It tells such errors from http.ErrSchemeMismatch, which is but a
// step in finding out whether a loopback registry speaks TLS.
type broken struct{ err error }

func (b *broken) Error() string { return b.err.Error() }

func (b *broken) Unwrap() error { return b.err }

// RoundTrip implements http.RoundTripper.
func (g *guard) RoundTrip(in *http.Request) (*http.Response, error) {
	if err := errors.Join(g.permit(in), g.permitCredentials(in)); err != nil {
		closeBody(in)
		return nil, err
	}
	release, err := g.limits.enter(in.Context(), in)
	if err != nil {
		closeBody(in)
		return nil, err
	}
	resp, err := g.send(in, release)
	if err != nil {
		release()
	}
	return resp, err
}

func closeBody(req *http.Request) {
	if req.Body != nil {
		_ = req.Body.Close()
	}
}

// send makes a request that has its turn; release is called when the answer's body is closed.
func (g *guard) send(in *http.Request, release func()) (*http.Response, error) {
	ctx, cancel := context.WithCancelCause(in.Context())
	req := in.Clone(ctx)
	req.Header.Set("User-Agent", g.userAgent)
	late := &slow{fmt.Sprintf("no answer within %s", g.headerTimeout)}
	timer := time.AfterFunc(g.headerTimeout, func() { cancel(late) })
	resp, err := g.inner.RoundTrip(req)
	timer.Stop()
	if err != nil {
		defer cancel(nil)
		if context.Cause(ctx) == error(late) { //nolint:errorlint // the very value that cancelled
			return nil, late
		}
		if errors.Is(err, http.ErrSchemeMismatch) {
			return nil, err
		}
		return nil, &broken{err}
	}
	if resp.StatusCode == http.StatusTooManyRequests || resp.StatusCode == http.StatusServiceUnavailable {
		_, _ = io.CopyN(io.Discard, resp.Body, 64<<10)
		_ = resp.Body.Close()
		cancel(nil)
		wait := retryAfter(resp.Header.Get("Retry-After"), g.now())
		if resp.StatusCode == http.StatusTooManyRequests {
			g.limits.pause(in.URL.Host, wait)
		}
		return nil, &throttled{resp.StatusCode, wait}
	}
	resp.Body = newPacedBody(resp.Body, g.minRate, g.stallWindow, func(cause error) {
		cancel(cause)
		release()
	})
	return resp, nil
}

// retryAfter reads a Retry-After header, seconds or a date (RFC 9110, section 10.2.3).
func retryAfter(header string, now time.Time) time.Duration {
	if seconds, err := strconv.ParseUint(header, 10, 31); err == nil {
		return time.Duration(seconds) * time.Second
	}
	if at, err := http.ParseTime(header); err == nil && at.After(now) {
		return at.Sub(now)
	}
	return 0
}

// checkRedirect follows a registry to its blob store, but not from a public name into the network that we run in, nor from
// TLS to plain HTTP. What comes back must match a digest anyway; this is about requests that should not be made at all.
func checkRedirect(req *http.Request, via []*http.Request) error {
	if len(via) >= maxRedirects {
		return fmt.Errorf("redirected more than %d times", maxRedirects)
	}
	first := via[0].URL
	if first.Scheme == "https" && req.URL.Scheme != "https" {
		return fmt.Errorf("redirected from https to %s://%s", req.URL.Scheme, req.URL.Host)
	}
	if isLocal(req.URL.Hostname()) && !isLocal(first.Hostname()) {
		return fmt.Errorf("redirected to the local address %s", req.URL.Host)
	}
	return nil
}
