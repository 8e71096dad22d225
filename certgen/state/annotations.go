package state

import (
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// Annotations of the Secrets.
const (
	// AnnotationRotate asks, with any value, for a rotation of the CA (on the CA Secret), a new private key with a new leaf (on the
	// serving Secret) or a new credential (on the key Secret). It is removed when that begins.
	AnnotationRotate = "runecast.com/rotate"
	// AnnotationPhase is the phase of a rotation; none when nothing is under way.
	AnnotationPhase = "runecast.com/phase"

	annotationSince      = "runecast.com/phase-since"
	annotationExpanded   = "runecast.com/expanded-at"
	annotationGeneration = "runecast.com/generation"
	annotationRequest    = "runecast.com/rotate-request"
	annotationRetired    = "runecast.com/retired"
	annotationRenewals   = "runecast.com/renewals"
)

// Phase is where a rotation stands.
type Phase string

// The phases, in their order.
const (
	Idle     Phase = ""
	Expand   Phase = "expand"
	Switch   Phase = "switch"
	Contract Phase = "contract"
)

// Phases are all phases, in their order.
func Phases() []Phase { return []Phase{Idle, Expand, Switch, Contract} }

// Name is the phase's name for people and metrics, where nothing under way is "idle".
func (p Phase) Name() string {
	if p == Idle {
		return "idle"
	}
	return string(p)
}

// annotate sets an annotation, or removes it when the value is empty.
func annotate(secret *corev1.Secret, name, value string) {
	if value == "" {
		delete(secret.Annotations, name)
		return
	}
	if secret.Annotations == nil {
		secret.Annotations = map[string]string{}
	}
	secret.Annotations[name] = value
}

// put sets data, or removes it when there is none.
func put(secret *corev1.Secret, name string, value []byte) {
	if len(value) == 0 {
		delete(secret.Data, name)
		return
	}
	if secret.Data == nil {
		secret.Data = map[string][]byte{}
	}
	secret.Data[name] = value
}

// moment writes a time; none for the zero time.
func moment(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339Nano)
}

// parseMoment reads a time. What cannot be read is the zero time, which every phase takes as not begun, never as long ago.
func parseMoment(text string) time.Time {
	t, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		return time.Time{}
	}
	return t
}

func count(secret *corev1.Secret, name string) int {
	n, err := strconv.Atoi(secret.Annotations[name])
	if err != nil || n < 0 {
		return 0
	}
	return n
}

func fields(text string) []string {
	return strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == ' ' })
}
