package plan_test

import (
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"strconv"
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

const (
	day       = 24 * time.Hour
	namespace = "runecast"
	service   = "runecast-nginx"
	host      = service + "." + namespace + ".svc"
	maxSteps  = 80 // no way to the idle state is as long
)

// The scopes of the commands, as certgen/app gives them.
func issue() plan.Scope { return plan.Scope{Secrets: true, Create: true, Configure: true} }

func patch() plan.Scope { return plan.Scope{Configure: true} }

func reconcile() plan.Scope { return plan.Scope{Secrets: true, Configure: true, Rotate: true} }

func options(t *testing.T, scope plan.Scope) *plan.Options {
	t.Helper()
	names, err := pki.NewNames(namespace, "cluster.local", []string{service, "runecast-server"}, nil, nil)
	must(t, err)
	return &plan.Options{
		Scope: scope, Namespace: namespace, Source: plan.SourceCertgen,
		CASecret: "runecast-ca", ServingSecret: "runecast-nginx-tls", KeySecret: "runecast-review-key",
		Leaf: pki.Leaf{Names: names, Validity: 90 * day}, CAValidity: 3650 * day, Services: []webhook.Service{{Namespace: namespace, Name: service}},
		PropagationWait: 30 * time.Second, KeyWait: 3 * time.Minute, ContractAfter: day,
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// model is a cluster in memory: what is stored, what the servers have read of it, and the time.
type model struct {
	now     time.Time
	version int
	turn    int // of the endpoint that reads next
	world   plan.World

	endpoints []*state.Serving // what each presents; nil before it has read anything
	read      [2]time.Time     // when each has read last
	accepted  []string         // keys that the review servers know
	readKeys  time.Time
	handed    []handed
	switches  int             // from CA to CA
	dirty     map[string]bool // configurations that somebody changed since the last run that got to its end
	strangers bool            // whether the servers know the key of the path only when they have read again
	proved    map[string]bool // chains that were verified already under a bundle, since the time was put on
}

// handed is a bundle that somebody has copied out of the serving Secret.
type handed struct {
	bundle   []*x509.Certificate
	switches int // from CA to CA, until then
}

func newModel() *model {
	return &model{now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC), endpoints: make([]*state.Serving, 2), dirty: map[string]bool{}, proved: map[string]bool{}}
}

// configuration makes a webhook configuration as Helm renders it, or one made by hand.
func (m *model) configuration(name string, bundle []byte) *admissionregistration.ValidatingWebhookConfiguration {
	c := &admissionregistration.ValidatingWebhookConfiguration{Webhooks: []admissionregistration.ValidatingWebhook{{
		Name: "deny.runecast.com", ClientConfig: admissionregistration.WebhookClientConfig{
			CABundle: bundle, Service: &admissionregistration.ServiceReference{Namespace: namespace, Name: service},
		},
	}}}
	c.Name, c.Annotations = name, map[string]string{webhook.PoliciesAnnotation: `{"deny.runecast.com":"2"}`}
	m.stamp(&c.ResourceVersion)
	return c
}

func (m *model) stamp(version *string) {
	m.version++
	*version = strconv.Itoa(m.version)
}

// look gives the world as a run sees it.
func (m *model) look() *plan.World {
	w := m.world
	if w.ServingSecret != nil {
		leaf := state.ReadServing(w.ServingSecret).Leaf
		w.Present = func() plan.Presented {
			p := plan.Presented{Ready: len(m.endpoints)}
			for _, e := range m.endpoints {
				if e != nil && leaf != nil && e.Leaf.Equal(leaf) {
					p.New++
				}
			}
			return p
		}
	}
	return &w
}

// do makes the write of a step.
func (m *model) do(t *testing.T, step *plan.Step) {
	t.Helper()
	if step.Secret == nil {
		for _, e := range step.Edits {
			client := &step.Configuration.Webhooks[e.Index].ClientConfig // the model's own
			if e.CABundle != nil {
				client.CABundle = e.CABundle
			}
			if e.Path != "" {
				client.Service.Path = &e.Path
			}
		}
		m.stamp(&step.Configuration.ResourceVersion)
		return
	}
	m.stamp(&step.Secret.ResourceVersion)
	place := map[string]**corev1.Secret{"runecast-ca": &m.world.CASecret, "runecast-nginx-tls": &m.world.ServingSecret, "runecast-review-key": &m.world.KeySecret}[step.Secret.Name]
	if step.Create != (*place == nil) {
		t.Fatalf("%s: create %t, but it is there: %t", step.What, step.Create, *place != nil)
	}
	if *place != nil && step.Secret.Name == "runecast-ca" && step.Secret.Annotations[state.AnnotationPhase] == string(state.Switch) &&
		(*place).Annotations[state.AnnotationPhase] != string(state.Switch) {
		m.switches++
	}
	*place = step.Secret
	if step.Secret.Name == "runecast-nginx-tls" {
		s := state.ReadServing(step.Secret)
		m.handed = append(m.handed, handed{s.Bundle, m.switches})
		if ca, err := state.ReadCA(m.world.CASecret); err == nil && ca.Current.Key != nil { // else its next CA is not cross-signed, and tls.crt leads nowhere
			m.handed = append(m.handed, handed{append(s.Intermediates, s.Leaf), m.switches})
		}
	}
}

func (m *model) generation() int {
	if m.world.CASecret == nil {
		return 0
	}
	ca, err := state.ReadCA(m.world.CASecret)
	if err != nil {
		return 0
	}
	return ca.Generation
}

// pass lets time pass. Every two minutes each kubelet brings every Secret to its pod, and those that are chosen do at once.
func (m *model) pass(d time.Duration, chosen ...int) {
	m.now = m.now.Add(d)
	if d >= day {
		clear(m.proved)
	}
	for i := range m.endpoints {
		if !slices.Contains(chosen, i) && m.now.Sub(m.read[i]) < 2*time.Minute {
			continue
		}
		m.read[i] = m.now
		if m.world.ServingSecret == nil {
			continue
		}
		if s := state.ReadServing(m.world.ServingSecret); s.Leaf != nil && s.Key != nil {
			m.endpoints[i] = &s
		}
	}
	if m.now.Sub(m.readKeys) < 2*time.Minute || m.world.KeySecret == nil {
		return
	}
	m.readKeys = m.now
	if k, err := state.ReadKey(m.world.KeySecret); err == nil {
		m.accepted = []string{k.Current, k.Previous}
		m.strangers = m.strangers && (!m.known() || k.Check() != "")
	}
}

// run is one command that is cut off after some writes, or goes on until nothing is left or only a wait longer than its time.
func (m *model) run(t *testing.T, o *plan.Options, writes int, limit time.Duration) (end plan.Step, err error) {
	t.Helper()
	deadline := m.now.Add(limit)
	for range maxSteps {
		step, problems, err := plan.Decide(o, m.look(), m.now)
		if err != nil {
			return step, err
		}
		if len(problems) > 0 {
			t.Fatalf("problems: %v", problems)
		}
		switch step.Action {
		case plan.Nothing:
			m.settle(o)
			return step, nil
		case plan.Wait:
			until := step.Until
			if step.Poll {
				until = m.now.Add(time.Minute)
			}
			if until.After(deadline) {
				m.settle(o)
				return step, nil
			}
			m.turn++
			m.pass(until.Sub(m.now), m.turn%2)
		case plan.Write:
			if writes == 0 {
				return step, nil
			}
			writes--
			m.do(t, &step)
		}
		if err := m.fault(); err != nil {
			return step, fmt.Errorf("after %q (%s): %w", step.What, step.Why, err)
		}
	}
	return plan.Step{}, fmt.Errorf("no end after %d steps", maxSteps)
}

// settle notes that configurations are as they have to be.
func (m *model) settle(o *plan.Options) {
	if o.Configure {
		clear(m.dirty)
	}
}

func (m *model) configurations() []*admissionregistration.ValidatingWebhookConfiguration {
	all := m.world.Adopted
	if m.world.Managed != nil {
		all = append([]*admissionregistration.ValidatingWebhookConfiguration{m.world.Managed}, all...)
	}
	return all
}

// fault tells of a call that would be lost: a certificate that a server presents, or reads next, and that a caller would not trust, or
// the credential of a path that no server knows.
func (m *model) fault() error {
	chains := slices.Clone(m.endpoints)
	if m.world.ServingSecret != nil {
		if s := state.ReadServing(m.world.ServingSecret); s.Leaf != nil && s.Key != nil {
			chains = append(chains, &s)
		}
	}
	for _, chain := range chains {
		if chain == nil {
			continue
		}
		for _, c := range m.configurations() {
			bundle, err := webhook.ParseBundle(c.Webhooks[0].ClientConfig.CABundle)
			if err != nil || len(bundle) == 0 || m.dirty[c.Name] {
				continue
			}
			if err := m.verify(chain, bundle); err != nil {
				return fmt.Errorf("a call through configuration %s: %w", c.Name, err)
			}
		}
		m.handed = slices.DeleteFunc(m.handed, func(h handed) bool { return h.switches < m.switches-1 })
		for _, h := range m.handed {
			if err := m.verify(chain, h.bundle); err != nil {
				return fmt.Errorf("a caller with a bundle of the %d. CA at the %d.: %w", h.switches+1, m.switches+1, err)
			}
		}
	}
	if !m.strangers && !m.known() {
		return errors.New("no server knows the credential of the path")
	}
	return nil
}

// known tells whether the servers know the credential of the path.
func (m *model) known() bool {
	if m.world.Managed == nil || m.world.Managed.Webhooks[0].ClientConfig.Service.Path == nil || m.accepted == nil {
		return true
	}
	_, key, found := strings.Cut(*m.world.Managed.Webhooks[0].ClientConfig.Service.Path, "/key/")
	return !found || slices.Contains(m.accepted, key)
}

func (m *model) verify(s *state.Serving, bundle []*x509.Certificate) error {
	var name strings.Builder
	for _, c := range slices.Concat([]*x509.Certificate{s.Leaf}, s.Intermediates, []*x509.Certificate{nil}, bundle) {
		if c != nil {
			name.WriteString(c.SerialNumber.String())
		}
		name.WriteByte(' ')
	}
	if m.proved[name.String()] {
		return nil
	}
	roots, between := x509.NewCertPool(), x509.NewCertPool()
	for _, c := range bundle {
		roots.AddCert(c)
	}
	for _, c := range s.Intermediates {
		between.AddCert(c)
	}
	_, err := s.Leaf.Verify(x509.VerifyOptions{DNSName: host, Roots: roots, Intermediates: between, CurrentTime: m.now})
	if err == nil {
		m.proved[name.String()] = true
	}
	return err
}

// converge issues and then reconciles for as long as rotations take, and checks that all is idle then.
func (m *model) converge(t *testing.T) {
	t.Helper()
	if _, err := m.run(t, options(t, issue()), -1, 5*time.Minute); err != nil {
		t.Fatalf("issue: %v", err)
	}
	m.pass(3 * time.Minute)
	end, err := m.run(t, options(t, reconcile()), -1, 10*day)
	if err != nil || end.Action != plan.Nothing {
		t.Fatalf("reconcile ended with %q, %v", end.What, err)
	}
	m.checkIdle(t)
}

// checkIdle checks that nothing of a rotation is left, that all fits and that no command finds anything to do.
func (m *model) checkIdle(t *testing.T) {
	t.Helper()
	ca, err := state.ReadCA(m.world.CASecret)
	must(t, err)
	key, err := state.ReadKey(m.world.KeySecret)
	must(t, err)
	if ca.Phase != state.Idle || ca.Next.Certificate != nil || ca.Previous != nil || ca.Asked != "" || ca.Current.Check(m.now) != "" || key.Phase != state.Idle || key.Previous != "" || key.Asked != "" {
		t.Errorf("CA in phase %s (%s), key in phase %s", ca.Phase.Name(), ca.Current.Check(m.now), key.Phase.Name())
	}
	serving := state.ReadServing(m.world.ServingSecret)
	if reason := options(t, issue()).Leaf.Check(serving.Leaf, serving.Key, ca.Current.Certificate, m.now); reason != "" {
		t.Error(reason)
	}
	if c := m.world.Managed; c != nil {
		bundle, err := webhook.ParseBundle(c.Webhooks[0].ClientConfig.CABundle)
		if err != nil || len(bundle) != 1 || !bundle[0].Equal(ca.Current.Certificate) || *c.Webhooks[0].ClientConfig.Service.Path != webhook.ReviewPath("2", key.Current) {
			t.Errorf("the chart's configuration has %d certificates, %v", len(bundle), err)
		}
	}
	for name, scope := range map[string]plan.Scope{"issue": issue(), "patch": patch(), "reconcile": reconcile(), "status": {}} {
		step, problems, err := plan.Decide(options(t, scope), m.look(), m.now)
		if err != nil || len(problems) > 0 || step.Action != plan.Nothing {
			t.Errorf("%s in the idle state: %q (%s), %v, %v", name, step.What, step.Why, problems, err)
		}
	}
}
