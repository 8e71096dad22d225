package plan

import (
	"crypto/x509"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/runecast/runecast/certgen/pki"
	"github.com/runecast/runecast/certgen/state"
)

// Reasons of Events about the CA.
const (
	EventCAIssued        = "CAIssued"
	EventRotationStarted = "CARotationStarted"
	EventCASwitched      = "CASwitched"
	EventCAInUse         = "CAInUse"
	EventRotationDone    = "CARotationDone"
)

// overdue is how long endpoints may take to present a new certificate: a kubelet takes a minute or two to renew a mounted Secret.
const overdue = time.Hour

// authority makes sure that there is a CA that can sign. A CA that clients rely on is never replaced at once: where a leaf is in use
// that another CA vouches for, ours becomes the next one of a rotation.
func (d *decision) authority() (Step, error) {
	if d.o.Source != SourceCertgen {
		return Step{}, nil
	}
	if d.w.ServingSecret != nil {
		d.leaf = state.ReadServing(d.w.ServingSecret)
	}
	if d.w.CASecret == nil {
		if !d.o.Create {
			return Step{}, d.missing(d.o.CASecret)
		}
		return d.replaceCA("there is no CA Secret")
	}
	var err error
	if d.ca, err = state.ReadCA(d.w.CASecret); err != nil || !d.o.Secrets {
		return Step{}, err
	}
	if d.ca.Phase == state.Expand {
		if reason := d.ca.Next.Check(d.now); reason != "" {
			return d.beginRotation("of the next CA, "+reason, EventRotationStarted)
		}
		return d.expandFromOther()
	}
	if reason := d.ca.Current.Check(d.now); reason != "" {
		return d.replaceCA(reason)
	}
	if d.ca.Phase != state.Idle {
		return Step{}, nil
	}
	// A rotation's own leaf of before is told by its CA, which is Previous in all phases but the idle one.
	if signer := d.leaf.Signer(d.now, d.ca.Current.Certificate); signer != nil && !signer.Equal(d.ca.Current.Certificate) {
		return d.moveToNext(signer, d.ca.Current, d.ca.Cross, "the serving certificate in use is of the CA "+signer.Subject.CommonName)
	}
	return Step{}, nil
}

// expandFromOther looks after a rotation whose current CA was damaged or ended meanwhile. Such a CA signs nothing more, but as long as its leaf
// is good callers have to trust it.
func (d *decision) expandFromOther() (Step, error) {
	why := d.ca.Current.Check(d.now)
	if why == "" {
		return Step{}, nil
	}
	d.ca.Current.Key = nil
	have := d.ca.Current.Certificate
	if signer := d.leaf.Signer(d.now, have); signer != nil && (have == nil || !signer.Equal(have)) {
		return d.moveToNext(signer, d.ca.Next, d.ca.NextCross, why)
	}
	return Step{}, nil
}

// replaceCA makes a CA in place of one that is not there or cannot sign.
func (d *decision) replaceCA(why string) (Step, error) {
	d.ca.Generation++
	ca, err := pki.NewAuthority(d.ca.Generation, d.now, d.o.CAValidity)
	if err != nil {
		return Step{}, err
	}
	if d.ca.Request == "" {
		d.ca.Request = d.o.RotateRequest
	}
	d.ca.Asked = ""
	if signer := d.leaf.Signer(d.now, d.ca.Current.Certificate, d.ca.Previous); signer != nil {
		return d.moveToNext(signer, ca, nil, why)
	}
	d.ca = state.CA{Current: ca, Generation: d.ca.Generation, Request: d.ca.Request, Retired: d.ca.Retired}
	return d.writeCA("make a CA", why, EventCAIssued)
}

// moveToNext begins a rotation from the CA whose leaf is in use, and whose key is not there, to ours.
func (d *decision) moveToNext(signer *x509.Certificate, next pki.Authority, cross *x509.Certificate, why string) (Step, error) {
	d.ca = state.CA{
		Current: pki.Authority{Certificate: signer}, Next: next, NextCross: cross,
		Phase: state.Expand, Since: d.now, Generation: d.ca.Generation, Request: d.ca.Request, Asked: d.ca.Asked, Retired: d.ca.Retired,
	}
	return d.writeCA("begin a CA rotation without the key of the CA in use", why, EventRotationStarted)
}

