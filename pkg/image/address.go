package image

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
)

// allowRegistries is the setting that Options.AllowNetworks comes from.
const allowRegistries = "registryAllowNetworks"

// plainHint tells how a registry without TLS comes to be asked.
const plainHint = "asked without TLS only if the server's setting registryPlainHttp names it"

// forbidden is a request that is not made, because of where it would go.
type forbidden struct {
	text  string
	plain bool // for want of TLS alone
}

func (f *forbidden) Error() string { return f.text }

// registryKey is the context's key of the registry on whose behalf a request is made, the first contact and the token included.
type registryKey struct{}

func withRegistry(ctx context.Context, host string) context.Context {
	return context.WithValue(ctx, registryKey{}, host)
}

// permit decides where requests may go at all: whoever may name an image chooses the first address, and whoever answers there
// the next ones, by redirects and by naming a server for tokens. Credentials must not travel in the clear, and neither the
// services of the cloud that we run in nor those of our own host are anybody's registry.
func (g *guard) permit(req *http.Request) error {
	host := req.URL.Hostname()
	addr, err := netip.ParseAddr(host)
	if err == nil && isReserved(addr) {
		return reserved(addr)
	}
	asked, known := req.Context().Value(registryKey{}).(string)
	if known && isLocal(host) && !isLocal(hostname(asked)) {
		return &forbidden{text: "it leads to the local address " + req.URL.Host}
	}
	if err := g.networks.permitLiteral(req.URL); err != nil {
		return err
	}
	if req.URL.Scheme != "https" && !isLoopback(host) && !g.plain[strings.ToLower(req.URL.Host)] {
		return &forbidden{text: fmt.Sprintf("%s is %s", req.URL.Host, plainHint), plain: true}
	}
	return nil
}

// hostWithPort adds the scheme's port where none is stated.
func hostWithPort(to *url.URL) string {
	port := to.Port()
	switch {
	case port == "" && to.Scheme == "http":
		port = "80"
	case port == "":
		port = "443"
	}
	return net.JoinHostPort(strings.TrimSuffix(strings.ToLower(to.Hostname()), "."), port)
}

// permitLiteral judges what is not left to DNS, because a proxy would connect to it for us.
func (n *networks) permitLiteral(to *url.URL) error {
	host, hostPort := to.Hostname(), hostWithPort(to)
	if addr, err := netip.ParseAddr(host); err == nil {
		return n.check(hostPort, addr)
	}
	if isLoopback(host) {
		if err := n.check(hostPort, netip.IPv6Loopback()); err != nil {
			return n.check(hostPort, netip.AddrFrom4([4]byte{127, 0, 0, 1}))
		}
		return nil
	}
	if !isHostName(host) {
		return &forbidden{text: to.Host + " is no name of a host"}
	}
	return nil
}

func reserved(addr netip.Addr) error {
	return &forbidden{text: fmt.Sprintf("%s is a link-local address or one of a cloud's metadata service, where no registry is", addr)}
}

// isReserved tells the addresses of the link, where most clouds serve a machine its credentials, and those of the clouds that
// chose others: Amazon and Google for IPv6, Alibaba, Azure and Oracle.
func isReserved(addr netip.Addr) bool {
	addr = embedded(addr)
	return addr.IsLinkLocalUnicast() || addr.IsLinkLocalMulticast() || slices.Contains([]string{
		"fd00:ec2::254", "fd20:ce::254", "100.100.100.200", "168.63.129.16", "192.0.0.192",
	}, addr.String())
}

// isLoopback tells whether a host is this one by its very name or address (RFC 6761, section 6.3).
func isLoopback(host string) bool {
	host = strings.TrimSuffix(strings.ToLower(host), ".")
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.Unmap().IsLoopback()
}

// isLocal is isLoopback with the unspecified address, which systems take for loopback, and the link.
func isLocal(host string) bool {
	if isLoopback(host) {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && (addr.Unmap().IsUnspecified() || isReserved(addr))
}

// hostname takes the port off.
func hostname(hostPort string) string { return (&url.URL{Host: hostPort}).Hostname() }
