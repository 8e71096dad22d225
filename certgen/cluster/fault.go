package cluster

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"regexp"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// ErrConflict tells that somebody else has written an object since it was read.
var ErrConflict = errors.New("somebody else has changed it meanwhile")

// object names what a request was about, as a rule of RBAC does.
type object struct {
	group, resource, namespace, name string
}

func (o object) String() string {
	text := o.resource
	if o.name != "" {
		text += " " + o.name
	}
	if o.namespace != "" {
		text += " in namespace " + o.namespace
	}
	return text
}

// Fault is a request to the API server that failed. Its text has no key material.
type Fault struct { //nolint:errname // the field calls it a fault: the API server refused a write
	text  string
	cause error
}

func (f *Fault) Error() string { return f.text }

// Unwrap gives the API server's own answer, which can hold key material: it is for comparisons, not for people.
func (f *Fault) Unwrap() error { return f.cause }

// fault makes an error of what the API server answered.
func fault(verb string, o object, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return &Fault{text: fmt.Sprintf("%s %s: %s", verb, o, Redact(err.Error())), cause: err}
	case apierrors.IsForbidden(err):
		return &Fault{text: fmt.Sprintf("%s %s: forbidden: %s", verb, o, o.rule(verb)), cause: err}
	}
	return &Fault{text: fmt.Sprintf("%s %s: %s", verb, o, Redact(err.Error())), cause: err}
}

// rule says which rule of RBAC is missing.
func (o object) rule(verb string) string {
	kind := "ClusterRole"
	if o.namespace != "" {
		kind = "Role of namespace " + o.namespace
	}
	names := ""
	if o.name != "" && verb != "create" { // a name is not known to RBAC when an object is created
		names = fmt.Sprintf(", resourceNames [%q]", o.name)
	}
	return fmt.Sprintf("the service account needs a rule with apiGroups [%q], resources [%q]%s, verbs [%q] in its %s", o.group, o.resource, names, verb, kind)
}

// conflict tells whether an answer to a write means that the object is no longer as it was read. A JSON patch whose test fails is
// answered with 422, as is an object that is not valid, but that names the fields.
func conflict(err error) bool {
	status, ok := errors.AsType[*apierrors.StatusError](err)
	return apierrors.IsConflict(err) || apierrors.IsAlreadyExists(err) || apierrors.IsNotFound(err) ||
		(ok && status.ErrStatus.Code == http.StatusUnprocessableEntity && (status.ErrStatus.Details == nil || len(status.ErrStatus.Details.Causes) == 0))
}

// writeFault makes an error of an answer to a write.
func writeFault(verb string, o object, err error) error {
	if err != nil && conflict(err) {
		return &Fault{text: fmt.Sprintf("%s %s: %s: %s", verb, o, ErrConflict, Redact(err.Error())), cause: errors.Join(ErrConflict, err)}
	}
	return fault(verb, o, err)
}

//nolint:gochecknoglobals // compiled once
var secretTexts = []*regexp.Regexp{
	regexp.MustCompile(`(?s)-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(-----END [A-Z ]*PRIVATE KEY-----|$)`),
	regexp.MustCompile(`/key/[^\s"'\\]+`),       // of the review path
	regexp.MustCompile(`[A-Za-z0-9_-]{43,}`),    // a review key, which has 64 characters, or one in base64url
	regexp.MustCompile(`[A-Za-z0-9+/=\\]{64,}`), // base64 of anything
}

// Redact takes out of a text what could be key material: private keys, credentials in a review path and long runs of base64.
func Redact(text string) string {
	for _, secret := range secretTexts {
		text = secret.ReplaceAllString(text, "[redacted]")
	}
	return text
}
