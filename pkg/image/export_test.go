package image

import "net/netip"

// CheckAddress is what the default transport asks before it connects, for tests: they cannot be at such addresses.
func CheckAddress(allow []string, hostPort string, addr netip.Addr) error {
	n, err := parseNetworks(allow)
	if err != nil {
		return err
	}
	return n.check(hostPort, addr)
}
