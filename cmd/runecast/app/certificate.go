package app

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"time"
)

const (
	caLifetime   = 10 * 365 * 24 * time.Hour
	leafLifetime = 90 * 24 * time.Hour
	backdate     = time.Hour // clocks of clients may be behind

	pemCertificate = "CERTIFICATE" // RFC 7468, section 5
	pemKey         = "PRIVATE KEY" // PKCS #8; RFC 7468, section 10
)

// selfIssued is the certificate that serve makes for itself when it is run by hand: a CA, kept in the data directory so that
// clients can go on trusting it, and a serving certificate that is made anew at every start.
type selfIssued struct {
	dir   string
	names []string // more names and addresses, beside those of this machine
	now   time.Time
}

// caFile is the CA's certificate, for clients to trust.
func (s selfIssued) caFile() string { return filepath.Join(s.dir, "ca.crt") }

func (s selfIssued) issue() (tls.Certificate, error) {
	ca, caKey, err := s.authority()
	if err != nil {
		return tls.Certificate{}, err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("make the serving key: %w", err)
	}
	dnsNames, addresses := s.subjects()
	template := &x509.Certificate{
		Subject: pkix.Name{CommonName: "runecast"}, DNSNames: dnsNames, IPAddresses: addresses,
		NotBefore: s.now.Add(-backdate), NotAfter: s.now.Add(leafLifetime),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, BasicConstraintsValid: true,
	}
	_, leaf, err := sign(template, ca, key.Public(), caKey)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("issue the serving certificate: %w", err)
	}
	return tls.Certificate{Certificate: [][]byte{leaf.Raw, ca.Raw}, PrivateKey: key, Leaf: leaf}, nil
}

// authority loads the CA, or makes one where there is none or it ends within a serving certificate's lifetime.
func (s selfIssued) authority() (*x509.Certificate, crypto.Signer, error) {
	keyFile := filepath.Join(s.dir, "ca.key")
	certPEM, certErr := os.ReadFile(s.caFile())
	keyPEM, keyErr := os.ReadFile(keyFile) //nolint:gosec // in the data directory
	if certErr == nil && keyErr == nil {
		ca, err := decodeCertificate(certPEM)
		if err != nil {
			return nil, nil, fmt.Errorf("read the CA certificate %s: %w; remove it and ca.key to have new ones made", s.caFile(), err)
		}
		key, err := decodeKey(keyPEM)
		if err != nil {
			return nil, nil, fmt.Errorf("read the CA key %s: %w; remove it and ca.crt to have new ones made", keyFile, err)
		}
		if s.now.Add(leafLifetime).Before(ca.NotAfter) {
			return ca, key, nil
		}
	}
	if err := errors.Join(unlessMissing(certErr), unlessMissing(keyErr)); err != nil {
		return nil, nil, fmt.Errorf("read the CA: %w", err)
	}
	return s.newAuthority(keyFile)
}

func unlessMissing(err error) error {
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return err
}

func (s selfIssued) newAuthority(keyFile string) (*x509.Certificate, crypto.Signer, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, fmt.Errorf("make the CA key: %w", err)
	}
	template := &x509.Certificate{
		Subject:   pkix.Name{CommonName: "runecast self-issued CA " + s.now.UTC().Format(time.DateOnly)},
		NotBefore: s.now.Add(-backdate), NotAfter: s.now.Add(caLifetime),
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign, IsCA: true, BasicConstraintsValid: true, MaxPathLenZero: true,
	}
	certPEM, ca, err := sign(template, template, key.Public(), key)
	if err != nil {
		return nil, nil, fmt.Errorf("issue the CA certificate: %w", err)
	}
	encoded, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, nil, fmt.Errorf("encode the CA key: %w", err)
	}
	keyPEM := pem.EncodeToMemory(&pem.Block{Type: pemKey, Bytes: encoded})
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return nil, nil, fmt.Errorf("make the directory of certificates: %w", err)
	}
	if err := errors.Join(os.WriteFile(keyFile, keyPEM, 0o600), os.WriteFile(s.caFile(), certPEM, 0o600)); err != nil {
		return nil, nil, fmt.Errorf("keep the CA: %w", err)
	}
	return ca, key, nil
}

// sign issues a certificate with a random positive serial number.
func sign(template, issuer *x509.Certificate, public crypto.PublicKey, key crypto.Signer) ([]byte, *x509.Certificate, error) {
	// A nil serial number makes crypto/x509 draw a random one, as RFC 5280 asks for.
	signed, err := x509.CreateCertificate(rand.Reader, template, issuer, public, key)
	if err != nil {
		return nil, nil, fmt.Errorf("sign %s: %w", template.Subject.CommonName, err)
	}
	certificate, err := x509.ParseCertificate(signed)
	if err != nil {
		return nil, nil, fmt.Errorf("read what was signed for %s: %w", template.Subject.CommonName, err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: pemCertificate, Bytes: signed}), certificate, nil
}

func decodeCertificate(encoded []byte) (*x509.Certificate, error) {
	block, _ := pem.Decode(encoded)
	if block == nil || block.Type != pemCertificate {
		return nil, errors.New("it is no certificate in PEM")
	}
	return x509.ParseCertificate(block.Bytes) //nolint:wrapcheck // the caller says what was read
}

func decodeKey(encoded []byte) (crypto.Signer, error) {
	block, _ := pem.Decode(encoded)
	if block == nil || block.Type != pemKey {
		return nil, errors.New("it is no private key of PKCS #8 in PEM")
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, err //nolint:wrapcheck // the caller says what was read
	}
	signer, ok := key.(crypto.Signer)
	if !ok {
		return nil, errors.New("it is no key to sign with")
	}
	return signer, nil
}

// subjects lists the names and addresses of this machine and the ones given.
func (s selfIssued) subjects() (dnsNames []string, addresses []net.IP) {
	names := append([]string{"localhost", "127.0.0.1", "::1"}, s.names...)
	if host, err := os.Hostname(); err == nil && host != "" {
		names = append(names, host)
	}
	slices.Sort(names)
	for _, name := range slices.Compact(names) {
		if address := net.ParseIP(name); address != nil {
			addresses = append(addresses, address)
		} else if name != "" {
			dnsNames = append(dnsNames, name)
		}
	}
	return dnsNames, addresses
}
