package app

import (
	"crypto/tls"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/sirupsen/logrus"
)

// checkEvery is how often, at most, a handshake looks whether there is a newer certificate.
const checkEvery = 10 * time.Second

// servingCertificate gives handshakes the certificate of the moment: a self-issued one is made anew at two thirds of its life, one
// from files is read again when they have changed. Where that fails the old one stays in use, and the log tells.
type servingCertificate struct {
	load  func() (tls.Certificate, error)
	stale func(current *tls.Certificate) bool
	log   logrus.FieldLogger
	now   func() time.Time

	mu      sync.Mutex
	current *tls.Certificate
	checked time.Time
}

// start loads the first certificate, without which nothing can be served.
func (s *servingCertificate) start() error {
	certificate, err := s.load()
	if err != nil {
		return err
	}
	s.current, s.checked = &certificate, s.now()
	return nil
}

// get implements tls.Config.GetCertificate.
func (s *servingCertificate) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if now := s.now(); now.Sub(s.checked) >= checkEvery {
		s.checked = now
		s.refresh()
	}
	return s.current, nil
}

// ends is when the certificate of the moment ends.
func (s *servingCertificate) ends() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.current.Leaf.NotAfter
}

func (s *servingCertificate) refresh() {
	if !s.stale(s.current) {
		return
	}
	certificate, err := s.load()
	if err != nil {
		s.log.WithError(err).Error("the serving certificate is due but cannot be renewed; the old one stays in use")
		return
	}
	s.current = &certificate
	s.log.WithField("notAfter", certificate.Leaf.NotAfter).Info("serving with a new certificate")
}

// newSelfIssued keeps a self-issued certificate.
func newSelfIssued(issuer selfIssued, now func() time.Time, log logrus.FieldLogger) *servingCertificate {
	return &servingCertificate{
		now: now, log: log,
		load: func() (tls.Certificate, error) {
			issuer.now = now()
			return issuer.issue()
		},
		stale: func(current *tls.Certificate) bool {
			life := current.Leaf.NotAfter.Sub(current.Leaf.NotBefore)
			return now().After(current.Leaf.NotBefore.Add(life * 2 / 3))
		},
	}
}

// newFromFiles keeps a certificate that somebody else renews, such as the kubelet in a mounted Secret.
func newFromFiles(certFile, keyFile string, now func() time.Time, log logrus.FieldLogger) *servingCertificate {
	var seen [2]os.FileInfo
	look := func() (found [2]os.FileInfo) {
		for i, name := range []string{certFile, keyFile} {
			if stat, err := os.Stat(name); err == nil {
				found[i] = stat
			}
		}
		return found
	}
	return &servingCertificate{
		now: now, log: log,
		load: func() (tls.Certificate, error) {
			found := look()
			certificate, err := tls.LoadX509KeyPair(certFile, keyFile)
			if err != nil {
				return tls.Certificate{}, fmt.Errorf("load the certificate %s with the key %s: %w", certFile, keyFile, err)
			}
			seen = found
			return certificate, nil
		},
		stale: func(*tls.Certificate) bool {
			found := look()
			return changed(seen[0], found[0]) || changed(seen[1], found[1])
		},
	}
}

// changed tells whether a file is another one now. A file that is gone for the moment is not.
func changed(before, now os.FileInfo) bool {
	return now != nil && (before == nil || !os.SameFile(before, now) || !now.ModTime().Equal(before.ModTime()) || now.Size() != before.Size())
}
