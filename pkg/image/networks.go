package image

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"syscall"
)

// LocalNetworks are the loopback and private networks as Options.AllowNetworks takes them: what a person who runs a command on
// a machine of their own may ask.
func LocalNetworks() []string {
	return []string{"127.0.0.0/8", "::1/128", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7"}
}

// special is a network that is not of the public Internet.
type special struct {
	prefix netip.Prefix
	is     string // as in: is at IS address
}

// specials are the entries of IANA's registries of special-purpose addresses that are not globally reachable
// (https://www.iana.org/assignments/iana-ipv4-special-registry, …/iana-ipv6-special-registry), with multicast and class E. Of
// IPv6 nothing outside 2000::/3 is assigned to the public (RFC 4291, section 2.4), which refusal tells by itself.
func specials() []special {
	var out []special
	add := func(is string, prefixes ...string) {
		for _, p := range prefixes {
			out = append(out, special{netip.MustParsePrefix(p), is})
		}
	}
	add("a loopback", "127.0.0.0/8", "::1/128")
	add("an unspecified", "0.0.0.0/8", "::/128")
	add("a private", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7", "fec0::/10")
	add("a multicast", "224.0.0.0/4", "ff00::/8")
	add("a documentation", "192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "2001:db8::/32", "3fff::/20")
	add("a benchmark", "198.18.0.0/15", "2001:2::/48")
	add("a reserved", "192.0.0.0/24", "192.88.99.0/24", "240.0.0.0/4", "2001::/23", "64:ff9b:1::/48")
	return out
}

// embedded is the IPv4 address that an IPv6 address stands for: mapped (RFC 4291), behind a translator (RFC 6052) or 6to4 (RFC
// 3056). Any other address is given as it is, without its zone.
func embedded(addr netip.Addr) netip.Addr {
	addr = addr.Unmap().WithZone("")
	if addr.Is4() {
		return addr
	}
	all := addr.As16()
	switch {
	case netip.MustParsePrefix("64:ff9b::/96").Contains(addr):
		return netip.AddrFrom4([4]byte(all[12:]))
	case netip.MustParsePrefix("2002::/16").Contains(addr):
		return netip.AddrFrom4([4]byte(all[2:6]))
	}
	return addr
}

// networks decides which addresses may be asked.
type networks struct {
	setting  string // that allows more than public addresses, for errors
	special  []special
	prefixes []netip.Prefix
	hosts    map[string]bool // host or host:port, in lower case
	suffixes []string        // with their dot
}

// parseNetworks reads a setting such as Options.AllowNetworks, all errors at once.
func parseNetworks(setting string, entries []string) (*networks, error) {
	n := &networks{setting: setting, special: specials(), hosts: map[string]bool{}}
	var errs []error
	for _, entry := range entries {
		if err := n.add(strings.ToLower(strings.TrimSpace(entry))); err != nil {
			errs = append(errs, fmt.Errorf("%s: %q is no network, address, host, host:port or *.domain: %w", setting, entry, err))
		}
	}
	return n, errors.Join(errs...)
}

func (n *networks) add(entry string) error {
	if strings.Contains(entry, "/") {
		prefix, err := netip.ParsePrefix(entry)
		if err != nil {
			return err //nolint:wrapcheck // the caller does
		}
		n.prefixes = append(n.prefixes, prefix.Masked())
		return nil
	}
	if addr, err := netip.ParseAddr(entry); err == nil {
		addr = addr.Unmap().WithZone("")
		n.prefixes = append(n.prefixes, netip.PrefixFrom(addr, addr.BitLen()))
		return nil
	}
	name, isSuffix := strings.CutPrefix(entry, "*.")
	host, port := name, ""
	if strings.Contains(name, ":") {
		var err error
		if host, port, err = net.SplitHostPort(name); err != nil {
			return err //nolint:wrapcheck // the caller does
		}
	}
	_, badAddr := netip.ParseAddr(host)
	switch {
	case isSuffix && port != "":
		return errors.New("a domain takes no port")
	case badAddr != nil && !isHostName(host):
		return errors.New("it is no name of a host")
	case isSuffix:
		n.suffixes = append(n.suffixes, "."+strings.TrimSuffix(host, "."))
	case port != "":
		n.hosts[net.JoinHostPort(strings.TrimSuffix(host, "."), port)] = true
	default:
		n.hosts[strings.TrimSuffix(host, ".")] = true
	}
	return nil
}

// isHostName tells names from what systems read as addresses in other forms, such as 127.1 or 0x7f000001: those end in a
// number (https://url.spec.whatwg.org/#ends-in-a-number-checker).
func isHostName(host string) bool {
	host = strings.TrimSuffix(host, ".")
	if host == "" || strings.ContainsAny(host, " \t/\\@?#*%[]:,") {
		return false
	}
	last := host[strings.LastIndexByte(host, '.')+1:]
	return last != "" && strings.Trim(last, "0123456789") != "" && !strings.HasPrefix(last, "0x")
}

// allows tells whether an address that some name or literal led to may be asked. The host is as asked for, with its port.
func (n *networks) allows(hostPort string, addr netip.Addr) bool {
	host, port, err := net.SplitHostPort(strings.ToLower(hostPort))
	if err != nil {
		return false
	}
	host = strings.TrimSuffix(host, ".")
	plain := embedded(addr)
	in := func(p netip.Prefix) bool { return p.Contains(plain) || p.Contains(addr.WithZone("")) }
	under := func(suffix string) bool { return strings.HasSuffix(host, suffix) }
	return n.hosts[host] || n.hosts[net.JoinHostPort(host, port)] || slices.ContainsFunc(n.suffixes, under) || slices.ContainsFunc(n.prefixes, in)
}

// check refuses addresses of the link and of metadata services always, and others that are not public unless they are allowed.
func (n *networks) check(hostPort string, addr netip.Addr) error {
	if isReserved(addr) {
		return reserved(addr)
	}
	is := n.classify(embedded(addr))
	if is == "" || n.allows(hostPort, addr) {
		return nil
	}
	return &forbidden{text: fmt.Sprintf("%s is at %s address; if it may be asked, name it in the setting %s", hostPort, is, n.setting)}
}

// classify is empty for public addresses.
func (n *networks) classify(addr netip.Addr) string {
	for _, s := range n.special {
		if s.prefix.Contains(addr) {
			return s.is
		}
	}
	if addr.Is6() && !netip.MustParsePrefix("2000::/3").Contains(addr) {
		return "a reserved"
	}
	return ""
}

// dialer connects to allowed addresses only. It sees what a name was resolved to at the last moment, when DNS can no longer
// answer otherwise.
type dialer struct {
	networks *networks
	net      net.Dialer
}

// DialContext is what http.Transport asks.
func (d *dialer) DialContext(ctx context.Context, network, hostPort string) (net.Conn, error) {
	inner := d.net
	inner.ControlContext = func(_ context.Context, _, address string, _ syscall.RawConn) error {
		to, err := netip.ParseAddrPort(address)
		if err != nil {
			return fmt.Errorf("address %q cannot be read: %w", address, err)
		}
		return d.networks.check(hostPort, to.Addr())
	}
	return inner.DialContext(ctx, network, hostPort) //nolint:wrapcheck // net says it all
}
