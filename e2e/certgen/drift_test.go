//go:build certgen

package certgen_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/runecast/runecast/certgen/pki"
	"github.com/runecast/runecast/certgen/plan"
	"github.com/runecast/runecast/certgen/state"
)

// drift changes one thing of what an install left.
type drift struct {
	change  func(t *testing.T, p *place, clock *fakeClock)
	options func(*plan.Options)
	why     string // begins the reason of the first write; none: nothing is to be written
	newKey  bool   // whether the private key is to change
	sameCA  bool   // whether the CA is to stay
}

func drifts() map[string]drift {
	serving := func(change func(t *testing.T, s *corev1.Secret)) func(*testing.T, *place, *fakeClock) {
		return func(t *testing.T, p *place, _ *fakeClock) {
			t.Helper()
			s := p.secret(t, servingSecret)
			change(t, s)
			p.update(t, s)
		}
	}
	return map[string]drift{
		"nothing":     {change: func(*testing.T, *place, *fakeClock) {}, sameCA: true},
		"two months":  {change: func(t *testing.T, _ *place, c *fakeClock) { t.Helper(); must(t, c.Wait(t.Context(), 61*24*time.Hour)) }, why: "two thirds of the certificate's life", sameCA: true},
		"four months": {change: func(t *testing.T, _ *place, c *fakeClock) { t.Helper(); must(t, c.Wait(t.Context(), 120*24*time.Hour)) }, why: "the certificate ended", sameCA: true},
		"one more name": {
			change: func(*testing.T, *place, *fakeClock) {}, sameCA: true, why: "the certificate is for other names",
			options: func(o *plan.Options) { o.Leaf.Names.DNS = append([]string{"a.example.com"}, o.Leaf.Names.DNS...) },
		},
		"one address less": {
			change: func(*testing.T, *place, *fakeClock) {}, sameCA: true, why: "the certificate is for other names",
			options: func(o *plan.Options) { o.Leaf.Names.Addresses = o.Leaf.Names.Addresses[:1] },
		},
		"another validity": {
			change: func(*testing.T, *place, *fakeClock) {}, sameCA: true, why: "the certificate has another validity",
			options: func(o *plan.Options) { o.Leaf.Validity = 30 * 24 * time.Hour },
		},
		"another private key": {change: serving(func(t *testing.T, s *corev1.Secret) { t.Helper(); s.Data["tls.key"] = newKeyPEM(t) }), newKey: false, sameCA: true, why: "the certificate is not of the private key"},
		"no private key":      {change: serving(func(_ *testing.T, s *corev1.Secret) { s.Data["tls.key"] = []byte("none") }), newKey: true, sameCA: true, why: "the private key cannot be read"},
		"an RSA key": {change: serving(func(t *testing.T, s *corev1.Secret) {
			t.Helper()
			key, err := rsa.GenerateKey(rand.Reader, 2048)
			must(t, err)
			s.Data["tls.key"] = pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})
		}), newKey: true, sameCA: true, why: "the private key is not of ECDSA"},
		"a key in SEC 1": {change: serving(func(t *testing.T, s *corev1.Secret) {
			t.Helper()
			key, err := pki.DecodeKey(s.Data["tls.key"])
			must(t, err)
			der, err := x509.MarshalECPrivateKey(key.(*ecdsa.PrivateKey)) //nolint:errcheck // the test's own key: another type should panic
			must(t, err)
			s.Data["tls.key"] = pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der})
		}), sameCA: true, why: "tls.key is not in PKCS#8"},
		"no certificate":      {change: serving(func(_ *testing.T, s *corev1.Secret) { s.Data["tls.crt"] = []byte("none") }), sameCA: true, why: "the certificate cannot be read"},
		"the leaf alone":      {change: serving(func(t *testing.T, s *corev1.Secret) { t.Helper(); s.Data["tls.crt"] = firstPEM(t, s.Data["tls.crt"]) }), sameCA: true, why: "tls.crt has other certificates after the leaf"},
		"no bundle":           {change: serving(func(_ *testing.T, s *corev1.Secret) { delete(s.Data, "ca.crt") }), sameCA: true, why: "ca.crt is not the bundle"},
		"a new key asked for": {change: func(t *testing.T, p *place, _ *fakeClock) { t.Helper(); p.ask(t, servingSecret) }, newKey: true, sameCA: true, why: "asked for"},
		"caBundle gone":       {change: func(t *testing.T, p *place, _ *fakeClock) { t.Helper(); p.clearBundle(t) }, sameCA: true, why: "caBundle is not as it has to be"},
		"another review key": {change: func(t *testing.T, p *place, _ *fakeClock) {
			t.Helper()
			s := p.secret(t, keySecret)
			s.Data["key"] = []byte("NOT-a-good-one")
			p.update(t, s)
		}, sameCA: true, why: "the review key is not"},
		"a CA of somebody else": {change: func(t *testing.T, p *place, _ *fakeClock) {
			t.Helper()
			ca, err := pki.NewAuthority(7, time.Now(), 10*365*24*time.Hour)
			must(t, err)
			s := p.secret(t, caSecret)
			c := state.CA{Current: ca, Generation: 7}
			must(t, c.Write(s))
			p.update(t, s)
		}, why: "the serving certificate in use is of the CA"},
		"the key of another CA": {change: func(t *testing.T, p *place, _ *fakeClock) {
			t.Helper()
			s := p.secret(t, caSecret)
			s.Data["tls.key"] = newKeyPEM(t)
			p.update(t, s)
		}, why: "the CA's key does not belong"},
		"no CA key": {change: func(t *testing.T, p *place, _ *fakeClock) {
			t.Helper()
			s := p.secret(t, caSecret)
			delete(s.Data, "tls.key")
			p.update(t, s)
		}, why: "there is no CA key"},
	}
}

