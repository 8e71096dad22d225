package plan_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	admissionregistration "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/runecast/runecast/certgen/pki"
	"github.com/runecast/runecast/certgen/plan"
	"github.com/runecast/runecast/certgen/state"
	"github.com/runecast/runecast/pkg/webhook"
)

// event is something that happens to an install.
type event struct {
	name string
	do   func(t *testing.T, m *model, r *rand.Rand)
}

func ask(secret *corev1.Secret) {
	if secret == nil {
		return
	}
	if secret.Annotations == nil {
		secret.Annotations = map[string]string{}
	}
	secret.Annotations[state.AnnotationRotate] = "now"
}

// cut is a run of a command that ends after some writes, wherever that is.
func cut(name string, scope plan.Scope) event {
	return event{"a run of " + name, func(t *testing.T, m *model, r *rand.Rand) {
		t.Helper()
		if _, err := m.run(t, options(t, scope), r.IntN(7), time.Duration(r.IntN(48))*time.Hour); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}}
}

// quiet are the events from which every caller must come off unhurt, whatever it was given.
func quiet() []event {
	return []event{
		cut("issue", issue()), cut("patch", patch()), cut("reconcile", reconcile()), cut("reconcile", reconcile()), cut("reconcile", reconcile()),
		{"minutes", func(_ *testing.T, m *model, r *rand.Rand) { m.pass(time.Duration(1+r.IntN(5)) * time.Minute) }},
		{"one kubelet", func(_ *testing.T, m *model, r *rand.Rand) { m.pass(time.Second, r.IntN(2)) }},
		{"days", func(_ *testing.T, m *model, r *rand.Rand) { m.pass(time.Duration(r.IntN(8)) * day) }},
		{"rotate the CA", func(_ *testing.T, m *model, _ *rand.Rand) { ask(m.world.CASecret) }},
		{"rotate the key", func(_ *testing.T, m *model, _ *rand.Rand) { ask(m.world.KeySecret) }},
		{"new private key", func(_ *testing.T, m *model, _ *rand.Rand) { ask(m.world.ServingSecret) }},
		{"no ca.crt", func(_ *testing.T, m *model, _ *rand.Rand) { delete(m.world.ServingSecret.Data, "ca.crt") }},
		{"helm renames a webhook", func(_ *testing.T, m *model, _ *rand.Rand) {
			m.world.Managed = m.configuration("chart", nil)
		}},
		{"the chart's configuration is deleted", func(_ *testing.T, m *model, _ *rand.Rand) { m.world.Managed = nil }},
		{"another one is made by hand", func(_ *testing.T, m *model, _ *rand.Rand) {
			if len(m.world.Adopted) == 3 {
				return
			}
			c := m.configuration(fmt.Sprint("hand-", len(m.world.Adopted)), m.world.ServingSecret.Data["tls.crt"])
			m.world.Adopted = append(m.world.Adopted, c)
			// Away from a CA without key nothing leads from its tls.crt: until a run has been there, its calls fail.
			if ca, err := state.ReadCA(m.world.CASecret); err != nil || (ca.Phase != state.Idle && ca.Cross == nil && ca.NextCross == nil) {
				m.dirty[c.Name] = true
			}
		}},
		{"an old bundle is applied by hand", func(_ *testing.T, m *model, r *rand.Rand) {
			if len(m.world.Adopted) == 0 || len(m.handed) == 0 {
				return
			}
			c := m.world.Adopted[r.IntN(len(m.world.Adopted))]
			c.Webhooks[0].ClientConfig.CABundle = webhook.EncodeBundle(m.handed[r.IntN(len(m.handed))].bundle...)
			m.dirty[c.Name] = true
		}},
	}
}

// losses are events after which bundles that were copied out before cannot be followed any more; configurations can.
func losses() []event {
	lost := func(m *model) { m.handed = nil }
	return []event{
		{"the CA Secret is lost", func(t *testing.T, m *model, _ *rand.Rand) {
			t.Helper()
			m.world.CASecret = nil
			lost(m)
			m.mend(t)
		}},
		{"the CA key is lost", func(_ *testing.T, m *model, _ *rand.Rand) { delete(m.world.CASecret.Data, "tls.key"); lost(m) }},
		{"a CA of somebody else", func(t *testing.T, m *model, _ *rand.Rand) {
			t.Helper()
			ca, err := pki.NewAuthority(1, m.now, 3650*day)
			must(t, err)
			must(t, (&state.CA{Current: ca, Generation: m.generation()}).Write(m.world.CASecret))
			delete(m.world.CASecret.Annotations, state.AnnotationPhase)
			lost(m)
		}},
		{"the key Secret is lost", func(t *testing.T, m *model, _ *rand.Rand) {
			t.Helper()
			m.world.KeySecret, m.strangers = nil, true
			m.mend(t)
		}},
		{"the review key is spoilt", func(_ *testing.T, m *model, _ *rand.Rand) {
			m.world.KeySecret.Data["key"], m.strangers = []byte("spoilt"), true
		}},
	}
}

// mend runs issue, as reconcile makes no Secrets.
func (m *model) mend(t *testing.T) {
	t.Helper()
	if _, err := m.run(t, options(t, issue()), -1, time.Minute); err != nil {
		t.Fatalf("issue: %v", err)
	}
}

func installed(t *testing.T) *model {
	t.Helper()
	m := newModel()
	m.mend(t)
	m.world.Managed = m.configuration("chart", nil)
	m.world.Adopted = []*admissionregistration.ValidatingWebhookConfiguration{m.configuration("hand", m.world.ServingSecret.Data["tls.crt"])}
	m.pass(3 * time.Minute)
	_, err := m.run(t, options(t, patch()), -1, time.Minute)
	must(t, err)
	return m
}

// TestRandom lets an install live through random events. After every write every caller must trust what the servers present and may
// present next, and in the end everything must be idle.
func TestRandom(t *testing.T) {
	t.Parallel()
	for name, events := range map[string][]event{"quiet": quiet(), "losses": append(quiet(), losses()...)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for seed := range uint64(20) {
				var story strings.Builder
				t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
					t.Parallel()
					r := rand.New(rand.NewPCG(seed, 1))
					m := installed(t)
					defer func() {
						if t.Failed() {
							t.Log("what happened:" + story.String())
						}
					}()
					for range 25 {
						e := events[r.IntN(len(events))]
						story.WriteString("\n\t" + e.name)
						e.do(t, m, r)
						if err := m.fault(); err != nil {
							t.Fatalf("after %s: %v", e.name, err)
						}
					}
					story.WriteString("\n\tthe end")
					m.converge(t)
				})
			}
		})
	}
}
