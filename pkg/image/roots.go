package image

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
)

// readCertificates reads a PEM file of certificates. What else is in it is passed over, but a file with none is an error.
func readCertificates(name string) ([]*x509.Certificate, error) {
	rest, err := readSmall(name)
	if err != nil {
		return nil, err
	}
	var found []*x509.Certificate
	for {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		if block.Type != "CERTIFICATE" {
			continue
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		found = append(found, cert)
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("%s has no certificate in PEM", name)
	}
	return found, nil
}

// roots are certificates beside the system's.
type roots struct{ added []*x509.Certificate }

// config trusts the roots, and those of one host with them. Without any it leaves the choice to crypto/tls.
func (r *roots) config(more ...*x509.Certificate) *tls.Config {
	out := &tls.Config{MinVersion: tls.VersionTLS12}
	if all := slices.Concat(r.added, more); len(all) > 0 {
		out.RootCAs = systemRoots()
		for _, cert := range all {
			out.RootCAs.AddCert(cert)
		}
	}
	return out
}

// readRootFiles reads the files of a setting such as Options.CAFiles, all errors at once.
func readRootFiles(setting string, names []string) (*roots, error) {
	out := &roots{}
	var errs []error
	for _, name := range names {
		certs, err := readCertificates(name)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", setting, err))
		}
		out.added = append(out.added, certs...)
	}
	return out, errors.Join(errs...)
}

func systemRoots() *x509.CertPool {
	pool, err := x509.SystemCertPool()
	if err != nil {
		return x509.NewCertPool()
	}
	return pool
}
