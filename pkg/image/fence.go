package image

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"time"
)

// Fence connects to other servers than registries by the rules that hold for those (docs/adr/0005-addresses-of-registries.md): to
// public addresses and to what a setting allows, never to link-local addresses and clouds' metadata services. It is safe for
// concurrent use.
type Fence struct {
	networks *networks
	dialer   dialer
}

// NewFence makes a fence. allow has the form of Options.AllowNetworks; setting is what users know it by, for errors.
func NewFence(setting string, allow []string) (*Fence, error) {
	allowed, err := parseNetworks(setting, allow)
	if err != nil {
		return nil, err
	}
	return &Fence{networks: allowed, dialer: dialer{allowed, net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second}}}, nil
}

// DialContext connects where it may. What a name resolved to is judged when the connection is made.
func (f *Fence) DialContext(ctx context.Context, network, hostPort string) (net.Conn, error) {
	return f.dialer.DialContext(ctx, network, hostPort)
}

// TLSConfig gives a configuration that believes the authorities of PEM files beside the system's.
func (f *Fence) TLSConfig(caFiles []string) (*tls.Config, error) {
	roots, err := readRootFiles("caFile", caFiles)
	if err != nil {
		return nil, err
	}
	return roots.config(), nil
}

// Transport gives a transport that follows the fence's rules. Through a proxy of the environment the proxy resolves names, and is
// the one to hold them; addresses in URLs are judged even then.
func (f *Fence) Transport(caFiles []string) (http.RoundTripper, error) {
	trust, err := f.TLSConfig(caFiles)
	if err != nil {
		return nil, fmt.Errorf("transport: %w", err)
	}
	return &fenced{f.networks, newNetwork(f.networks, nil, trust)}, nil
}

type fenced struct {
	networks *networks
	inner    http.RoundTripper
}

// RoundTrip implements http.RoundTripper.
func (t *fenced) RoundTrip(req *http.Request) (*http.Response, error) {
	err := t.networks.permitLiteral(req.URL)
	if addr, parsed := netip.ParseAddr(req.URL.Hostname()); parsed == nil && isReserved(addr) {
		err = reserved(addr)
	}
	if err != nil {
		if req.Body != nil {
			_ = req.Body.Close() // as the interface wants it
		}
		return nil, err
	}
	return t.inner.RoundTrip(req)
}
