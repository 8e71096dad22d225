package image

import (
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
)

// Host is a server that may be asked for the contents of one repository.
type Host struct {
	Repository name.Repository   // with the host's own name; a keychain knows it by that
	Transport  http.RoundTripper // beneath the login: it keeps all rules that a Puller keeps
}

// Hosts gives the servers that may be asked for what else than images a repository has: the mirrors of Options.ConfigDir in their
// order and the registry itself. For what a tag names, those that may resolve; byDigest, those that may be asked for what a digest
// vouches for. Errors are *Error.
func (p *Puller) Hosts(reference string, byDigest bool) ([]Host, error) {
	t, _, err := p.parse(reference)
	if err != nil {
		return nil, err
	}
	req := &request{what: "a tag"}
	if byDigest {
		req = &request{what: "a digest", digest: "sha256:"}
	}
	hosts, err := p.hostsFor(t, req)
	if err != nil {
		return nil, err
	}
	var out []Host
	for _, h := range hosts {
		at := t
		if at.via, err = h.endpoint(t); err != nil {
			return nil, t.fault(KindInternal, "mirror %s cannot be named: %w", h.mirror.url.Host, err)
		}
		out = append(out, Host{Repository: at.at(), Transport: &onBehalf{guard: p.guardOf(at), registry: at.host()}})
	}
	return out, nil
}

// onBehalf makes requests on behalf of one registry, which decides where its credentials may go.
type onBehalf struct {
	guard    *guard
	registry string
}

// RoundTrip implements http.RoundTripper.
func (o *onBehalf) RoundTrip(req *http.Request) (*http.Response, error) {
	return o.guard.RoundTrip(req.WithContext(withRegistry(req.Context(), o.registry)))
}

// NewTransport gives a transport for requests to other servers than registries, by the same rules: it connects to public addresses and
// to the hosts that are named as host:port, whatever they are at and without TLS if their URL says so; link-local addresses and
// metadata services it never asks. That holds for redirects, too. caFiles are PEM files of authorities that are believed beside the
// system's.
func NewTransport(hosts, caFiles []string) (http.RoundTripper, error) {
	allowed, err := parseNetworks(allowRegistries, nil)
	if err != nil {
		return nil, err
	}
	plain := map[string]bool{}
	for _, host := range hosts {
		host = strings.ToLower(host)
		allowed.hosts[host], plain[host] = true, true
	}
	roots, err := readRootFiles("downloadCaFiles", caFiles)
	if err != nil {
		return nil, fmt.Errorf("transport: %w", err)
	}
	return &outward{guard: &guard{inner: newNetwork(allowed, nil, roots.config()), networks: allowed, plain: plain}}, nil
}

// outward is the transport of NewTransport.
type outward struct{ guard *guard }

// RoundTrip implements http.RoundTripper.
func (o *outward) RoundTrip(req *http.Request) (*http.Response, error) {
	check := req.Clone(req.Context())
	if check.URL.Port() == "" {
		check.URL.Host = hostWithPort(req.URL)
	}
	err := o.guard.permit(check)
	var resp *http.Response
	if err == nil {
		resp, err = o.guard.inner.RoundTrip(req)
	}
	if no, ok := errors.AsType[*forbidden](err); ok {
		closeBody(req)
		return nil, &NotAllowedError{Host: req.URL.Host, reason: no.reason()}
	}
	return resp, err //nolint:wrapcheck // a transport
}

// NotAllowedError is a request that a transport of NewTransport does not make.
type NotAllowedError struct {
	Host   string
	reason string
}

func (e *NotAllowedError) Error() string {
	return fmt.Sprintf("%s is not asked: %s; only hosts that the settings name may be there", e.Host, e.reason)
}

// Lasting tells that another attempt would end alike.
func (*NotAllowedError) Lasting() bool { return true }

// reason is the text without the remedy for registries.
func (f *forbidden) reason() string {
	if f.plain {
		return "it has no TLS"
	}
	text, _, _ := strings.Cut(f.text, "; ")
	return text
}
