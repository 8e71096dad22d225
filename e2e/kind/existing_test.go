//go:build e2e

package kind_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

const ownSecret = "my-own-tls"

// testExistingSecret goes over to a certificate of the user's own, and back, while the gate is asked.
func (l *lab) testExistingSecret(t *testing.T) {
	_, err := l.client.CoreV1().Secrets(releaseNamespace).Create(t.Context(), &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Name: ownSecret}, Type: corev1.SecretTypeTLS, Data: ownCertificate(t),
	}, metav1.CreateOptions{})
	must(t, err)
	must(t, l.upgrade(t.Context(), l.tokenValues(values{"tls": values{"source": "existingSecret", "existingSecret": ownSecret}})))
	s, err := l.client.CoreV1().Secrets(releaseNamespace).Get(t.Context(), ownSecret, metav1.GetOptions{})
	must(t, err)
	l.awaitPresented(t, string(s.Data["tls.crt"]))
	l.reconcile(t, "own")
	l.awaitGate()
	if got := l.bundle(t, chartConfig); got != string(s.Data["ca.crt"]) {
		t.Errorf("the bundle is not the user's CA:\n%s", got)
	}
	must(t, l.helmTest())
	must(t, l.upgrade(t.Context(), l.tokenValues()))
	l.awaitPresented(t, l.serving(t).leaf)
	l.reconcile(t, "back")
	l.awaitGate()
}

// ownCertificate makes a CA and a leaf as a company's PKI would, as the data of a Secret.
func ownCertificate(t *testing.T) map[string][]byte {
	t.Helper()
	caKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	ca := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: "a company's CA"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour), KeyUsage: x509.KeyUsageCertSign,
	}
	caDER, err := x509.CreateCertificate(rand.Reader, ca, ca, &caKey.PublicKey, caKey)
	must(t, err)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	leaf := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: "runecast"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(12 * time.Hour),
		DNSNames: []string{"runecast-nginx.runecast.svc", "runecast-server.runecast.svc"}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, KeyUsage: x509.KeyUsageDigitalSignature,
	}
	leafDER, err := x509.CreateCertificate(rand.Reader, leaf, ca, &key.PublicKey, caKey)
	must(t, err)
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	must(t, err)
	return map[string][]byte{
		"tls.crt": pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: leafDER}),
		"tls.key": pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER}),
		"ca.crt":  pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: caDER}),
	}
}
