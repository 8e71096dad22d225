package state_test

import (
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/runecast/runecast/certgen/pki"
	"github.com/runecast/runecast/certgen/state"
)

// FuzzSecrets reads Secrets of any content as each of the three kinds. What is read can be written and is read alike again, and no
// text of a fault has the private key in it.
func FuzzSecrets(f *testing.F) {
	one, two := authority(f, 1), authority(f, 2)
	cross, err := pki.CrossSign(two.Certificate, one, start())
	must(f, err)
	secret := serving(f, one)
	f.Add(secret.Data["tls.crt"], secret.Data["tls.key"], secret.Data["ca.crt"], "", "3", "")
	must(f, (&state.CA{Current: one, Next: two, NextCross: cross, Phase: state.Expand, Since: start(), Generation: 2}).Write(secret))
	f.Add(secret.Data["tls.crt"], secret.Data["tls.key"], secret.Data["next-cross.crt"], "expand", "2", start().Format(time.RFC3339))
	f.Add([]byte("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"), []byte("-----BEGIN EC PRIVATE KEY-----"), []byte{}, "switch", "-1", "yesterday")
	f.Fuzz(func(t *testing.T, crt, key, extra []byte, phase, number, moment string) {
		secret := &corev1.Secret{Data: map[string][]byte{
			"tls.crt": crt, "tls.key": key, "ca.crt": extra, "cross.crt": extra, "next.crt": extra, "next.key": key, "previous.crt": crt, "key": extra, "previous": crt,
		}}
		secret.Annotations = map[string]string{
			state.AnnotationPhase: phase, "runecast.com/phase-since": moment, "runecast.com/generation": number, "runecast.com/renewals": number, "runecast.com/retired": moment,
		}
		if ca, err := state.ReadCA(secret); err == nil {
			written := &corev1.Secret{}
			if err := ca.Write(written); err == nil {
				if again, err := state.ReadCA(written); err != nil || again.Current.Check(start()) != ca.Current.Check(start()) || !again.Since.Equal(ca.Since) || len(again.Trusted(true)) != len(ca.Trusted(true)) {
					t.Errorf("CA: read %+v again as %+v, %v", ca, again, err)
				}
			}
			ca.Obsolete(true)
		}
		if k, err := state.ReadKey(secret); err == nil {
			written := &corev1.Secret{}
			k.Write(written)
			if again, err := state.ReadKey(written); err != nil || again.Check() != k.Check() || again.Current != k.Current {
				t.Errorf("key: read %+v again as %+v, %v", k, again, err)
			}
		}
		s := state.ReadServing(secret)
		s.Signer(start())
		if s.Leaf != nil && s.Key != nil {
			written := &corev1.Secret{}
			if err := s.Write(written); err == nil {
				if again := state.ReadServing(written); again.Leaf == nil || !again.Leaf.Equal(s.Leaf) || again.Key == nil || !again.PKCS8 {
					t.Error("the serving Secret is read otherwise again")
				}
			}
		}
		if _, err := state.Roots(secret); err != nil && len(key) > 20 && strings.Contains(err.Error(), string(key)) {
			t.Error("the fault tells the private key")
		}
	})
}