// rotation begins a rotation that is due, and leads one on whose phase has all that it wants.
func (d *decision) rotation() (Step, error) {
	if d.o.Source != SourceCertgen || !d.o.Secrets || len(d.w.Blind) > 0 {
		return Step{}, nil
	}
	switch d.ca.Phase {
	case state.Expand:
		return d.afterExpand()
	case state.Switch:
		return d.afterSwitch()
	case state.Contract:
		return d.afterContract()
	default:
		if why := d.rotationReason(); why != "" {
			return d.beginRotation(why, EventRotationStarted)
		}
		return Step{}, nil
	}
}

func (d *decision) rotationReason() string {
	switch {
	case d.ca.Asked != "":
		return "asked for by the annotation " + state.AnnotationRotate
	case d.o.RotateRequest != "" && d.o.RotateRequest != d.ca.Request:
		return "asked for by the request " + d.o.RotateRequest
	case !d.now.Before(pki.RenewalTime(d.ca.Current.Certificate)):
		return "two thirds of the CA's life are over"
	}
	return ""
}

func (d *decision) beginRotation(why, event string) (Step, error) {
	d.ca.Generation++
	next, err := pki.NewAuthority(d.ca.Generation, d.now, d.o.CAValidity)
	if err != nil {
		return Step{}, err
	}
	d.ca.Next, d.ca.NextCross = next, nil
	if d.ca.Current.Check(d.now) == "" {
		if d.ca.NextCross, err = pki.CrossSign(next.Certificate, d.ca.Current, d.now); err != nil {
			return Step{}, err
		}
	}
	d.ca.Phase, d.ca.Since, d.ca.Expanded, d.ca.Asked = state.Expand, d.now, zero(), ""
	if d.o.RotateRequest != "" {
		d.ca.Request = d.o.RotateRequest
	}
	return d.writeCA("begin a CA rotation", why, event)
}

func (d *decision) afterExpand() (Step, error) {
	if d.ca.Expanded.IsZero() {
		d.ca.Expanded = d.now
		return d.writeCA("note that every caBundle holds both CAs", "all were read back", "")
	}
	if until := d.ca.Expanded.Add(d.o.PropagationWait); d.now.Before(until) {
		return Step{Action: Wait, Until: until, What: "wait for the API servers to take up the caBundles"}, nil
	}
	return d.switchCA("every caBundle holds both CAs")
}

func (d *decision) switchCA(why string) (Step, error) {
	d.ca.Previous, d.ca.Current, d.ca.Cross = d.ca.Current.Certificate, d.ca.Next, d.ca.NextCross
	d.ca.Next, d.ca.NextCross = pki.Authority{}, nil
	d.ca.Phase, d.ca.Since, d.ca.Expanded = state.Switch, d.now, zero()
	return d.writeCA("switch to the next CA", why, EventCASwitched)
}

func (d *decision) afterSwitch() (Step, error) {
	if d.w.Present != nil {
		if p := d.w.presented(); !p.All() {
			return Step{
				Action: Wait, Until: d.now, Poll: true, Overdue: d.now.Sub(d.ca.Since) > overdue,
				What: "wait for the endpoints to present the new certificate", Why: p.String(),
			}, nil
		}
	}
	d.ca.Phase, d.ca.Since = state.Contract, d.now
	return d.writeCA("note that every endpoint presents a certificate of the new CA", "all were looked at", EventCAInUse)
}

func (d *decision) afterContract() (Step, error) {
	if d.ca.Since.IsZero() {
		d.ca.Since = d.now
		return d.writeCA("note the time", "the time of phase contract cannot be read", "")
	}
	if !d.dropOld() {
		return Step{Action: Wait, Until: d.ca.Since.Add(d.o.ContractAfter), What: "keep the old CA for callers that are behind"}, nil
	}
	if pki.IsOurs(d.ca.Previous) {
		d.ca.Retired = append(d.ca.Retired, state.Fingerprint(d.ca.Previous))
	}
	d.ca.Previous, d.ca.Phase, d.ca.Since = nil, state.Idle, zero()
	return d.writeCA("end the CA rotation", "no caBundle holds the old CA", EventRotationDone)
}

func (d *decision) writeCA(what, why, event string) (Step, error) {
	secret := d.newSecret(d.w.CASecret, d.o.CASecret, corev1.SecretTypeOpaque)
	if err := d.ca.Write(secret); err != nil {
		return Step{}, err
	}
	return Step{Action: Write, What: what, Why: why, Event: event, Secret: secret, Create: d.w.CASecret == nil}, nil
}
