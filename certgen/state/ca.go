package state

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/runecast/runecast/certgen/pki"
	"github.com/runecast/runecast/pkg/webhook"
)

// Data of the CA Secret beside tls.crt and tls.key.
const (
	dataCross     = "cross.crt"
	dataNextCert  = "next.crt"
	dataNextKey   = "next.key"
	dataNextCross = "next-cross.crt"
	dataPrevious  = "previous.crt"
	maxRetired    = 8
)

// CA is what the CA Secret says.
type CA struct {
	Current    pki.Authority     // the one that signs the leaf; without key where it is not ours or the key was lost
	Cross      *x509.Certificate // Current, signed by the one before; may be nil
	Next       pki.Authority     // in phase expand
	NextCross  *x509.Certificate // Next, signed by Current; nil where Current has no key
	Previous   *x509.Certificate // in phases switch and contract
	Phase      Phase
	Since      time.Time // when the phase began
	Expanded   time.Time // in phase expand: when every bundle was seen to hold both; zero before
	Generation int       // how many CAs were made
	Request    string    // the last request for a rotation that was taken up
	Asked      string    // a request by annotation that was not taken up yet
	Retired    []string  // fingerprints of CAs of ours that were dropped
}

// ReadCA reads the CA Secret. A certificate or key that cannot be read is left out, for Authority.Check to name; a phase that is not
// known is an error, as a newer version may have begun something that this one must not touch.
func ReadCA(secret *corev1.Secret) (CA, error) {
	c := CA{
		Current: readAuthority(secret, corev1.TLSCertKey, corev1.TLSPrivateKeyKey), Cross: readCertificate(secret, dataCross),
		Next: readAuthority(secret, dataNextCert, dataNextKey), NextCross: readCertificate(secret, dataNextCross),
		Previous: readCertificate(secret, dataPrevious), Phase: Phase(secret.Annotations[AnnotationPhase]),
		Since: parseMoment(secret.Annotations[annotationSince]), Expanded: parseMoment(secret.Annotations[annotationExpanded]),
		Generation: count(secret, annotationGeneration), Request: secret.Annotations[annotationRequest],
		Asked: secret.Annotations[AnnotationRotate], Retired: fields(secret.Annotations[annotationRetired]),
	}
	return c, checkPhase(secret, c.Phase)
}

func checkPhase(secret *corev1.Secret, phase Phase) error {
	if slices.Contains(Phases(), phase) {
		return nil
	}
	return fmt.Errorf("annotation %s of Secret %s is %q, which this version does not know: run the version that wrote it, or remove the annotation",
		AnnotationPhase, secret.Name, string(phase))
}

func readAuthority(secret *corev1.Secret, certificate, key string) pki.Authority {
	a := pki.Authority{Certificate: readCertificate(secret, certificate)}
	if k, err := pki.DecodeKey(secret.Data[key]); err == nil {
		a.Key = k
	}
	return a
}

func readCertificate(secret *corev1.Secret, name string) *x509.Certificate {
	certificates, err := webhook.ParseBundle(secret.Data[name])
	if err != nil || len(certificates) == 0 {
		return nil
	}
	return certificates[0]
}

// Write puts the state into the CA Secret and leaves everything else in it alone.
func (c *CA) Write(secret *corev1.Secret) error {
	for _, a := range []struct {
		certificate, key string
		authority        pki.Authority
	}{{corev1.TLSCertKey, corev1.TLSPrivateKeyKey, c.Current}, {dataNextCert, dataNextKey, c.Next}} {
		writeCertificate(secret, a.certificate, a.authority.Certificate)
		var key []byte
		if a.authority.Key != nil {
			var err error
			if key, err = pki.EncodeKey(a.authority.Key); err != nil {
				return fmt.Errorf("write Secret %s: %w", secret.Name, err)
			}
		}
		put(secret, a.key, key)
	}
	writeCertificate(secret, dataCross, c.Cross)
	writeCertificate(secret, dataNextCross, c.NextCross)
	writeCertificate(secret, dataPrevious, c.Previous)
	annotate(secret, AnnotationPhase, string(c.Phase))
	annotate(secret, annotationSince, moment(c.Since))
	annotate(secret, annotationExpanded, moment(c.Expanded))
	annotate(secret, annotationGeneration, strconv.Itoa(c.Generation))
	annotate(secret, annotationRequest, c.Request)
	annotate(secret, AnnotationRotate, c.Asked)
	annotate(secret, annotationRetired, strings.Join(c.Retired[max(0, len(c.Retired)-maxRetired):], ","))
	return nil
}

func writeCertificate(secret *corev1.Secret, name string, c *x509.Certificate) {
	if c == nil {
		put(secret, name, nil)
		return
	}
	put(secret, name, webhook.EncodeBundle(c))
}

// Trusted are the roots that callers must have in a phase. In phase contract, dropOld tells that the old one is to go.
func (c *CA) Trusted(dropOld bool) []*x509.Certificate {
	trusted := []*x509.Certificate{c.Current.Certificate}
	switch c.Phase {
	case Expand:
		trusted = append(trusted, c.Next.Certificate)
	case Switch, Contract:
		if c.Phase == Switch || !dropOld {
			trusted = append(trusted, c.Previous)
		}
	case Idle:
	}
	return slices.DeleteFunc(trusted, func(c *x509.Certificate) bool { return c == nil })
}

// Obsolete selects the certificates of ours that bundles made by hand are to lose: CAs that were retired and, when dropOld is set in
// phase contract, the one before with the leaves that it signed. A CA of somebody else is never selected.
func (c *CA) Obsolete(dropOld bool) func(*x509.Certificate) bool {
	return func(other *x509.Certificate) bool {
		if slices.Contains(c.Retired, Fingerprint(other)) {
			return true
		}
		if !dropOld || c.Phase != Contract || !pki.IsOurs(c.Previous) {
			return false
		}
		return other.Equal(c.Previous) || (!other.IsCA && other.CheckSignatureFrom(c.Previous) == nil)
	}
}

// Intermediates follow the leaf in tls.crt: the cross-signed CA, as long as it is good, and the CA itself. In phase switch the CA before
// comes last: some endpoints still present its leaf, and whoever copies tls.crt for a caBundle now has to trust those too.
func (c *CA) Intermediates(now time.Time) []*x509.Certificate {
	var chain []*x509.Certificate
	if c.Cross != nil && now.Before(c.Cross.NotAfter) {
		chain = append(chain, c.Cross)
	}
	chain = append(chain, c.Current.Certificate)
	if c.Phase == Switch && c.Previous != nil {
		chain = append(chain, c.Previous)
	}
	return chain
}

// Fingerprint is the SHA-256 of a certificate, in hexadecimal digits.
func Fingerprint(c *x509.Certificate) string {
	sum := sha256.Sum256(c.Raw)
	return hex.EncodeToString(sum[:])
}
