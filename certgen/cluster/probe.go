package cluster

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"slices"
	"strconv"
	"time"

	discovery "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/runecast/runecast/certgen/plan"
)

const (
	dialLimit   = 3 * time.Second // for one endpoint, handshake included
	dialsAtOnce = 16
)

// Probe dials every ready endpoint of the front service and compares the certificate that it presents with leaf.
func (c *Client) Probe(ctx context.Context, leaf *x509.Certificate) plan.Presented {
	if leaf == nil {
		return plan.Presented{Rest: []string{"the serving Secret holds no certificate that could be read"}}
	}
	addresses, err := c.endpoints(ctx)
	if err != nil {
		return plan.Presented{Rest: []string{err.Error()}}
	}
	wrong := make([]string, len(addresses))
	room, done := make(chan struct{}, dialsAtOnce), make(chan struct{}, len(addresses))
	for i, address := range addresses {
		go func() {
			room <- struct{}{}
			wrong[i] = c.dial(ctx, address, leaf)
			<-room
			done <- struct{}{}
		}()
	}
	for range addresses {
		<-done
	}
	rest := slices.DeleteFunc(wrong, func(w string) bool { return w == "" })
	return plan.Presented{Ready: len(addresses), New: len(addresses) - len(rest), Rest: rest}
}

// endpoints gives the addresses of the ready endpoints of the front service.
func (c *Client) endpoints(ctx context.Context) ([]string, error) {
	list, err := c.slices.EndpointSlices(c.options.Namespace).List(ctx, metav1.ListOptions{
		LabelSelector: discovery.LabelServiceName + "=" + c.options.FrontService,
	})
	if err != nil {
		return nil, fault("list", object{group: discovery.GroupName, resource: "endpointslices", namespace: c.options.Namespace}, err)
	}
	var addresses []string
	for i := range list.Items {
		slice := &list.Items[i]
		port := slices.IndexFunc(slice.Ports, func(p discovery.EndpointPort) bool {
			return p.Name != nil && *p.Name == c.options.PortName && p.Port != nil
		})
		for _, e := range slice.Endpoints {
			if e.Conditions.Ready != nil && !*e.Conditions.Ready {
				continue
			}
			if port < 0 {
				return nil, fmt.Errorf("EndpointSlice %s has no port named %q", slice.Name, c.options.PortName)
			}
			for _, address := range e.Addresses {
				addresses = append(addresses, net.JoinHostPort(address, strconv.Itoa(int(*slice.Ports[port].Port))))
			}
		}
	}
	slices.Sort(addresses)
	return slices.Compact(addresses), nil
}

// dial tells what is wrong with the certificate that an endpoint presents; nothing when it is leaf.
func (c *Client) dial(ctx context.Context, address string, leaf *x509.Certificate) string {
	ctx, cancel := context.WithTimeout(ctx, dialLimit)
	defer cancel()
	raw, err := c.options.Dial(ctx, "tcp", address)
	if err != nil {
		return fmt.Sprintf("endpoint %s: %v", address, err)
	}
	defer raw.Close()
	//nolint:gosec // the very certificate is compared, so there is nothing left to verify
	conn := tls.Client(raw, &tls.Config{InsecureSkipVerify: true, ServerName: c.options.FrontService + "." + c.options.Namespace + ".svc"})
	if err := conn.HandshakeContext(ctx); err != nil {
		return fmt.Sprintf("endpoint %s: %v", address, err)
	}
	if presented := conn.ConnectionState().PeerCertificates[0]; !presented.Equal(leaf) {
		return fmt.Sprintf("endpoint %s presents another certificate, which ends at %s", address, presented.NotAfter.UTC().Format(time.RFC3339))
	}
	return ""
}
