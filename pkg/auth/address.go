package auth

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// Proxies are the networks of the proxies that are believed when they tell whose request they pass on.
type Proxies []netip.Prefix

// ParseProxies reads networks, such as 10.0.0.0/8, and single addresses.
func ParseProxies(list []string) (Proxies, error) {
	var proxies Proxies
	for _, text := range list {
		text = strings.TrimSpace(text)
		if address, err := netip.ParseAddr(text); err == nil && address.Zone() == "" {
			address = address.Unmap()
			proxies = append(proxies, netip.PrefixFrom(address, address.BitLen()))
			continue
		}
		prefix, err := netip.ParsePrefix(text)
		if err != nil {
			return nil, fmt.Errorf("%q is neither a network such as 10.0.0.0/8 nor an address", text)
		}
		proxies = append(proxies, prefix.Masked())
	}
	return proxies, nil
}

func (p Proxies) contain(address netip.Addr) bool {
	for _, prefix := range p {
		if prefix.Contains(address) {
			return true
		}
	}
	return false
}

// Address is where a request comes from: the peer of its connection, or, where that is one of the proxies, the last address of
// X-Forwarded-For that is none of them. Each proxy appends whom it talks to, so what stands further left may be a client's invention.
func (p Proxies) Address(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		host = r.RemoteAddr
	}
	peer, err := netip.ParseAddr(host)
	if err != nil {
		return host
	}
	peer = peer.Unmap().WithZone("")
	told := strings.Join(r.Header.Values("X-Forwarded-For"), ",")
	for p.contain(peer) && told != "" {
		cut := strings.LastIndexByte(told, ',')
		next, err := netip.ParseAddr(strings.TrimSpace(told[cut+1:]))
		if err != nil {
			break // the proxy does not tell: it is all that is known
		}
		peer, told = next.Unmap().WithZone(""), told[:max(cut, 0)]
	}
	return peer.String()
}

// addressKey is the key of a request's address in its context.
type addressKey struct{}

// Handler lets AddressOf know where each request comes from.
func (p Proxies) Handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), addressKey{}, p.Address(r))))
	})
}

// AddressOf is where the request comes from whose context this is; "" where Proxies.Handler does not know.
func AddressOf(ctx context.Context) string {
	address, _ := ctx.Value(addressKey{}).(string)
	return address
}
