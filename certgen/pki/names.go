package pki

import (
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation"
)

// Names are the names and addresses that a serving certificate is for: sorted, each once.
type Names struct {
	DNS       []string
	Addresses []net.IP
}

// NewNames gives the names of services of a namespace, in all forms that a client in the cluster can write, those of the machine
// itself, and more names and addresses. Names that no certificate can hold are all in the error.
func NewNames(namespace, clusterDomain string, services, moreDNS []string, moreAddresses []net.IP) (Names, error) {
	dns := []string{"localhost"}
	for _, s := range services {
		dns = append(dns, s, s+"."+namespace, s+"."+namespace+".svc")
		if clusterDomain != "" {
			dns = append(dns, s+"."+namespace+".svc."+clusterDomain)
		}
	}
	dns = append(dns, moreDNS...)
	var problems []error
	for _, name := range dns {
		check := validation.IsDNS1123Subdomain
		if strings.HasPrefix(name, "*.") {
			check = validation.IsWildcardDNS1123Subdomain
		}
		if wrong := check(name); len(wrong) > 0 {
			problems = append(problems, fmt.Errorf("%q is no DNS name: %s", name, strings.Join(wrong, "; ")))
		}
	}
	addresses := append([]net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback}, moreAddresses...)
	slices.Sort(dns)
	slices.SortFunc(addresses, func(a, b net.IP) int { return slices.Compare(a.To16(), b.To16()) })
	return Names{
		DNS: slices.Compact(dns), Addresses: slices.CompactFunc(addresses, net.IP.Equal),
	}, errors.Join(problems...)
}

// of tells whether a certificate is for exactly these names.
func (n Names) of(c *x509.Certificate) bool {
	dns, addresses := slices.Sorted(slices.Values(c.DNSNames)), slices.Clone(c.IPAddresses)
	slices.SortFunc(addresses, func(a, b net.IP) int { return slices.Compare(a.To16(), b.To16()) })
	return slices.Equal(slices.Compact(dns), n.DNS) && slices.EqualFunc(addresses, n.Addresses, net.IP.Equal) &&
		len(c.URIs) == 0 && len(c.EmailAddresses) == 0
}
