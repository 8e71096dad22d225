package plan

import (
	"crypto/x509"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/runecast/runecast/certgen/pki"
	"github.com/runecast/runecast/certgen/state"
	"github.com/runecast/runecast/pkg/webhook"
)

// Reasons of Events about the serving certificate.
const (
	EventCertificateIssued = "CertificateIssued"
	EventBundleUpdated     = "CertificateChainUpdated"
)

func zero() time.Time { return time.Time{} }

// serving makes sure that the serving Secret holds a good leaf of the current CA, its chain and the phase's bundle.
func (d *decision) serving() (Step, error) {
	if d.o.Source != SourceCertgen || !d.o.Secrets {
		return Step{}, nil
	}
	if d.w.ServingSecret == nil && !d.o.Create {
		return Step{}, d.missing(d.o.ServingSecret)
	}
	if s := d.w.ServingSecret; s != nil && s.Type != corev1.SecretTypeTLS {
		return Step{}, fmt.Errorf("secret %s in namespace %s is of type %s and must be of type %s, which cannot be changed: delete it and run certgen issue, as helm upgrade does",
			s.Name, s.Namespace, s.Type, corev1.SecretTypeTLS)
	}
	if d.ca.Current.Key == nil { // phase expand away from a CA that others keep
		if d.leaf.Signer(d.now, d.ca.Current.Certificate) == nil {
			return d.switchCA("the serving certificate is no good, and the key of its CA is not there")
		}
		return d.servingBundle()
	}
	keyReason, leafReason := d.servingReasons()
	if keyReason != "" {
		var err error
		if d.leaf.Key, err = pki.NewKey(); err != nil {
			return Step{}, err
		}
		leafReason = keyReason
	}
	if leafReason == "" {
		return d.servingBundle()
	}
	leaf, err := d.o.Leaf.Issue(d.ca.Current, d.leaf.Key, d.now)
	if err != nil {
		return Step{}, err
	}
	d.leaf.Leaf, d.leaf.Asked = leaf, ""
	d.leaf.Renewals++
	return d.writeServing("issue the serving certificate", leafReason, EventCertificateIssued)
}

// servingReasons tell why the private key must be replaced, and why the leaf.
func (d *decision) servingReasons() (key, leaf string) {
	switch {
	case d.w.ServingSecret == nil:
		return "there is no serving Secret", ""
	case d.leaf.Key == nil:
		return "the private key cannot be read", ""
	case d.leaf.Asked != "":
		return "asked for by the annotation " + state.AnnotationRotate, ""
	case pki.CheckKey(d.leaf.Key) != "":
		return pki.CheckKey(d.leaf.Key), ""
	case d.leaf.Leaf == nil:
		return "", "the certificate cannot be read"
	}
	return "", d.o.Leaf.Check(d.leaf.Leaf, d.leaf.Key, d.ca.Current.Certificate, d.now)
}

// servingBundle makes sure of what goes with a leaf that is good: its chain, the bundle and the encoding of its key.
func (d *decision) servingBundle() (Step, error) {
	bundle := d.ca.Trusted(d.dropOld())
	why := ""
	switch {
	case !d.sameBundle(bundle):
		why = "ca.crt is not the bundle of phase " + d.ca.Phase.Name()
	case d.ca.Current.Key == nil: // the chain and the key are as somebody else made them
	case !slices.EqualFunc(d.leaf.Intermediates, d.ca.Intermediates(d.now), (*x509.Certificate).Equal):
		why = "tls.crt has other certificates after the leaf"
	case !d.leaf.PKCS8:
		why = "tls.key is not in PKCS#8"
	}
	if why == "" {
		return Step{}, nil
	}
	return d.writeServing("write the chain of the serving certificate", why, EventBundleUpdated)
}

func (d *decision) sameBundle(bundle []*x509.Certificate) bool {
	if len(bundle) != len(d.leaf.Bundle) {
		return false
	}
	return !slices.ContainsFunc(bundle, func(c *x509.Certificate) bool { return !webhook.Contains(d.leaf.Bundle, c) })
}

func (d *decision) writeServing(what, why, event string) (Step, error) {
	d.leaf.Bundle = d.ca.Trusted(d.dropOld())
	if d.ca.Current.Key != nil {
		d.leaf.Intermediates = d.ca.Intermediates(d.now)
	}
	secret := d.newSecret(d.w.ServingSecret, d.o.ServingSecret, corev1.SecretTypeTLS)
	if err := d.leaf.Write(secret); err != nil {
		return Step{}, err
	}
	return Step{Action: Write, What: what, Why: why, Event: event, Secret: secret, Create: d.w.ServingSecret == nil}, nil
}
