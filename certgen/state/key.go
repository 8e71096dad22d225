package state

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// Data of the key Secret. The review server accepts the content of both.
const (
	dataKey         = "key"
	dataPreviousKey = "previous"
	keyBytes        = 32
)

// Key is what the key Secret says: the credential in the path of the review endpoint. Its rotation has the phases of a CA's: in
// expand the new one is stored and the servers learn of it, in switch the configurations get it, in contract the old one waits
// for its end.
type Key struct {
	Current  string // 32 random bytes as 64 lower-case hexadecimal digits, see NewKey
	Previous string // still accepted during a rotation; else empty
	Phase    Phase
	Since    time.Time
	Asked    string
}

// ReadKey reads the key Secret.
func ReadKey(secret *corev1.Secret) (Key, error) {
	k := Key{
		Current: string(secret.Data[dataKey]), Previous: string(secret.Data[dataPreviousKey]), Phase: Phase(secret.Annotations[AnnotationPhase]),
		Since: parseMoment(secret.Annotations[annotationSince]), Asked: secret.Annotations[AnnotationRotate],
	}
	return k, checkPhase(secret, k.Phase)
}

// Write puts the state into the key Secret and leaves everything else in it alone.
func (k *Key) Write(secret *corev1.Secret) {
	put(secret, dataKey, []byte(k.Current))
	put(secret, dataPreviousKey, []byte(k.Previous))
	annotate(secret, AnnotationPhase, string(k.Phase))
	annotate(secret, annotationSince, moment(k.Since))
	annotate(secret, AnnotationRotate, k.Asked)
}

// Check tells why the credential must be replaced; nothing when it is good. It says nothing of the credential itself.
func (k *Key) Check() (reason string) {
	if raw, err := hex.DecodeString(k.Current); err != nil || len(raw) != keyBytes || strings.ToLower(k.Current) != k.Current {
		return "the review key is not 32 bytes in lower-case hexadecimal digits"
	}
	return ""
}

// InPath is the credential that configurations are to hold in this phase.
func (k *Key) InPath() string {
	if k.Phase == Expand && k.Previous != "" {
		return k.Previous
	}
	return k.Current
}

// NewKey draws a credential. It is in hexadecimal digits because it becomes a segment of clientConfig.service.path, which the API server
// takes only when it is an RFC 1123 subdomain: lower-case letters and digits, no "_" and no capitals as base64url has them
// (ValidateWebhookService in https://github.com/kubernetes/kubernetes/blob/v1.34.0/staging/src/k8s.io/apiserver/pkg/util/webhook/validation.go).
func NewKey() (string, error) {
	raw := make([]byte, keyBytes)
	if _, err := rand.Read(raw); err != nil {
		return "", fmt.Errorf("draw a review key: %w", err)
	}
	return hex.EncodeToString(raw), nil
}
