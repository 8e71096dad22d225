package webhook

import (
	"bytes"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	admissionregistration "k8s.io/api/admissionregistration/v1"
	"k8s.io/apimachinery/pkg/util/validation"
)

// PoliciesAnnotation names, on the chart's configuration, the policy of each webhook: a JSON object from webhook names to policy ids.
const PoliciesAnnotation = "runecast.com/policies"

// Configuration is a ValidatingWebhookConfiguration, under a name for those that may not import Kubernetes' API.
type Configuration = admissionregistration.ValidatingWebhookConfiguration

const (
	reviewPath = "/rc2/api/v2/k8s-admission-policy-review/policy/"
	keySegment = "/key/"
)

// ReviewPath gives the path of the review endpoint for a policy. key is the credential of an API server that has none of its
// own; with none it is the plain path, for an API server that sends a token. The API server takes a path only when every segment
// is an RFC 1123 subdomain (lower-case letters, digits, "-" and "."), so policy id and key must be.
func ReviewPath(policyID, key string) string {
	path := reviewPath + policyID
	if key != "" {
		path += keySegment + key
	}
	return path
}

// RedactPath replaces the credential in a path of the review endpoint, for people and logs.
func RedactPath(path string) string {
	before, _, found := strings.Cut(path, keySegment)
	if !found {
		return path
	}
	return before + keySegment + "[redacted]"
}

// keyInText is a credential in a path of the review endpoint, wherever it stands in a text.
var keyInText = regexp.MustCompile(`(/policy/[^/\s"]+/key/)[^\s"/?\[][^\s"/?]*`)

// RedactText replaces the credentials in paths of the review endpoint in a text, such as an API server's error.
func RedactText(text string) string { return keyInText.ReplaceAllString(text, "${1}[redacted]") }

// Policies reads the annotation that names the policy of each webhook. A configuration without it has none.
func Policies(c *admissionregistration.ValidatingWebhookConfiguration) (map[string]string, error) {
	text, ok := c.Annotations[PoliciesAnnotation]
	if !ok {
		return map[string]string{}, nil
	}
	decoder := json.NewDecoder(strings.NewReader(text))
	policies := map[string]string{}
	if err := decoder.Decode(&policies); err != nil {
		return nil, fmt.Errorf("annotation %s of ValidatingWebhookConfiguration %s: %w; it must be a JSON object from webhook names to policy ids, as {\"deny.example.com\":\"2\"}",
			PoliciesAnnotation, c.Name, err)
	}
	return policies, nil
}

// Edit is what has to change in one webhook. Fields that are zero stay as they are.
type Edit struct {
	Index    int
	Webhook  string // its name
	CABundle []byte // PEM
	Path     string // of clientConfig.service; it can hold a credential
}

// Service names a Service in a cluster.
type Service struct {
	Namespace, Name string
}

// Managed works out what has to change in the chart's configuration, so that every webhook that calls a service has the path
// of its policy, and a caBundle of the certificates of trusted and those others in it that keep selects (none when it is nil).
// trusted is nil where somebody else looks after the bundle. A webhook with a URL of its own is left alone. Every webhook that
// no policy is named for is an error of the result.
func Managed(c *admissionregistration.ValidatingWebhookConfiguration, trusted []*x509.Certificate, keep func(*x509.Certificate) bool, key string) ([]Edit, error) {
	policies, err := Policies(c)
	if err != nil {
		return nil, err
	}
	var edits []Edit
	var problems []error
	for i := range c.Webhooks {
		w := &c.Webhooks[i]
		if w.ClientConfig.Service == nil {
			continue
		}
		edit := Edit{Index: i, Webhook: w.Name}
		if edit.Path, err = managedPath(c, w, policies[w.Name], key); err != nil {
			problems = append(problems, err)
		}
		if trusted != nil {
			edit.CABundle = managedBundle(w.ClientConfig.CABundle, trusted, keep)
		}
		if edit.Path != "" || edit.CABundle != nil {
			edits = append(edits, edit)
		}
	}
	return edits, errors.Join(problems...)
}

