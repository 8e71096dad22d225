package image

import (
	"net/netip"

	"github.com/google/go-containerregistry/pkg/name"
)

// CheckAddress is what the default transport asks before it connects, for tests: they cannot be at such addresses.
func CheckAddress(allow []string, hostPort string, addr netip.Addr) error {
	n, err := parseNetworks(allow)
	if err != nil {
		return err
	}
	return n.check(hostPort, addr)
}

// ParseReferenceForTest reads a reference, and words what is wrong with one that is none.
func ParseReferenceForTest(text string) (ref name.Reference, why string, err error) {
	if ref, err = parseReference(text); err != nil {
		return nil, whyNot(text, err), err
	}
	return ref, "", nil
}
