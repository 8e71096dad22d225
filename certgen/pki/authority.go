package pki

import (
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"time"

	"github.com/cert-manager/cert-manager/pkg/util/pki"
)

// Backdate is how long before its making a certificate begins.
const Backdate = time.Hour

const (
	serialBits = 128
	caName     = "runecast CA "
)

// Authority is a CA. Key is nil where only the certificate is known: of a CA that somebody else keeps, or whose key was lost.
type Authority struct {
	Certificate *x509.Certificate
	Key         crypto.Signer
}

// NewAuthority makes a CA of a generation, counted from 1. Its name holds the generation and a few random digits, so that no two
// CAs share a name: OpenSSL looks issuers up by name.
func NewAuthority(generation int, now time.Time, validity time.Duration) (Authority, error) {
	key, err := pki.GenerateECPrivateKey(pki.ECCurve256)
	if err != nil {
		return Authority{}, fmt.Errorf("make a CA key: %w", err)
	}
	unique := make([]byte, 4)
	if _, err = rand.Read(unique); err != nil {
		return Authority{}, fmt.Errorf("name a CA: %w", err)
	}
	template := caTemplate(pkix.Name{CommonName: fmt.Sprintf("%s%d %s", caName, generation, hex.EncodeToString(unique))}, now, now.Add(validity))
	template.MaxPathLen = 1 // room for one cross-signed CA between it and a leaf
	certificate, err := sign(template, template, key.Public(), key)
	if err != nil {
		return Authority{}, err
	}
	return Authority{Certificate: certificate, Key: key}, nil
}

// CrossSign makes a certificate of the new CA's name and key that the old CA has signed. It ends when the first of the two ends.
func CrossSign(newer *x509.Certificate, older Authority, now time.Time) (*x509.Certificate, error) {
	if older.Key == nil {
		return nil, errors.New("cross-sign a CA: the key of the old CA is not there")
	}
	notAfter := newer.NotAfter
	if older.Certificate.NotAfter.Before(notAfter) {
		notAfter = older.Certificate.NotAfter
	}
	template := caTemplate(newer.Subject, now, notAfter)
	template.MaxPathLenZero = true // the old CA allows one CA below it, so this one signs leaves alone
	template.SubjectKeyId = newer.SubjectKeyId
	return sign(template, older.Certificate, newer.PublicKey, older.Key)
}

func caTemplate(subject pkix.Name, now, notAfter time.Time) *x509.Certificate { //nolint:gocritic // hugeParam: once a certificate
	return &x509.Certificate{
		Subject: subject, NotBefore: now.Add(-Backdate), NotAfter: notAfter,
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign, IsCA: true, BasicConstraintsValid: true,
	}
}

// Check tells why a CA cannot sign at a time; nothing when it can.
func (a Authority) Check(now time.Time) (reason string) {
	switch {
	case a.Certificate == nil:
		return "there is no CA certificate"
	case a.Key == nil:
		return "there is no CA key"
	case !a.Certificate.IsCA:
		return "the CA certificate is not of a CA"
	case !samePublicKey(a.Key.Public(), a.Certificate):
		return "the CA's key does not belong to its certificate"
	case now.Before(a.Certificate.NotBefore):
		return "the CA is not valid before " + a.Certificate.NotBefore.UTC().Format(time.RFC3339)
	case now.After(a.Certificate.NotAfter):
		return "the CA ended at " + a.Certificate.NotAfter.UTC().Format(time.RFC3339)
	}
	return ""
}

// IsOurs tells whether a certificate is of a CA that this package made, by its name and by its own signature.
func IsOurs(c *x509.Certificate) bool {
	return c != nil && c.IsCA && strings.HasPrefix(c.Subject.CommonName, caName) && c.CheckSignatureFrom(c) == nil
}

// RenewalTime is when two thirds of a certificate's life are over.
func RenewalTime(c *x509.Certificate) time.Time {
	at, err := pki.RenewalTime(c.NotBefore, c.NotAfter, nil, nil, nil)
	if err != nil || at == nil {
		return c.NotBefore // due at once; without a schedule of windows the library has no error to give
	}
	return at.Time
}

// sign issues a certificate with a random positive serial number of at most 128 bits.
func sign(template, issuer *x509.Certificate, public crypto.PublicKey, key crypto.Signer) (*x509.Certificate, error) {
	for template.SerialNumber == nil || template.SerialNumber.Sign() <= 0 {
		serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), serialBits))
		if err != nil {
			return nil, fmt.Errorf("draw a serial number: %w", err)
		}
		template.SerialNumber = serial
	}
	_, certificate, err := pki.SignCertificate(template, issuer, public, key)
	if err != nil {
		return nil, fmt.Errorf("sign the certificate %q: %w", template.Subject.CommonName, err)
	}
	return certificate, nil
}

func samePublicKey(public crypto.PublicKey, c *x509.Certificate) bool {
	same, err := pki.PublicKeyMatchesCertificate(public, c)
	return err == nil && same
}

// EncodeKey writes a private key as PEM of PKCS#8.
func EncodeKey(key crypto.Signer) ([]byte, error) {
	encoded, err := pki.EncodePKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("encode a private key: %w", err)
	}
	return encoded, nil
}

// DecodeKey reads a private key from PEM. The error holds nothing of the key.
func DecodeKey(encoded []byte) (crypto.Signer, error) {
	key, err := pki.DecodePrivateKeyBytes(encoded)
	if err != nil {
		return nil, errors.New("the private key cannot be read")
	}
	return key, nil
}
