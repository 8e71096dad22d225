package plan

import (
	corev1 "k8s.io/api/core/v1"

	"github.com/runecast/runecast/certgen/state"
)

// Reasons of Events about the review key.
const (
	EventKeyIssued          = "ReviewKeyIssued"
	EventKeyRotationStarted = "ReviewKeyRotationStarted"
	EventKeySwitched        = "ReviewKeySwitched"
	EventKeyRotationDone    = "ReviewKeyRotationDone"
)

// key makes sure that there is a review key.
func (d *decision) key() (Step, error) {
	if d.w.KeySecret == nil {
		if !d.o.Create {
			return Step{}, d.missing(d.o.KeySecret)
		}
		return d.issueKey("there is no key Secret")
	}
	var err error
	if d.keyState, err = state.ReadKey(d.w.KeySecret); err != nil || !d.o.Secrets {
		return Step{}, err
	}
	if reason := d.keyState.Check(); reason != "" {
		return d.issueKey(reason)
	}
	return Step{}, nil
}

// issueKey makes a key where none is that could be kept.
func (d *decision) issueKey(why string) (Step, error) {
	fresh, err := state.NewKey()
	if err != nil {
		return Step{}, err
	}
	d.keyState = state.Key{Current: fresh}
	return d.writeKey("make a review key", why, EventKeyIssued)
}

// keyRotation begins a rotation that was asked for, and leads one on. It comes after the configurations have been brought to what the
// phase wants.
func (d *decision) keyRotation() (Step, error) {
	if !d.o.Secrets || len(d.w.Blind) > 0 {
		return Step{}, nil
	}
	k := &d.keyState
	if k.Phase != state.Idle && k.Since.IsZero() {
		k.Since = d.now
		return d.writeKey("note the time", "the time of phase "+k.Phase.Name()+" cannot be read", "")
	}
	switch k.Phase {
	case state.Expand:
		if until := k.Since.Add(d.o.KeyWait); d.now.Before(until) {
			return Step{Action: Wait, Until: until, What: "wait for the servers to learn of the new review key"}, nil
		}
		k.Phase, k.Since = state.Switch, d.now
		return d.writeKey("switch to the new review key", "the servers had time to learn of it", EventKeySwitched)
	case state.Switch:
		k.Phase, k.Since = state.Contract, d.now
		return d.writeKey("note that the webhook configuration holds the new review key", "it was read back", "")
	case state.Contract:
		if !d.due(k.Phase, k.Since) {
			return Step{Action: Wait, Until: k.Since.Add(d.o.ContractAfter), What: "keep the old review key for API servers that are behind"}, nil
		}
		k.Previous, k.Phase, k.Since = "", state.Idle, zero()
		return d.writeKey("drop the old review key", "API servers had time to take up the new one", EventKeyRotationDone)
	default:
		if k.Asked == "" {
			return Step{}, nil
		}
		fresh, err := state.NewKey()
		if err != nil {
			return Step{}, err
		}
		d.keyState = state.Key{Current: fresh, Previous: k.Current, Phase: state.Expand, Since: d.now}
		return d.writeKey("begin a rotation of the review key", "asked for by the annotation "+state.AnnotationRotate, EventKeyRotationStarted)
	}
}

func (d *decision) writeKey(what, why, event string) (Step, error) {
	secret := d.newSecret(d.w.KeySecret, d.o.KeySecret, corev1.SecretTypeOpaque)
	d.keyState.Write(secret)
	return Step{Action: Write, What: what, Why: why, Event: event, Secret: secret, Create: d.w.KeySecret == nil}, nil
}
