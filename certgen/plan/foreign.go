package plan

import (
	"crypto/x509"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/runecast/runecast/certgen/state"
)

// foreignServing looks at a serving Secret that somebody else keeps, and tells all that would keep the API server from trusting nginx, or
// nginx from trusting the review server. Nothing of it can be mended here.
func (d *decision) foreignServing() (Step, error) {
	if d.o.Source == SourceCertgen || d.w.ServingSecret == nil {
		return Step{}, nil
	}
	serving := state.ReadServing(d.w.ServingSecret)
	wrong := d.foreignReasons(&serving)
	if len(wrong) > 0 {
		d.problem(fmt.Errorf("with --tls-source %s, Secret %s in namespace %s is no good: %s", d.o.Source, d.o.ServingSecret, d.o.Namespace, strings.Join(wrong, "; ")))
	}
	return Step{}, nil
}

func (d *decision) foreignReasons(s *state.Serving) (wrong []string) {
	add := func(format string, args ...any) { wrong = append(wrong, fmt.Sprintf(format, args...)) }
	if kind := d.w.ServingSecret.Type; kind != corev1.SecretTypeTLS {
		add("it is of type %q and should be of type %s", kind, corev1.SecretTypeTLS)
	}
	if s.Leaf == nil {
		add("the certificate in tls.crt cannot be read")
	}
	if s.Key == nil {
		add("the private key in tls.key cannot be read")
	}
	if len(s.Bundle) == 0 {
		add("it has no ca.crt, by which nginx trusts the review server: put the CA there")
	}
	if s.Leaf == nil {
		return wrong
	}
	if s.Key != nil && !s.KeyFits() {
		add("tls.key does not belong to the certificate in tls.crt")
	}
	for _, service := range d.o.Services {
		if name := service.Name + "." + service.Namespace + ".svc"; s.Leaf.VerifyHostname(name) != nil {
			add("the certificate is not for %s but for %s", name, strings.Join(s.Leaf.DNSNames, ", "))
		}
	}
	roots, between := x509.NewCertPool(), x509.NewCertPool()
	for _, c := range s.Bundle {
		roots.AddCert(c)
	}
	for _, c := range s.Intermediates {
		between.AddCert(c)
	}
	if len(s.Bundle) > 0 {
		if _, err := s.Leaf.Verify(x509.VerifyOptions{Roots: roots, Intermediates: between, CurrentTime: d.now}); err != nil {
			add("the certificate does not verify by ca.crt: %v", err)
		}
	}
	return wrong
}