// testDrift changes one thing at a time: one run repairs it, says why, and another has nothing to do.
func (l *lab) testDrift(t *testing.T) {
	for name, d := range drifts() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, clock := l.newPlace(t), newFakeClock()
			installed(t, p, clock)
			ca := string(p.secret(t, caSecret).Data["tls.crt"])
			d.change(t, p, clock)
			key := string(p.secret(t, servingSecret).Data["tls.key"])
			r := long(run{scope: reconcile, clock: &followingClock{fakeClock: clock, follow: p.follow(t)}, change: d.options})
			result, err := p.converge(t.Context(), t, r)
			must(t, err)
			switch {
			case d.why == "" && len(result.Did) > 0:
				t.Errorf("it wrote %q: %s", result.Did[0].What, result.Did[0].Why)
			case d.why != "" && (len(result.Did) == 0 || !strings.HasPrefix(result.Did[0].Why, d.why)):
				t.Errorf("it did %+v, want a write because %s", result.Did, d.why)
			}
			s := p.secret(t, servingSecret)
			if changed := string(s.Data["tls.key"]) != key; d.newKey && !changed {
				t.Error("the private key is that of before")
			} else if !d.newKey && changed && name != "a key in SEC 1" {
				t.Error("the private key has changed")
			}
			if same := string(p.secret(t, caSecret).Data["tls.crt"]) == ca; same != d.sameCA {
				t.Errorf("the CA is that of before: %t", same)
			}
			pair, err := tls.X509KeyPair(s.Data["tls.crt"], s.Data["tls.key"])
			must(t, err)
			must(t, p.verify(&pair, p.clientConfig(t, p.managed).CABundle, clock.Now()))
			p.checkIdle(t, name)
			again, err := p.converge(t.Context(), t, r)
			if err != nil || len(again.Did) > 0 {
				t.Errorf("a further run: %+v, %v; want nothing to do", again.Did, err)
			}
		})
	}
}

func newKeyPEM(t *testing.T) []byte {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	encoded, err := pki.EncodeKey(key)
	must(t, err)
	return encoded
}

func firstPEM(t *testing.T, bundle []byte) []byte {
	t.Helper()
	block, _ := pem.Decode(bundle)
	return pem.EncodeToMemory(block)
}

// testWrongType finds a serving Secret whose type cannot be changed, and says what to do.
func (l *lab) testWrongType(t *testing.T) {
	p := l.newPlace(t)
	_, err := p.Client.CoreV1().Secrets(p.namespace).Create(t.Context(), &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: servingSecret}}, metav1.CreateOptions{})
	must(t, err)
	_, err = p.converge(t.Context(), t, run{scope: issue})
	if err == nil || !strings.Contains(err.Error(), "must be of type kubernetes.io/tls") || !strings.Contains(err.Error(), "delete it") {
		t.Errorf("got %v, want what to do", err)
	}
}
