package webhook_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"testing"
	"time"
)

// blueprint says what a certificate is to be. It is valid from an hour before now until a year after, unless it says otherwise.
type blueprint struct {
	name        string
	names       []string
	ca          bool
	by          *signed // nil: by itself
	from, until time.Time
}

// signed is a certificate with its key.
type signed struct {
	*x509.Certificate

	key *ecdsa.PrivateKey
}

func certificate(t *testing.T, b *blueprint) *signed {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 100))
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: b.name}, DNSNames: b.names, NotBefore: b.from, NotAfter: b.until,
		IsCA: b.ca, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	if b.ca {
		template.KeyUsage, template.ExtKeyUsage = x509.KeyUsageCertSign, nil
	}
	if b.from.IsZero() {
		template.NotBefore = now().Add(-400 * 24 * time.Hour)
	}
	if b.until.IsZero() {
		template.NotAfter = now().Add(365 * 24 * time.Hour)
	}
	parent, signer := template, key
	if b.by != nil {
		parent, signer = b.by.Certificate, b.by.key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &signed{Certificate: parsed, key: key}
}
