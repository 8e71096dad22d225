package plan_test

import (
	"errors"
	"fmt"
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

// TestEveryStart brings an install to the idle state from each combination of what can be there, and what is served must stay trusted on
// the way wherever it was.
func TestEveryStart(t *testing.T) {
	t.Parallel()
	foreign, err := pki.NewAuthority(1, newModel().now, 3650*day)
	must(t, err)
	authorities := map[string]func(s *corev1.Secret) *corev1.Secret{
		"CA as it was":   func(s *corev1.Secret) *corev1.Secret { return s },
		"no CA":          func(*corev1.Secret) *corev1.Secret { return nil },
		"no CA key":      func(s *corev1.Secret) *corev1.Secret { delete(s.Data, "tls.key"); return s },
		"truncated CA":   func(s *corev1.Secret) *corev1.Secret { s.Data["tls.crt"] = s.Data["tls.crt"][:300]; return s },
		"another CA":     func(s *corev1.Secret) *corev1.Secret { must(t, (&state.CA{Current: foreign}).Write(s)); return s },
		"CA asked for":   func(s *corev1.Secret) *corev1.Secret { ask(s); return s },
		"empty Secret":   func(s *corev1.Secret) *corev1.Secret { s.Data, s.Annotations = nil, nil; return s },
		"lost its times": func(s *corev1.Secret) *corev1.Secret { delete(s.Annotations, "runecast.com/phase-since"); return s },
	}
	servings := map[string]func(s *corev1.Secret) *corev1.Secret{
		"leaf as it was": func(s *corev1.Secret) *corev1.Secret { return s },
		"no leaf":        func(*corev1.Secret) *corev1.Secret { return nil },
		"leaf alone": func(s *corev1.Secret) *corev1.Secret {
			s.Data["tls.crt"] = webhook.EncodeBundle(state.ReadServing(s).Leaf)
			delete(s.Data, "ca.crt")
			return s
		},
		"spoilt leaf": func(s *corev1.Secret) *corev1.Secret { s.Data["tls.crt"] = []byte("?"); return s },
	}
	managed := map[string]func(m *model){
		"patched":   func(*model) {},
		"no bundle": func(m *model) { m.world.Managed = m.configuration("chart", nil) },
		"foreign bundle": func(m *model) {
			m.world.Managed.Webhooks[0].ClientConfig.CABundle = webhook.EncodeBundle(foreign.Certificate)
		},
		"spoilt bundle": func(m *model) {
			m.world.Managed.Webhooks[0].ClientConfig.CABundle = []byte("-----BEGIN CERTIFICATE-----")
		},
		"none": func(m *model) { m.world.Managed = nil },
	}
	for phase, before := range map[string]func(m *model) error{
		"idle": func(*model) error { return nil },
		"expand": func(m *model) error {
			ask(m.world.CASecret)
			_, err := m.run(t, options(t, reconcile()), 2, time.Second)
			return err
		},
		"switch": func(m *model) error {
			ask(m.world.CASecret)
			_, err := m.run(t, options(t, reconcile()), 6, time.Minute)
			return err
		},
		"contract": func(m *model) error {
			ask(m.world.CASecret)
			_, err := m.run(t, options(t, reconcile()), -1, time.Hour)
			return err
		},
	} {
		for caName, ca := range authorities {
			for servingName, serving := range servings {
				for managedName, configuration := range managed {
					if servingName != "leaf as it was" && managedName != "patched" {
						continue // what a bundle was matters where somebody relies on it
					}
					t.Run(strings.Join([]string{phase, caName, servingName, managedName}, ", "), func(t *testing.T) {
						t.Parallel()
						m := installed(t)
						must(t, before(m))
						if got, err := state.ReadCA(m.world.CASecret); err != nil || got.Phase.Name() != phase {
							t.Fatalf("the rotation is in phase %s, %v", got.Phase.Name(), err)
						}
						m.world.CASecret, m.world.ServingSecret = ca(m.world.CASecret), serving(m.world.ServingSecret)
						configuration(m)
						m.dirty["chart"], m.handed = true, nil
						if caName != "CA as it was" && caName != "CA asked for" && caName != "lost its times" && servingName != "leaf as it was" {
							// Nothing is left that says which CA callers trust: their bundles are replaced and calls are lost meanwhile.
							m.endpoints = make([]*state.Serving, 2)
							m.world.Adopted = nil
						}
						m.converge(t)
					})
				}
			}
		}
	}
}

// TestOrder plays one rotation of everything and writes down its steps.
func TestOrder(t *testing.T) {
	t.Parallel()
	m := installed(t)
	ask(m.world.CASecret)
	var got []string
	for range maxSteps {
		step, problems, err := plan.Decide(options(t, reconcile()), m.look(), m.now)
		if err != nil || len(problems) > 0 {
			t.Fatal(problems, err)
		}
		if step.Action == plan.Nothing {
			break
		}
		if step.Action == plan.Wait {
			got = append(got, "… "+step.What)
			if step.Poll {
				m.pass(2 * time.Minute)
			} else {
				m.pass(step.Until.Sub(m.now))
			}
			continue
		}
		got = append(got, step.What)
		m.do(t, &step)
		must(t, m.fault())
	}
	want := []string{
		"begin a CA rotation",
		"write the chain of the serving certificate",
		"patch ValidatingWebhookConfiguration chart", "patch ValidatingWebhookConfiguration hand",
		"note that every caBundle holds both CAs",
		"… wait for the API servers to take up the caBundles",
		"switch to the next CA",
		"issue the serving certificate",
		"… wait for the endpoints to present the new certificate",
		"note that every endpoint presents a certificate of the new CA",
		"write the chain of the serving certificate",
		"… keep the old CA for callers that are behind",
		"write the chain of the serving certificate",
		"patch ValidatingWebhookConfiguration chart", "patch ValidatingWebhookConfiguration hand",
		"end the CA rotation",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n\t%s\nwant\n\t%s", strings.Join(got, "\n\t"), strings.Join(want, "\n\t"))
	}
}

// TestSources leaves to others what is theirs.
func TestSources(t *testing.T) {
	t.Parallel()
	theirs := installed(t).world.ServingSecret
	theirs.Type = corev1.SecretTypeTLS
	for _, c := range []struct {
		source plan.Source
		bearer bool
		bundle bool // whether certgen writes the caBundle
	}{
		{plan.SourceCertgen, false, true},
		{plan.SourceCertgen, true, true},
		{plan.SourceExisting, false, true},
		{plan.SourceExisting, true, true},
		{plan.SourceCertManager, false, false},
		{plan.SourceCertManager, true, false},
	} {
		t.Run(fmt.Sprintf("%s, bearer %t", c.source, c.bearer), func(t *testing.T) {
			t.Parallel()
			m := newModel()
			if c.source != plan.SourceCertgen {
				m.world.ServingSecret = theirs.DeepCopy()
				m.world.ServingSecret.Type = corev1.SecretTypeTLS
			}
			m.world.Managed = m.configuration("chart", nil)
			o := options(t, issue())
			o.Source, o.Bearer, o.Rotate = c.source, c.bearer, true
			_, err := m.run(t, o, -1, time.Hour)
			must(t, err)
			m.pass(time.Hour)
			if (m.world.CASecret != nil) != (c.source == plan.SourceCertgen) || m.world.KeySecret == nil {
				t.Errorf("CA Secret there: %t, key Secret there: %t", m.world.CASecret != nil, m.world.KeySecret != nil)
			}
			if c.source != plan.SourceCertgen && m.world.ServingSecret.String() != theirs.String() {
				t.Error("the serving Secret of somebody else was changed")
			}
			client := m.world.Managed.Webhooks[0].ClientConfig
			if (len(client.CABundle) > 0) != c.bundle {
				t.Errorf("caBundle of %d bytes", len(client.CABundle))
			}
			if hasKey := strings.Contains(*client.Service.Path, "/key/"); hasKey == c.bearer {
				t.Errorf("path with a key: %t", hasKey)
			}
			if step, _, err := plan.Decide(o, m.look(), m.now); err != nil || step.Action != plan.Nothing {
				t.Errorf("then: %q, %v", step.What, err)
			}
		})
	}
}

// TestRefusals are states from which no step leads on.
func TestRefusals(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(o *plan.Options, m *model)
		want   string
	}{
		"no CA Secret":        {func(o *plan.Options, m *model) { o.Scope, m.world.CASecret = reconcile(), nil }, "secret runecast-ca in namespace runecast: it is not there"},
		"no serving Secret":   {func(o *plan.Options, m *model) { o.Scope, m.world.ServingSecret = reconcile(), nil }, "secret runecast-nginx-tls in namespace runecast: it is not there"},
		"no key Secret":       {func(o *plan.Options, m *model) { o.Scope, m.world.KeySecret = reconcile(), nil }, "secret runecast-review-key in namespace runecast: it is not there"},
		"type that stays":     {func(_ *plan.Options, m *model) { m.world.ServingSecret.Type = corev1.SecretTypeOpaque }, "must be of type kubernetes.io/tls"},
		"phase of the future": {func(_ *plan.Options, m *model) { m.world.CASecret.Annotations[state.AnnotationPhase] = "merge" }, `"merge"`},
		"key phase unknown": {func(_ *plan.Options, m *model) {
			m.world.KeySecret.Annotations = map[string]string{state.AnnotationPhase: "x"}
		}, `"x"`},
		"theirs is not there": {func(o *plan.Options, m *model) { o.Source, m.world.ServingSecret = plan.SourceExisting, nil }, "somebody else has to make it"},
		"theirs has no CA": {func(o *plan.Options, m *model) {
			o.Source = plan.SourceExisting
			m.world.ServingSecret.Data = map[string][]byte{}
		}, "put the CA into ca.crt"},
		"theirs is not legible": {func(o *plan.Options, m *model) {
			o.Source = plan.SourceExisting
			m.world.ServingSecret.Data["ca.crt"] = []byte("-----BEGIN CERTIFICATE-----\n")
		}, "ca.crt of Secret"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m, o := installed(t), options(t, issue())
			m.world.ServingSecret.Type = corev1.SecretTypeTLS
			c.change(o, m)
			step, _, err := plan.Decide(o, m.look(), m.now)
			if err == nil || !strings.Contains(err.Error(), c.want) || step.Action != plan.Nothing {
				t.Errorf("step %q, error %v; want %q", step.What, err, c.want)
			}
			if strings.HasSuffix(c.want, "it is not there") && !errors.Is(err, plan.ErrMissing) {
				t.Error("it is not ErrMissing")
			}
		})
	}
}

