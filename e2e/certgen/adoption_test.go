//go:build certgen

package certgen_test

import (
	"bytes"
	"crypto/x509"
	"strings"
	"testing"
	"time"

	admissionregistration "k8s.io/api/admissionregistration/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/runecast/runecast/certgen/pki"
	"github.com/runecast/runecast/certgen/plan"
	"github.com/runecast/runecast/certgen/state"
	"github.com/runecast/runecast/pkg/webhook"
)

// testAdoption rotates the CA under a configuration that was made by hand: the bundle of the webhook that calls our Service follows, and
// nothing else of the configuration changes.
func (l *lab) testAdoption(t *testing.T) {
	p, clock := l.newPlace(t), newFakeClock()
	installed(t, p, clock)
	foreign, err := pki.NewAuthority(1, time.Now(), 24*time.Hour)
	must(t, err)
	configurations := p.Client.AdmissionregistrationV1().ValidatingWebhookConfigurations()
	c, err := configurations.Get(t.Context(), p.byHand, metav1.GetOptions{})
	must(t, err)
	c.Webhooks[0].ClientConfig.CABundle = append([]byte("# our own proxy\n"), append(c.Webhooks[0].ClientConfig.CABundle, webhook.EncodeBundle(foreign.Certificate)...)...)
	add := func(name string, change func(*admissionregistration.WebhookClientConfig)) {
		w := c.Webhooks[0].DeepCopy()
		w.Name = name
		change(&w.ClientConfig)
		c.Webhooks = append(c.Webhooks, *w)
	}
	add("another-namespace.runecast.com", func(w *admissionregistration.WebhookClientConfig) { w.Service.Namespace = "default" })
	add("another-service.runecast.com", func(w *admissionregistration.WebhookClientConfig) { w.Service.Name = "something-else" })
	add("by-url.runecast.com", func(w *admissionregistration.WebhookClientConfig) {
		w.Service, w.URL = nil, new("https://runecast.domain.local/x")
	})
	before, err := configurations.Update(t.Context(), c, metav1.UpdateOptions{})
	must(t, err)
	oldCA := state.ReadServing(p.secret(t, servingSecret)).Intermediates[0]

	p.ask(t, caSecret)
	r := run{scope: reconcile, clock: &followingClock{fakeClock: clock, follow: p.follow(t)}, timeout: time.Hour} // not as far as contract
	_, err = p.converge(t.Context(), t, r)
	must(t, err)
	newCA := state.ReadServing(p.secret(t, servingSecret)).Intermediates[1]
	during := p.clientConfig(t, p.byHand)
	if !bytes.HasPrefix(during.CABundle, before.Webhooks[0].ClientConfig.CABundle) {
		t.Error("the bundle of before is not kept as it was")
	}
	p.checkBundle(t, map[*x509.Certificate]bool{oldCA: true, newCA: true, foreign.Certificate: true})

	_, err = p.converge(t.Context(), t, long(r))
	must(t, err)
	p.checkBundle(t, map[*x509.Certificate]bool{oldCA: false, newCA: true, foreign.Certificate: true})
	after, err := configurations.Get(t.Context(), p.byHand, metav1.GetOptions{})
	must(t, err)
	for i := range after.Webhooks {
		if i == 0 {
			after.Webhooks[i].ClientConfig.CABundle = before.Webhooks[i].ClientConfig.CABundle
		}
		if after.Webhooks[i].String() != before.Webhooks[i].String() {
			t.Errorf("webhook %s has changed:\n%s\nwas:\n%s", after.Webhooks[i].Name, &after.Webhooks[i], &before.Webhooks[i])
		}
	}

	// It is applied again from a file of before the rotation: it gets the new CA and loses the one that was retired.
	after.Webhooks[0].ClientConfig.CABundle = webhook.EncodeBundle(oldCA, foreign.Certificate)
	_, err = configurations.Update(t.Context(), after, metav1.UpdateOptions{})
	must(t, err)
	_, err = p.converge(t.Context(), t, r)
	must(t, err)
	p.checkBundle(t, map[*x509.Certificate]bool{oldCA: false, newCA: true, foreign.Certificate: true})
}

// checkBundle checks which certificates the bundle made by hand holds.
func (p *place) checkBundle(t *testing.T, want map[*x509.Certificate]bool) {
	t.Helper()
	bundle, err := webhook.ParseBundle(p.clientConfig(t, p.byHand).CABundle)
	must(t, err)
	for c, has := range want {
		if webhook.Contains(bundle, c) != has {
			t.Errorf("the bundle holds %q: %t, want %t", c.Subject.CommonName, !has, has)
		}
	}
}

// testNoPolicy patches the webhooks that have a policy, and names the one that has none.
func (l *lab) testNoPolicy(t *testing.T) {
	p := l.newPlace(t)
	_, err := p.converge(t.Context(), t, run{scope: issue})
	must(t, err)
	c := p.configuration(p.managed, webhookName)
	c.Annotations = map[string]string{webhook.PoliciesAnnotation: `{"` + webhookName + `":"2"}`}
	second := c.Webhooks[0].DeepCopy()
	second.Name = "forgotten.runecast.com"
	c.Webhooks = append(c.Webhooks, *second)
	_, err = p.Client.AdmissionregistrationV1().ValidatingWebhookConfigurations().Create(t.Context(), c, metav1.CreateOptions{})
	must(t, err)
	for _, scope := range []plan.Scope{patch, reconcile} {
		_, err = p.converge(t.Context(), t, run{scope: scope})
		if err == nil || !strings.Contains(err.Error(), `"forgotten.runecast.com"`) || strings.Contains(err.Error(), webhookName) {
			t.Errorf("got %v, want an error that names the webhook without policy alone", err)
		}
	}
	if path := p.clientConfig(t, p.managed).Service.Path; path == nil || !strings.HasPrefix(*path, webhook.ReviewPath("2", "")) {
		t.Error("the webhook with a policy has no path")
	}
	if _, err = p.converge(t.Context(), t, run{scope: issue}); err != nil {
		t.Errorf("issue, which runs before the upgrade that may bring the policy: %v", err)
	}
}
