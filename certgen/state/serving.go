package state

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"fmt"
	"slices"
	"strconv"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/runecast/runecast/certgen/pki"
	"github.com/runecast/runecast/pkg/webhook"
)

// dataCA is the bundle in the serving Secret, under the name that cert-manager uses too.
const dataCA = "ca.crt"

// Serving is what the serving Secret says. What cannot be read is left out.
type Serving struct {
	Leaf          *x509.Certificate
	Intermediates []*x509.Certificate // what follows the leaf in tls.crt
	Key           crypto.Signer
	Bundle        []*x509.Certificate // ca.crt
	PKCS8         bool                // how Key is encoded
	Renewals      int                 // leaves that were made
	Asked         string              // a request by annotation for a new private key
}

// ReadServing reads the serving Secret.
func ReadServing(secret *corev1.Secret) Serving {
	s := Serving{Renewals: count(secret, annotationRenewals), Asked: secret.Annotations[AnnotationRotate]}
	if chain, err := webhook.ParseBundle(secret.Data[corev1.TLSCertKey]); err == nil && len(chain) > 0 {
		s.Leaf, s.Intermediates = chain[0], chain[1:]
	}
	if key, err := pki.DecodeKey(secret.Data[corev1.TLSPrivateKeyKey]); err == nil {
		s.Key = key
		s.PKCS8 = bytes.HasPrefix(bytes.TrimSpace(secret.Data[corev1.TLSPrivateKeyKey]), []byte("-----BEGIN PRIVATE KEY-----"))
	}
	if bundle, err := webhook.ParseBundle(secret.Data[dataCA]); err == nil {
		s.Bundle = bundle
	}
	return s
}

// Write puts the state into the serving Secret and leaves everything else in it alone.
func (s *Serving) Write(secret *corev1.Secret) error {
	key, err := pki.EncodeKey(s.Key)
	if err != nil {
		return fmt.Errorf("write Secret %s: %w", secret.Name, err)
	}
	put(secret, corev1.TLSCertKey, webhook.EncodeBundle(append([]*x509.Certificate{s.Leaf}, s.Intermediates...)...))
	put(secret, corev1.TLSPrivateKeyKey, key)
	put(secret, dataCA, webhook.EncodeBundle(s.Bundle...))
	annotate(secret, annotationRenewals, strconv.Itoa(s.Renewals))
	annotate(secret, AnnotationRotate, s.Asked)
	return nil
}

// Signer gives the CA certificate that vouches for the leaf at a time, out of the Secret's own and others; nil when the leaf, its key or
// its CA are no good, so that no client can be using it.
func (s *Serving) Signer(now time.Time, others ...*x509.Certificate) *x509.Certificate {
	if s.Leaf == nil || s.Key == nil || now.After(s.Leaf.NotAfter) || now.Before(s.Leaf.NotBefore) {
		return nil
	}
	if !s.KeyFits() {
		return nil
	}
	for _, ca := range slices.Concat(others, s.Bundle, s.Intermediates) {
		if ca != nil && ca.IsCA && now.Before(ca.NotAfter) && s.Leaf.CheckSignatureFrom(ca) == nil {
			return ca
		}
	}
	return nil
}

// KeyFits tells whether the private key is that of the leaf; both must be there.
func (s *Serving) KeyFits() bool {
	public, ok := s.Leaf.PublicKey.(interface{ Equal(x crypto.PublicKey) bool })
	return ok && public.Equal(s.Key.Public())
}

// Roots are the CA certificates of a Secret that somebody else keeps: those of ca.crt, else the CA certificates of tls.crt, else a leaf
// that vouches for itself. It is an error when there are none, as no caBundle can be made of it.
func Roots(secret *corev1.Secret) ([]*x509.Certificate, error) {
	bundle, err := webhook.ParseBundle(secret.Data[dataCA])
	if err != nil {
		return nil, fmt.Errorf("ca.crt of Secret %s: %w", secret.Name, err)
	}
	if len(bundle) > 0 {
		return bundle, nil
	}
	chain, err := webhook.ParseBundle(secret.Data[corev1.TLSCertKey])
	if err != nil {
		return nil, fmt.Errorf("tls.crt of Secret %s: %w", secret.Name, err)
	}
	roots := slices.DeleteFunc(slices.Clone(chain), func(c *x509.Certificate) bool { return !c.IsCA })
	if len(roots) == 0 && len(chain) > 0 && bytes.Equal(chain[0].RawIssuer, chain[0].RawSubject) {
		roots = chain[:1]
	}
	if len(roots) == 0 {
		return nil, fmt.Errorf("neither ca.crt nor tls.crt of Secret %s holds a CA certificate, so no API server could trust it: put the CA into ca.crt", secret.Name)
	}
	return roots, nil
}