// TestForeign names all that is wrong with a serving Secret of somebody else, and leaves it as it is.
func TestForeign(t *testing.T) {
	t.Parallel()
	other := installed(t).world.ServingSecret
	for name, c := range map[string]struct {
		change func(o *plan.Options, m *model)
		want   []string
	}{
		"good":            {func(*plan.Options, *model) {}, nil},
		"of another type": {func(_ *plan.Options, m *model) { m.world.ServingSecret.Type = corev1.SecretTypeOpaque }, []string{`of type "Opaque"`}},
		"no ca.crt":       {func(_ *plan.Options, m *model) { delete(m.world.ServingSecret.Data, "ca.crt") }, []string{"it has no ca.crt"}},
		"other names": {
			func(o *plan.Options, _ *model) {
				o.Services = []webhook.Service{{Namespace: "elsewhere", Name: service}, {Namespace: namespace, Name: service}}
			},
			[]string{"not for runecast-nginx.elsewhere.svc but for localhost, runecast-nginx,"},
		},
		"ended":            {func(_ *plan.Options, m *model) { m.now = m.now.Add(91 * day) }, []string{"has expired"}},
		"another's key":    {func(_ *plan.Options, m *model) { m.world.ServingSecret.Data["tls.key"] = other.Data["tls.key"] }, []string{"tls.key does not belong"}},
		"another's ca.crt": {func(_ *plan.Options, m *model) { m.world.ServingSecret.Data["ca.crt"] = other.Data["ca.crt"] }, []string{"does not verify by ca.crt"}},
		"neither can be read": {func(_ *plan.Options, m *model) {
			m.world.ServingSecret.Data["tls.crt"] = []byte("?")
			m.world.ServingSecret.Data["tls.key"] = nil
		}, []string{"tls.crt cannot be read", "tls.key cannot be read"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, source := range []plan.Source{plan.SourceExisting, plan.SourceCertManager} {
				m, o := installed(t), options(t, reconcile())
				o.Source, m.world.ServingSecret.Type = source, corev1.SecretTypeTLS
				c.change(o, m)
				before := m.world.ServingSecret.String()
				_, problems, err := plan.Decide(o, m.look(), m.now)
				if err != nil || (len(problems) == 0) != (c.want == nil) {
					t.Errorf("%s: problems %v, error %v; want %q", source, problems, err, c.want)
				}
				for _, part := range c.want {
					if !strings.Contains(fmt.Sprint(problems), part) || !strings.Contains(fmt.Sprint(problems), string(source)) {
						t.Errorf("%s: %v does not say %q", source, problems, part)
					}
				}
				if m.world.ServingSecret.String() != before {
					t.Error("the Secret was changed")
				}
			}
		})
	}
}

