package webhook

import (
	"cmp"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/selection"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// What a Spec stands for where it says nothing: the names that the chart's objects have and that operators' commands rely on.
const (
	DefaultName      = "runecast-validating-webhook" // certgen follows the CA in a configuration of this name
	DefaultNamespace = "runecast"
	DefaultPort      = 9080
	DefaultTimeout   = 10 // seconds
	PolicyLabel      = "runecast-admission-policy"

	// defaultWebhook is the name of the webhook for policy 2; the others are policy-<id>.runecast.com.
	defaultWebhook = "deny-fixed-critical-and-medium.runecast.com"
	webhookDomain  = ".runecast.com"
)

// systemNamespace is never guarded: nothing could mend a cluster whose own components wait for a webhook.
const systemNamespace = "kube-system"

// namespaceName is the label that the API server gives each namespace (https://kubernetes.io/docs/reference/labels-annotations-taints/#kubernetes-io-metadata-name).
const namespaceName = "kubernetes.io/metadata.name"

// Spec is what an operator says of a configuration that is to be generated. The zero value of a field stands for its default.
type Spec struct {
	Name   string  // of the configuration; default DefaultName
	Guards []Guard // one for each webhook; at least one

	// How the API server reaches the server: one of the two.
	Service Service
	Port    int    // of the Service; default DefaultPort
	URL     string // https://host[:port], with a prefix of the path where a proxy has one

	// CABundle is PEM. Leaves are left out of it where CA certificates are there. Without any the API server trusts its system's roots,
	// which is an error for a Service unless CAElsewhere says that certgen or cainjector puts the bundle in.
	CABundle    []byte
	CAElsewhere bool

	Key string // the review key for the path; default none, for an API server that sends a token

	AllNamespaces    bool     // whatever their labels
	ReleaseNamespace string   // where the server runs, which is never guarded; nor is the Service's
	Exclude          []string // more namespaces that are never guarded, beside kube-system and the release's

	FailurePolicy  string // Fail or Ignore; default Fail
	TimeoutSeconds int    // 1 to 30; default DefaultTimeout
}

// Guard is one webhook: a policy and the namespaces that it is for.
type Guard struct {
	Policy  string
	Webhook string  // name; default by the policy
	Labels  []Label // that a namespace must have, all of them; default PolicyLabel with the policy's id
}

// Label is one label of a namespace.
type Label struct{ Key, Value string }

// ParseLabels reads labels as kubectl writes them, key=value[,key=value]. {policy} in a value stands for the policy's id.
func ParseLabels(text, policy string) ([]Label, error) {
	var list []Label
	for part := range strings.SplitSeq(text, ",") {
		key, value, found := strings.Cut(strings.TrimSpace(part), "=")
		if !found || key == "" {
			return nil, fmt.Errorf("namespace label %q is no key=value, such as %s=2", part, PolicyLabel)
		}
		list = append(list, Label{Key: key, Value: strings.ReplaceAll(value, "{policy}", policy)})
	}
	return list, nil
}

// ParseService reads namespace/name[:port].
func ParseService(text string) (Service, int, error) {
	wrong := func(why string) (Service, int, error) {
		return Service{}, 0, fmt.Errorf("service %q %s: give namespace/name:port, such as %s/runecast-nginx:%d", text, why, DefaultNamespace, DefaultPort)
	}
	namespace, rest, found := strings.Cut(text, "/")
	name, portText, hasPort := strings.Cut(rest, ":")
	if !found || len(validation.IsDNS1123Label(namespace)) > 0 || len(validation.IsDNS1123Label(name)) > 0 {
		return wrong("names no Service")
	}
	port := DefaultPort
	if hasPort {
		var err error
		if port, err = strconv.Atoi(portText); err != nil || len(validation.IsValidPortNum(port)) > 0 {
			return wrong("has no port from 1 to 65535")
		}
	}
	return Service{Namespace: namespace, Name: name}, port, nil
}

// complete puts the defaults in. The receiver's slices are not shared with the result.
func (s Spec) complete() Spec { //nolint:gocritic // hugeParam: a copy is what is changed
	s.Name = cmp.Or(s.Name, DefaultName)
	s.FailurePolicy = cmp.Or(s.FailurePolicy, "Fail")
	s.TimeoutSeconds = cmp.Or(s.TimeoutSeconds, DefaultTimeout)
	if s.Service.Name != "" {
		s.Port = cmp.Or(s.Port, DefaultPort)
	}
	s.Guards = slices.Clone(s.Guards)
	for i := range s.Guards {
		g := &s.Guards[i]
		g.Webhook = cmp.Or(g.Webhook, webhookName(g.Policy))
		if len(g.Labels) == 0 {
			g.Labels = []Label{{PolicyLabel, g.Policy}}
		}
	}
	return s
}

// webhookName is the default name of a policy's webhook, which denials show. Policy ids may have capitals and "_", names may not.
func webhookName(policy string) string {
	if policy == "2" {
		return defaultWebhook
	}
	return "policy-" + strings.ToLower(strings.ReplaceAll(policy, "_", "-")) + webhookDomain
}

// excluded are the namespaces that are never guarded, each once, in a fixed order: those that always are, then the operator's.
func (s *Spec) excluded() []string {
	names := []string{systemNamespace}
	for _, name := range slices.Concat([]string{s.Service.Namespace, s.ReleaseNamespace}, s.Exclude) {
		if name != "" && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

// validate names all that no API server would take, or that no operator can mean.
func (s *Spec) validate() error {
	var problems []error
	failf := func(format string, args ...any) { problems = append(problems, fmt.Errorf(format, args...)) }
	if wrong := validation.IsDNS1123Subdomain(s.Name); len(wrong) > 0 {
		failf("name %q: %s", s.Name, wrong[0])
	}
	if s.FailurePolicy != "Fail" && s.FailurePolicy != "Ignore" {
		failf("failure policy %q is neither Fail nor Ignore", s.FailurePolicy)
	}
	if s.TimeoutSeconds < 1 || s.TimeoutSeconds > 30 {
		failf("a timeout of %d s: API servers take 1 to 30", s.TimeoutSeconds)
	}
	for _, name := range s.excluded() {
		if wrong := validation.IsDNS1123Label(name); len(wrong) > 0 {
			failf("namespace %q: %s", name, wrong[0])
		}
	}
	problems = append(problems, s.validateTarget(), s.validateGuards())
	return errors.Join(problems...)
}

// validateTarget follows ValidateWebhookURL and ValidateWebhookService of the API server
// (https://github.com/kubernetes/kubernetes/blob/v1.34.0/staging/src/k8s.io/apiserver/pkg/util/webhook/validation.go). Its errors do not
// show what a URL holds beside its host: it may be a secret.
func (s *Spec) validateTarget() error {
	var problems []error
	switch hasService, hasURL := s.Service.Name != "", s.URL != ""; {
	case hasService == hasURL:
		return errors.New("say how the API server reaches runecast: by a Service of the cluster or by a URL, one of the two")
	case hasURL:
		problems = append(problems, checkURL(s.URL))
	}
	if s.Key == "" {
		return errors.Join(problems...)
	}
	if len(validation.IsDNS1123Subdomain(s.Key)) > 0 {
		problems = append(problems, errors.New("the review key cannot stand in a path that an API server takes: use lower-case letters and digits, as certgen makes them"))
	}
	return errors.Join(problems...)
}

func checkURL(text string) error {
	u, err := url.Parse(text)
	switch {
	case err != nil:
		return errors.New("the URL cannot be parsed: give one such as https://runecast.domain.local")
	case u.Scheme != "https" || u.Hostname() == "":
		return errors.New("the URL is no https://host[:port]: API servers send reviews by TLS alone")
	case u.User != nil:
		return errors.New("the URL has user information, which API servers refuse: authenticate with the review key in the path or with a token")
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return errors.New("the URL has a query or a fragment, which API servers refuse")
	case strings.Contains(u.Path, "k8s-admission-policy-review"):
		return errors.New("the URL has the path of reviews already: give it without, the path of each policy is added")
	}
	if port := u.Port(); port != "" {
		if n, err := strconv.Atoi(port); err != nil || len(validation.IsValidPortNum(n)) > 0 {
			return fmt.Errorf("the URL's port %s is none from 1 to 65535", port)
		}
	}
	return nil
}

func (s *Spec) validateGuards() error {
	var problems []error
	failf := func(format string, args ...any) { problems = append(problems, fmt.Errorf(format, args...)) }
	if len(s.Guards) == 0 {
		failf("name at least one policy")
	}
	seen := map[string]string{}
	for _, g := range s.Guards {
		switch wrong := validation.IsDNS1123Subdomain(g.Policy); {
		case g.Policy == "":
			failf("a policy has no id")
		case len(wrong) > 0 && s.Service.Name != "":
			failf("policy id %q cannot stand in the path of a Service, where API servers take lower-case letters, digits, \"-\" and \".\" alone: give the policy another id, or use a URL", g.Policy)
		case url.PathEscape(g.Policy) != g.Policy:
			failf("policy id %q cannot stand in a path", g.Policy)
		}
		if wrong := validation.IsFullyQualifiedName(field.NewPath("name"), g.Webhook); len(wrong) > 0 {
			failf("webhook name %q: %s", g.Webhook, wrong[0].Detail)
		}
		if other, found := seen[g.Webhook]; found {
			failf("policies %s and %s have the same webhook name %s: give each one of its own", other, g.Policy, g.Webhook)
		}
		seen[g.Webhook] = g.Policy
		if s.AllNamespaces {
			continue
		}
		values := map[string]string{}
		for _, l := range g.Labels {
			if before, found := values[l.Key]; found && before != l.Value {
				failf("namespace label %s is to be both %s and %s, which none can be", l.Key, before, l.Value)
			}
			values[l.Key] = l.Value
			if _, err := labels.NewRequirement(l.Key, selection.In, []string{l.Value}); err != nil {
				failf("namespace label %s=%s: %w", l.Key, l.Value, err)
			}
		}
	}
	return errors.Join(problems...)
}
