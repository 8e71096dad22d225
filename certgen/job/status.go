package job

import (
	"crypto/x509"
	"time"

	admissionregistration "k8s.io/api/admissionregistration/v1"

	"github.com/runecast/runecast/certgen/pki"
	"github.com/runecast/runecast/certgen/plan"
	"github.com/runecast/runecast/certgen/state"
	"github.com/runecast/runecast/pkg/webhook"
)

// Certificate is what status says of a certificate.
type Certificate struct {
	Name        string    `json:"name"` // ca, nextCA, previousCA, crossSigned or serving
	Subject     string    `json:"subject"`
	Issuer      string    `json:"issuer"`
	Fingerprint string    `json:"fingerprint"` // SHA-256
	NotAfter    time.Time `json:"notAfter"`
	RenewsAt    time.Time `json:"renewsAt"`
	DNSNames    []string  `json:"dnsNames,omitempty"`
}

// Webhook is what status says of a webhook. Its path has no credential.
type Webhook struct {
	Configuration string   `json:"configuration"`
	Webhook       string   `json:"webhook"`
	Adopted       bool     `json:"adopted"`
	Path          string   `json:"path,omitempty"`
	CABundle      []string `json:"caBundle"` // subjects
}

// Status is how things stand.
type Status struct {
	Phase        string        `json:"phase"`
	PhaseSince   *time.Time    `json:"phaseSince,omitempty"`
	KeyPhase     string        `json:"keyPhase"`
	Generation   int           `json:"generation"`
	Renewals     int           `json:"renewals"`
	Certificates []Certificate `json:"certificates"`
	Webhooks     []Webhook     `json:"webhooks"`
	Endpoints    string        `json:"endpoints,omitempty"`
	Next         string        `json:"next,omitempty"` // what a run of reconcile would do or wait for
	NextAt       *time.Time    `json:"nextAt,omitempty"`
	Due          bool          `json:"due"` // it would write something now
	Problems     []string      `json:"problems,omitempty"`
	Metrics      []Metric      `json:"metrics"`
}

// Describe says how things stand in a world.
func Describe(o *plan.Options, w *plan.World, now time.Time) Status {
	s := Status{Phase: state.Idle.Name(), KeyPhase: state.Idle.Name(), Certificates: []Certificate{}, Webhooks: []Webhook{}}
	s.describeCA(w)
	if w.ServingSecret != nil {
		serving := state.ReadServing(w.ServingSecret)
		s.Renewals = max(0, serving.Renewals-1)
		s.add("serving", serving.Leaf)
	}
	if w.KeySecret != nil {
		if key, err := state.ReadKey(w.KeySecret); err == nil {
			s.KeyPhase = key.Phase.Name()
		}
	}
	if w.Managed != nil {
		s.describeConfiguration(w.Managed, false)
	}
	for _, c := range w.Adopted {
		s.describeConfiguration(c, true)
	}
	if w.Present != nil {
		s.Endpoints = w.Present().String()
	}
	s.describeNext(o, w, now)
	s.Metrics = s.measure()
	return s
}

func (s *Status) describeCA(w *plan.World) {
	if w.CASecret == nil {
		return
	}
	ca, err := state.ReadCA(w.CASecret)
	if err != nil {
		return // describeNext tells
	}
	s.Phase, s.Generation = ca.Phase.Name(), ca.Generation
	if !ca.Since.IsZero() {
		s.PhaseSince = &ca.Since
	}
	s.add("ca", ca.Current.Certificate)
	s.add("crossSigned", ca.Cross)
	s.add("nextCA", ca.Next.Certificate)
	s.add("previousCA", ca.Previous)
}

func (s *Status) add(name string, c *x509.Certificate) {
	if c == nil {
		return
	}
	s.Certificates = append(s.Certificates, Certificate{
		Name: name, Subject: c.Subject.CommonName, Issuer: c.Issuer.CommonName, Fingerprint: state.Fingerprint(c),
		NotAfter: c.NotAfter, RenewsAt: pki.RenewalTime(c), DNSNames: c.DNSNames,
	})
}

func (s *Status) describeConfiguration(c *admissionregistration.ValidatingWebhookConfiguration, adopted bool) {
	for i := range c.Webhooks {
		client := &c.Webhooks[i].ClientConfig
		w := Webhook{Configuration: c.Name, Webhook: c.Webhooks[i].Name, Adopted: adopted, CABundle: []string{}}
		if client.Service != nil && client.Service.Path != nil {
			w.Path = webhook.RedactPath(*client.Service.Path)
		}
		if bundle, err := webhook.ParseBundle(client.CABundle); err == nil {
			for _, root := range bundle {
				w.CABundle = append(w.CABundle, root.Subject.CommonName)
			}
		}
		s.Webhooks = append(s.Webhooks, w)
	}
}

// describeNext asks the plan what a run of reconcile would do.
func (s *Status) describeNext(o *plan.Options, w *plan.World, now time.Time) {
	all := *o
	all.Scope = plan.Scope{Secrets: true, Configure: true, Rotate: true}
	step, problems, err := plan.Decide(&all, w, now)
	if err != nil {
		problems = append(problems, err)
	}
	for _, p := range append(problems, w.Blind...) {
		s.Problems = append(s.Problems, p.Error())
	}
	s.Due = step.Action == plan.Write
	s.Next = step.What
	if step.Why != "" {
		s.Next += ": " + step.Why
	}
	if step.Action == plan.Wait && !step.Poll {
		s.NextAt = &step.Until
	}
}
