package plan

import (
	"crypto/x509"

	admissionregistration "k8s.io/api/admissionregistration/v1"

	"github.com/runecast/runecast/certgen/state"
	"github.com/runecast/runecast/pkg/webhook"
)

// EventConfigured is the reason of an Event about a webhook configuration.
const EventConfigured = "WebhookConfigurationPatched"

// configurations makes sure that the webhook configurations hold what the phases want.
func (d *decision) configurations() (Step, error) {
	if !d.o.Configure {
		return Step{}, nil
	}
	if c := d.w.Managed; c != nil {
		trusted, err := d.trusted()
		if err != nil {
			return Step{}, err
		}
		key := d.keyState.InPath()
		if d.o.Bearer {
			key = ""
		}
		edits, err := webhook.Managed(c, trusted, d.keepForeign(), key)
		d.problem(err)
		if len(edits) > 0 {
			return d.configure(c, edits)
		}
	}
	add, drop, err := d.followed()
	if err != nil {
		return Step{}, err
	}
	for _, c := range d.w.Adopted {
		edits, err := webhook.Adopted(c, d.o.Services, add, drop)
		d.problem(err)
		if len(edits) > 0 {
			return d.configure(c, edits)
		}
	}
	return Step{}, nil
}

// keepForeign selects the roots of somebody else that stay in the chart's bundle: all of them, until every ready endpoint presents the
// leaf of the serving Secret. Between two sources of certificates callers so trust both. What is ours goes by the phases.
func (d *decision) keepForeign() func(*x509.Certificate) bool {
	known, all := false, false
	return func(c *x509.Certificate) bool {
		if d.w.Present == nil || d.ca.Obsolete(d.dropOld())(c) {
			return false
		}
		if !known {
			known, all = true, d.w.presented().All()
		}
		return !all
	}
}

// followed are the certificates that configurations made by hand are to gain and to lose.
func (d *decision) followed() (add []*x509.Certificate, drop func(*x509.Certificate) bool, err error) {
	if len(d.w.Adopted) == 0 {
		return nil, nil, nil
	}
	if d.o.Source == SourceCertgen {
		return d.own(), d.ca.Obsolete(d.dropOld()), nil
	}
	add, err = d.roots()
	return add, nil, err
}

// configure patches a configuration. When one is found without what was seen in it before, the time that API servers were given begins
// again, and that is written first.
func (d *decision) configure(c *admissionregistration.ValidatingWebhookConfiguration, edits []webhook.Edit) (Step, error) {
	if d.o.Source == SourceCertgen && d.o.Secrets && d.ca.Phase == state.Expand && !d.ca.Expanded.IsZero() {
		d.ca.Expanded = zero()
		return d.writeCA("let the wait begin again", "ValidatingWebhookConfiguration "+c.Name+" lacks what it had", "")
	}
	return Step{Action: Write, What: "patch ValidatingWebhookConfiguration " + c.Name, Why: reasonOf(edits), Event: EventConfigured, Configuration: c, Edits: edits}, nil
}

func reasonOf(edits []webhook.Edit) string {
	bundle, path := false, false
	for i := range edits {
		bundle, path = bundle || edits[i].CABundle != nil, path || edits[i].Path != ""
	}
	switch {
	case bundle && path:
		return "caBundle and path are not as they have to be"
	case bundle:
		return "caBundle is not as it has to be"
	default:
		return "path is not as it has to be"
	}
}
