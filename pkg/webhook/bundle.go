package webhook

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
)

const certificateBlock = "CERTIFICATE"

// ParseBundle reads the certificates of a PEM bundle, in their order. Text between the blocks is passed over, as TLS libraries do;
// a block that is no certificate, or one that cannot be parsed, is an error. An empty bundle has none.
func ParseBundle(bundle []byte) ([]*x509.Certificate, error) {
	var certificates []*x509.Certificate
	for rest := bundle; ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			if bytes.Contains(rest, []byte("-----BEGIN")) {
				return nil, errors.New("a PEM block of the bundle is broken")
			}
			return certificates, nil
		}
		if block.Type != certificateBlock {
			return nil, fmt.Errorf("the bundle holds a PEM block of type %q, only certificates belong there", block.Type)
		}
		certificate, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("certificate %d of the bundle: %w", len(certificates)+1, err)
		}
		certificates = append(certificates, certificate)
	}
}

// EncodeBundle writes certificates as PEM, one after the other, each of them once.
func EncodeBundle(certificates ...*x509.Certificate) []byte {
	var bundle []byte
	for i, c := range certificates {
		if !Contains(certificates[:i], c) {
			bundle = append(bundle, pem.EncodeToMemory(&pem.Block{Type: certificateBlock, Bytes: c.Raw})...)
		}
	}
	return bundle
}

// Contains tells whether the very certificate is among others.
func Contains(certificates []*x509.Certificate, c *x509.Certificate) bool {
	return slices.ContainsFunc(certificates, c.Equal)
}

// Amend adds to a bundle the certificates of add that it lacks, and removes those that drop selects. Everything else stays, text
// between the blocks too unless something is removed. changed tells whether the bundle is another one now; an
// unreadable bundle is an error and left alone.
func Amend(bundle []byte, add []*x509.Certificate, drop func(*x509.Certificate) bool) (amended []byte, changed bool, err error) {
	have, err := ParseBundle(bundle)
	if err != nil {
		return bundle, false, err
	}
	amended = bytes.Clone(bundle)
	if drop != nil {
		kept := slices.DeleteFunc(slices.Clone(have), func(c *x509.Certificate) bool { return drop(c) && !Contains(add, c) })
		if len(kept) != len(have) {
			have, amended, changed = kept, EncodeBundle(kept...), true
		}
	}
	for _, c := range add {
		if Contains(have, c) {
			continue
		}
		if len(amended) > 0 && !bytes.HasSuffix(amended, []byte("\n")) {
			amended = append(amended, '\n')
		}
		have, amended, changed = append(have, c), append(amended, EncodeBundle(c)...), true
	}
	return amended, changed, nil
}
