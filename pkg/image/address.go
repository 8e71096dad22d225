package image

import (
	"context"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"syscall"
)

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
	if addr, err := netip.ParseAddr(host); err == nil && isReserved(addr) {
		return reserved(addr)
	}
	asked, known := req.Context().Value(registryKey{}).(string)
	if known && isLocal(host) && !isLocal(hostname(asked)) {
		return &forbidden{text: "it leads to the local address " + req.URL.Host}
	}
	if req.URL.Scheme != "https" && !isLoopback(host) && !g.plain[strings.ToLower(req.URL.Host)] {
		return &forbidden{text: fmt.Sprintf("%s is %s", req.URL.Host, plainHint), plain: true}
	}
	return nil
}

// refuseReserved is a net.Dialer's Control: it sees what a name was resolved to, at the last moment, when DNS can no longer
// answer otherwise.
func refuseReserved(_, address string, _ syscall.RawConn) error {
	to, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("address %q cannot be read: %w", address, err)
	}
	if isReserved(to.Addr()) {
		return reserved(to.Addr())
	}
	return nil
}

func reserved(addr netip.Addr) error {
	return &forbidden{text: fmt.Sprintf("%s is a link-local address or one of a cloud's metadata service, where no registry is", addr)}
}

// isReserved tells the addresses of the link, where most clouds serve a machine its credentials, and those of the clouds that
// chose others: Amazon and Google for IPv6, Alibaba, Azure and Oracle.
func isReserved(addr netip.Addr) bool {
	addr = addr.Unmap().WithZone("")
	if nat64 := netip.MustParsePrefix("64:ff9b::/96"); nat64.Contains(addr) { // RFC 6052: IPv4 behind a translator
		all := addr.As16()
		addr = netip.AddrFrom4([4]byte(all[12:]))
	}
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