// TestBlind lets no rotation go on under configurations that cannot be read, but renews.
func TestBlind(t *testing.T) {
	t.Parallel()
	m := installed(t)
	ask(m.world.CASecret)
	ask(m.world.KeySecret)
	m.world.Blind = []error{errors.New("forbidden")}
	if step, _, err := plan.Decide(options(t, reconcile()), m.look(), m.now); err != nil || step.Action != plan.Nothing {
		t.Errorf("it would %q, %v", step.What, err)
	}
	m.pass(61 * day)
	if step, _, err := plan.Decide(options(t, reconcile()), m.look(), m.now); err != nil || step.Event != plan.EventCertificateIssued {
		t.Errorf("after two months it would %q, %v", step.What, err)
	}
}

// TestProblems names a webhook without policy, and does the rest.
func TestProblems(t *testing.T) {
	t.Parallel()
	m := installed(t)
	c := m.configuration("chart", nil)
	second := c.Webhooks[0].DeepCopy()
	second.Name = "forgotten.runecast.com"
	c.Webhooks = append(c.Webhooks, *second)
	m.world.Managed = c
	m.world.Adopted = []*admissionregistration.ValidatingWebhookConfiguration{m.configuration("hand", []byte("-----BEGIN CERTIFICATE-----"))}
	step, _, err := plan.Decide(options(t, patch()), m.look(), m.now)
	if err != nil || step.Action != plan.Write || len(step.Edits) != 2 {
		t.Fatalf("%q with %d edits, %v; want both webhooks to get their bundle", step.What, len(step.Edits), err)
	}
	m.do(t, &step)
	step, problems, err := plan.Decide(options(t, patch()), m.look(), m.now)
	if text := errors.Join(problems...); err != nil || step.Action != plan.Nothing || !strings.Contains(fmt.Sprint(text), "forgotten.runecast.com") || !strings.Contains(fmt.Sprint(text), "caBundle of webhook") {
		t.Errorf("then %q, %v, %v", step.What, problems, err)
	}
}
