package pki

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"time"

	"github.com/cert-manager/cert-manager/pkg/util/pki"
)

const leafName = "runecast"

// Leaf is what a serving certificate is to be.
type Leaf struct {
	Names    Names
	Validity time.Duration // from its making to its end; the CA's end cuts it short
}

// NewKey makes the private key of a serving certificate.
func NewKey() (crypto.Signer, error) {
	key, err := pki.GenerateECPrivateKey(pki.ECCurve256)
	if err != nil {
		return nil, fmt.Errorf("make a serving key: %w", err)
	}
	return key, nil
}

// Issue makes the serving certificate for a key.
func (l Leaf) Issue(ca Authority, key crypto.Signer, now time.Time) (*x509.Certificate, error) {
	if reason := ca.Check(now); reason != "" {
		return nil, fmt.Errorf("issue the serving certificate: %s", reason)
	}
	return sign(&x509.Certificate{
		Subject: pkix.Name{CommonName: leafName}, DNSNames: l.Names.DNS, IPAddresses: l.Names.Addresses,
		NotBefore: now.Add(-Backdate), NotAfter: l.end(ca.Certificate, now),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, BasicConstraintsValid: true,
	}, ca.Certificate, key.Public(), ca.Key)
}

func (l Leaf) end(ca *x509.Certificate, now time.Time) time.Time {
	if end := now.Add(l.Validity); end.Before(ca.NotAfter) {
		return end
	}
	return ca.NotAfter
}

// CheckKey tells why a serving key must be replaced; nothing when it is good.
func CheckKey(key crypto.Signer) (reason string) {
	if k, ok := key.(*ecdsa.PrivateKey); !ok || k.Curve != elliptic.P256() {
		return "the private key is not of ECDSA on P-256"
	}
	return ""
}

// Check tells why a serving certificate must be replaced, beginning with what breaks clients at once; nothing when it is good.
// ca is the certificate of the CA that must have signed it.
func (l Leaf) Check(c *x509.Certificate, key crypto.Signer, ca *x509.Certificate, now time.Time) (reason string) {
	switch {
	case !samePublicKey(key.Public(), c):
		return "the certificate is not of the private key beside it"
	case c.CheckSignatureFrom(ca) != nil:
		return fmt.Sprintf("the certificate is not signed by the CA %q", ca.Subject.CommonName)
	case now.After(c.NotAfter):
		return "the certificate ended at " + c.NotAfter.UTC().Format(time.RFC3339)
	case now.Before(c.NotBefore):
		return "the certificate is not valid before " + c.NotBefore.UTC().Format(time.RFC3339)
	case !servesTLS(c):
		return "the certificate is not one for a TLS server"
	case !l.Names.of(c):
		return "the certificate is for other names"
	case !l.validityOf(c, ca):
		return "the certificate has another validity than asked for"
	case !now.Before(RenewalTime(c)):
		return "two thirds of the certificate's life are over"
	}
	return ""
}

func servesTLS(c *x509.Certificate) bool {
	return !c.IsCA && c.KeyUsage&x509.KeyUsageDigitalSignature != 0 && len(c.ExtKeyUsage) == 1 && c.ExtKeyUsage[0] == x509.ExtKeyUsageServerAuth
}

// validityOf tells whether a certificate lasts as long as it was asked for at its making, or until the end of its CA.
func (l Leaf) validityOf(c, ca *x509.Certificate) bool {
	made := c.NotBefore.Add(Backdate)
	difference := c.NotAfter.Sub(l.end(ca, made))
	return difference.Abs() < 2*time.Second // certificates count in seconds
}
