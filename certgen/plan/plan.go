package plan

import (
	"crypto/x509"
	"errors"
	"fmt"
	"time"

	admissionregistration "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/runecast/runecast/certgen/pki"
	"github.com/runecast/runecast/certgen/state"
	"github.com/runecast/runecast/pkg/webhook"
)

// Source is who issues the serving certificate.
type Source string

// The sources.
const (
	SourceCertgen     Source = "certgen"
	SourceCertManager Source = "cert-manager"   // its cainjector also keeps the caBundle of the chart's configuration
	SourceExisting    Source = "existingSecret" // the user; certgen keeps the caBundle
)

// Label of the Secrets that certgen makes, and its value.
const (
	LabelManagedBy = "app.kubernetes.io/managed-by"
	ManagedBy      = "certgen"
)

// Scope is what a command may do. Steps outside of it are not taken.
type Scope struct {
	Secrets   bool // write Secrets that are there
	Create    bool // create Secrets that are not
	Configure bool // patch webhook configurations
	Rotate    bool // begin rotations and lead them on
}

// Options say how things are to be.
type Options struct {
	Scope

	Namespace                          string
	Source                             Source
	CASecret, ServingSecret, KeySecret string // names
	Leaf                               pki.Leaf
	CAValidity                         time.Duration
	Bearer                             bool              // the API server sends a token: no credential in the path
	Services                           []webhook.Service // configurations made by hand are helped when they call one of these
	PropagationWait, KeyWait           time.Duration     // from when all can be known to all until it is relied upon
	ContractAfter                      time.Duration     // from when all use the new until the old is dropped
	RotateRequest                      string
}

// World is all that is stored, as it was read. Objects that are not there are nil.
type World struct {
	CASecret, ServingSecret, KeySecret *corev1.Secret
	Managed                            *admissionregistration.ValidatingWebhookConfiguration
	Adopted                            []*admissionregistration.ValidatingWebhookConfiguration
	Blind                              []error // configurations that are there and cannot be read: no rotation may go on

	// Present looks at what the ready endpoints of the front service present, once per look at the world; nil when nobody is to look.
	Present func() Presented
}

// presented is what the endpoints present.
func (w *World) presented() Presented {
	if w.Present == nil {
		return Presented{}
	}
	return w.Present()
}

// Presented is what the ready endpoints of the front service present.
type Presented struct {
	Ready int      // endpoints
	New   int      // of them, those that present the leaf of the serving Secret
	Rest  []string // the others, each with what is wrong
}

// All tells whether there are endpoints and all present the leaf of the serving Secret.
func (p Presented) All() bool { return p.Ready > 0 && p.New == p.Ready }

// Action is the kind of a step.
type Action int

// The actions.
const (
	Nothing Action = iota // all is in order, for this command
	Wait                  // until Step.Until, then look again
	Write                 // a Secret or a configuration
)

// Step is what to do next.
type Step struct {
	Action Action
	What   string // for logs and Events, as "renew the serving certificate"
	Why    string
	Event  string // reason of the Event; none for steps that nobody needs to hear of

	Secret *corev1.Secret // to be written
	Create bool           // it is not there yet

	Configuration *admissionregistration.ValidatingWebhookConfiguration // to be patched
	Edits         []webhook.Edit

	Until   time.Time
	Poll    bool // the wait is for endpoints, not for a time
	Overdue bool // it has lasted for more than an hour
}

// Decide gives the next step. Problems are faults that keep a part from being done, but nothing else.
func Decide(o *Options, w *World, now time.Time) (step Step, problems []error, err error) {
	d := decision{o: o, w: w, now: now}
	for _, look := range []func() (Step, error){d.foreignServing, d.authority, d.serving, d.key, d.configurations} {
		if step, err = look(); err != nil || step.Action == Write {
			return step, d.problems, err
		}
	}
	if !o.Rotate {
		return Step{}, d.problems, nil
	}
	var first Step // the earliest of the waits
	for _, look := range []func() (Step, error){d.rotation, d.keyRotation} {
		if step, err = look(); err != nil || step.Action == Write {
			return step, d.problems, err
		}
		if step.Action == Wait && (first.Action == Nothing || step.Until.Before(first.Until)) {
			first = step
		}
	}
	return first, d.problems, nil
}

// decision is one look at the world.
type decision struct {
	o   *Options
	w   *World
	now time.Time

	ca       state.CA      // when certgen issues
	leaf     state.Serving // the serving Secret's state
	keyState state.Key
	problems []error
}

func (d *decision) problem(err error) {
	if err != nil {
		d.problems = append(d.problems, err)
	}
}

// due tells whether callers had time enough since a phase contract began.
func (d *decision) due(phase state.Phase, since time.Time) bool {
	return phase == state.Contract && !since.IsZero() && !d.now.Before(since.Add(d.o.ContractAfter))
}

func (d *decision) dropOld() bool { return d.due(d.ca.Phase, d.ca.Since) }

// trusted are the roots of the chart's configuration; nil where somebody else keeps them.
func (d *decision) trusted() ([]*x509.Certificate, error) {
	switch d.o.Source {
	case SourceCertgen:
		return d.own(), nil
	case SourceExisting:
		return d.roots()
	default:
		return nil, nil
	}
}

// own are the roots of the phase. While the leaf in use is of another CA, as before a run with more rights has begun to move away from that,
// it is among them.
func (d *decision) own() []*x509.Certificate {
	trusted := d.ca.Trusted(d.dropOld())
	if signer := d.leaf.Signer(d.now, trusted...); signer != nil && !webhook.Contains(trusted, signer) {
		trusted = append(trusted, signer)
	}
	return trusted
}

// roots are those of a serving Secret that somebody else keeps.
func (d *decision) roots() ([]*x509.Certificate, error) {
	if d.w.ServingSecret == nil {
		return nil, fmt.Errorf("there is no Secret %s in namespace %s: with --tls-source %s somebody else has to make it", d.o.ServingSecret, d.o.Namespace, d.o.Source)
	}
	roots, err := state.Roots(d.w.ServingSecret)
	if err != nil {
		return nil, fmt.Errorf("with --tls-source %s: %w", d.o.Source, err)
	}
	return roots, nil
}

// newSecret gives a copy to change, or an empty Secret to create.
func (d *decision) newSecret(have *corev1.Secret, name string, kind corev1.SecretType) *corev1.Secret {
	if have != nil {
		return have.DeepCopy()
	}
	s := &corev1.Secret{Type: kind}
	s.Name, s.Namespace = name, d.o.Namespace
	s.Labels = map[string]string{"app.kubernetes.io/name": "runecast-certgen", "app.kubernetes.io/part-of": "runecast", LabelManagedBy: ManagedBy}
	return s
}

// ErrMissing is the fault of a run that may not create what is not there.
var ErrMissing = errors.New("it is not there, and this command may not create it: run certgen issue, as helm upgrade does")

func (d *decision) missing(name string) error {
	return fmt.Errorf("secret %s in namespace %s: %w", name, d.o.Namespace, ErrMissing)
}

// String says how many present it, and what is wrong with the first that does not.
func (p Presented) String() string {
	text := fmt.Sprintf("%d of %d ready endpoints present it", p.New, p.Ready)
	if len(p.Rest) > 0 {
		text += "; " + p.Rest[0]
	}
	return text
}