// managedPath gives the path that a webhook is to have, or nothing when it has that already.
func managedPath(c *admissionregistration.ValidatingWebhookConfiguration, w *admissionregistration.ValidatingWebhook, policyID, key string) (string, error) {
	if policyID == "" {
		return "", fmt.Errorf("webhook %q of ValidatingWebhookConfiguration %s has no policy in the annotation %s", w.Name, c.Name, PoliciesAnnotation)
	}
	if wrong := validation.IsDNS1123Subdomain(policyID); len(wrong) > 0 {
		return "", fmt.Errorf("policy id %q of webhook %q of ValidatingWebhookConfiguration %s cannot stand in a path that an API server takes: %s",
			policyID, w.Name, c.Name, strings.Join(wrong, "; "))
	}
	path := ReviewPath(policyID, key)
	if have := w.ClientConfig.Service.Path; have != nil && *have == path {
		return "", nil
	}
	return path, nil
}

// managedBundle gives the bundle that a webhook is to have, or nil when it has that already. A bundle that cannot be read is
// replaced: it is ours, and no API server can use it.
func managedBundle(bundle []byte, trusted []*x509.Certificate, keep func(*x509.Certificate) bool) []byte {
	amended, changed, err := Amend(bundle, trusted, func(c *x509.Certificate) bool { return keep == nil || !keep(c) })
	switch {
	case err != nil:
		return EncodeBundle(trusted...)
	case changed:
		return amended
	default:
		return nil
	}
}

// Adopted works out what has to change in a configuration that somebody wrote by hand, so that it follows the CA: every
// webhook that calls one of services gets the certificates of add into its caBundle and loses those that drop selects. Other
// webhooks and other certificates stay. A bundle that cannot be read is an error of the result.
func Adopted(c *admissionregistration.ValidatingWebhookConfiguration, services []Service, add []*x509.Certificate, drop func(*x509.Certificate) bool) ([]Edit, error) {
	var edits []Edit
	var problems []error
	for i := range c.Webhooks {
		w := &c.Webhooks[i]
		s := w.ClientConfig.Service
		if s == nil || !slices.Contains(services, Service{Namespace: s.Namespace, Name: s.Name}) {
			continue
		}
		amended, changed, err := Amend(w.ClientConfig.CABundle, add, drop)
		if err != nil {
			problems = append(problems, fmt.Errorf("caBundle of webhook %q of ValidatingWebhookConfiguration %s: %w", w.Name, c.Name, err))
			continue
		}
		if changed {
			edits = append(edits, Edit{Index: i, Webhook: w.Name, CABundle: amended})
		}
	}
	return edits, errors.Join(problems...)
}

// operation is one step of a JSON patch (RFC 6902, section 4).
type operation struct {
	Op    string `json:"op"`
	Path  string `json:"path"`
	Value any    `json:"value"`
}

// Patch writes edits as one JSON patch (RFC 6902) that applies to this very state of the configuration: it carries the
// resourceVersion, so that the API server answers with a conflict where somebody else has written since, and tests each
// webhook's name at its place. The patch can hold a credential: it must not be logged.
func Patch(c *admissionregistration.ValidatingWebhookConfiguration, edits []Edit) ([]byte, error) {
	if c.ResourceVersion == "" {
		return nil, fmt.Errorf("ValidatingWebhookConfiguration %s has no resourceVersion: it was not read from an API server", c.Name)
	}
	operations := []operation{{"replace", "/metadata/resourceVersion", c.ResourceVersion}}
	for _, e := range edits {
		at := fmt.Sprintf("/webhooks/%d", e.Index)
		operations = append(operations, operation{"test", at + "/name", e.Webhook})
		if e.CABundle != nil {
			operations = append(operations, operation{"add", at + "/clientConfig/caBundle", e.CABundle})
		}
		if e.Path != "" {
			operations = append(operations, operation{"add", at + "/clientConfig/service/path", e.Path})
		}
	}
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(operations); err != nil {
		return nil, fmt.Errorf("write the patch of ValidatingWebhookConfiguration %s: %w", c.Name, err)
	}
	return b.Bytes(), nil
}
