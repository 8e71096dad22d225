package app

import (
	"bytes"
	"crypto/tls"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sirupsen/logrus"
)

// clock is a clock that a test sets.
type clock struct{ at time.Time }

func (c *clock) now() time.Time { return c.at }

func get(t *testing.T, s *servingCertificate) *tls.Certificate {
	t.Helper()
	certificate, err := s.get(nil)
	if err != nil || certificate == nil {
		t.Fatalf("%v, %v", certificate, err)
	}
	return certificate
}

func quiet() (*logrus.Logger, *bytes.Buffer) {
	var b bytes.Buffer
	log := logrus.New()
	log.SetOutput(&b)
	return log, &b
}

func TestSelfIssuedCertificateIsRenewed(t *testing.T) {
	t.Parallel()
	log, _ := quiet()
	c := &clock{at: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}
	dir := t.TempDir()
	s := newSelfIssued(selfIssued{dir: dir, names: []string{"gate.example", "10.1.2.3"}}, c.now, log)
	if err := s.start(); err != nil {
		t.Fatal(err)
	}
	ca, err := os.ReadFile(filepath.Join(dir, "ca.crt"))
	if err != nil {
		t.Fatal(err)
	}
	first := get(t, s)
	for _, name := range []string{"gate.example", "10.1.2.3", "localhost", "127.0.0.1", "::1"} {
		if err := first.Leaf.VerifyHostname(name); err != nil {
			t.Error(err)
		}
	}
	if first.Leaf.SerialNumber.Sign() <= 0 || first.Leaf.NotAfter.Sub(c.at) != leafLifetime {
		t.Errorf("serial %v, not after %v", first.Leaf.SerialNumber, first.Leaf.NotAfter)
	}
	c.at = c.at.Add(59 * 24 * time.Hour)
	if get(t, s) != first {
		t.Error("renewed before two thirds of its life")
	}
	c.at = c.at.Add(2 * 24 * time.Hour)
	second := get(t, s)
	if second == first || !second.Leaf.NotAfter.After(first.Leaf.NotAfter) {
		t.Error("not renewed after two thirds of its life")
	}
	if now, err := os.ReadFile(filepath.Join(dir, "ca.crt")); err != nil || !bytes.Equal(now, ca) {
		t.Errorf("the CA changed: %v", err)
	}
	c.at = c.at.Add(10 * 365 * 24 * time.Hour)
	if third := get(t, s); !third.Leaf.NotAfter.After(c.at) {
		t.Error("not renewed after the CA ended")
	}
}

func TestCertificateOfFilesIsReadAgain(t *testing.T) {
	t.Parallel()
	log, lines := quiet()
	c := &clock{at: time.Now()}
	dir := t.TempDir()
	certFile, keyFile := filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key")
	write := func(cert, key string) {
		t.Helper()
		for name, body := range map[string]string{certFile: cert, keyFile: key} {
			if err := os.WriteFile(name+".new", []byte(body), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.Rename(name+".new", name); err != nil {
				t.Fatal(err)
			}
		}
	}
	pair := func() (cert, key string) {
		t.Helper()
		issuer := selfIssued{dir: t.TempDir(), now: c.at}
		if _, err := issuer.issue(); err != nil {
			t.Fatal(err)
		}
		certPEM, certErr := os.ReadFile(issuer.caFile())
		keyPEM, keyErr := os.ReadFile(filepath.Join(issuer.dir, "ca.key"))
		if certErr != nil || keyErr != nil {
			t.Fatal(certErr, keyErr)
		}
		return string(certPEM), string(keyPEM)
	}
	write(pair())
	s := newFromFiles(certFile, keyFile, c.now, log)
	if err := s.start(); err != nil {
		t.Fatal(err)
	}
	first := get(t, s)
	cert, _ := pair()
	_, otherKey := pair()
	write(cert, otherKey) // half of an update
	c.at = c.at.Add(time.Minute)
	if get(t, s) != first || !strings.Contains(lines.String(), "cannot be renewed; the old one stays in use") {
		t.Errorf("a certificate and a key that do not fit: %s", lines)
	}
	write(pair())
	if get(t, s) != first {
		t.Error("the files are looked at with every handshake")
	}
	c.at = c.at.Add(time.Minute)
	if get(t, s) == first {
		t.Error("the new files are not read")
	}
}
