package webhook

import (
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"time"

	admissionregistration "k8s.io/api/admissionregistration/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"
)

// managedBy is the label app.kubernetes.io/managed-by of what Generate makes.
const managedBy = "runecast"

// reviewedResources are the kinds that carry images, beside which pods/ephemeralcontainers is what kubectl debug writes to. The chart has the same list.
func reviewedResources() []string {
	return []string{
		"pods", "pods/ephemeralcontainers", "daemonsets", "deployments", "replicasets", "statefulsets", "replicationcontrollers", "cronjobs", "jobs",
	}
}

// Generate makes a complete configuration, the same for the same spec. Every field that an API server would give a default is set, so
// that there is no difference to what it stores. The error names all mistakes of the spec. warnings say what will work and may
// surprise, as of now.
func Generate(spec Spec, now time.Time) (c *admissionregistration.ValidatingWebhookConfiguration, warnings []string, err error) { //nolint:gocritic // hugeParam: made once
	spec = spec.complete()
	bundle, warnings, bundleErr := spec.bundle(now)
	if problems := errors.Join(spec.validate(), bundleErr); problems != nil {
		return nil, nil, problems
	}
	policies := map[string]string{}
	c = &admissionregistration.ValidatingWebhookConfiguration{
		TypeMeta: metav1.TypeMeta{APIVersion: "admissionregistration.k8s.io/v1", Kind: "ValidatingWebhookConfiguration"},
		ObjectMeta: metav1.ObjectMeta{Name: spec.Name, Labels: map[string]string{
			"app.kubernetes.io/name": "runecast", "app.kubernetes.io/component": "webhook", "app.kubernetes.io/part-of": "runecast",
			"app.kubernetes.io/managed-by": managedBy,
		}},
	}
	for i := range spec.Guards {
		policies[spec.Guards[i].Webhook] = spec.Guards[i].Policy
		c.Webhooks = append(c.Webhooks, spec.webhook(&spec.Guards[i], bundle))
	}
	text, err := json.Marshal(policies)
	if err != nil {
		return nil, nil, fmt.Errorf("write the annotation %s: %w", PoliciesAnnotation, err)
	}
	c.Annotations = map[string]string{PoliciesAnnotation: string(text)}
	for i := range c.Webhooks {
		warnings = append(warnings, prefixed(&c.Webhooks[i], Risks(&c.Webhooks[i]))...)
	}
	return c, append(warnings, overlaps(spec.Guards, spec.AllNamespaces)...), nil
}

func prefixed(w *admissionregistration.ValidatingWebhook, texts []string) []string {
	for i := range texts {
		texts[i] = "webhook " + w.Name + ": " + texts[i]
	}
	return texts
}

// webhook makes one webhook of a complete spec.
func (s *Spec) webhook(g *Guard, bundle []byte) admissionregistration.ValidatingWebhook {
	failurePolicy := admissionregistration.FailurePolicyType(s.FailurePolicy)
	w := admissionregistration.ValidatingWebhook{
		Name:                    g.Webhook,
		AdmissionReviewVersions: []string{"v1", "v1beta1"},
		SideEffects:             new(admissionregistration.SideEffectClassNone),
		FailurePolicy:           &failurePolicy,
		TimeoutSeconds:          new(int32(s.TimeoutSeconds)), //nolint:gosec // at most 30
		MatchPolicy:             new(admissionregistration.Equivalent),
		ClientConfig:            admissionregistration.WebhookClientConfig{CABundle: bundle},
		Rules: []admissionregistration.RuleWithOperations{{
			Operations: []admissionregistration.OperationType{admissionregistration.Create, admissionregistration.Update},
			Rule: admissionregistration.Rule{
				APIGroups: []string{"*"}, APIVersions: []string{"v1"}, Resources: reviewedResources(), Scope: new(admissionregistration.NamespacedScope),
			},
		}},
		NamespaceSelector: &metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{
			{Key: namespaceName, Operator: metav1.LabelSelectorOpNotIn, Values: s.excluded()},
		}},
		ObjectSelector: &metav1.LabelSelector{},
	}
	path := ReviewPath(g.Policy, s.Key)
	if s.URL != "" {
		u, _ := url.Parse(s.URL) // it was parsed when it was checked
		w.ClientConfig.URL = new(u.JoinPath(path).String())
	} else {
		w.ClientConfig.Service = &admissionregistration.ServiceReference{
			Namespace: s.Service.Namespace, Name: s.Service.Name, Path: &path, Port: new(int32(s.Port)), //nolint:gosec // a port
		}
	}
	if s.AllNamespaces {
		return w
	}
	for _, l := range g.Labels {
		w.NamespaceSelector.MatchExpressions = append(w.NamespaceSelector.MatchExpressions,
			metav1.LabelSelectorRequirement{Key: l.Key, Operator: metav1.LabelSelectorOpIn, Values: []string{l.Value}})
	}
	return w
}

// bundle gives the caBundle of a spec: each CA certificate once, in the given order, with no text between. A certificate that is no CA
// is kept only where nothing else is there.
func (s *Spec) bundle(now time.Time) (bundle []byte, warnings []string, err error) {
	certificates, err := ParseBundle(s.CABundle)
	switch {
	case err != nil:
		return nil, nil, fmt.Errorf("the CA: %w", err)
	case len(s.CABundle) > 0 && len(certificates) == 0:
		return nil, nil, errors.New("the CA: there is no PEM certificate in it")
	case len(certificates) > 0 && s.CAElsewhere:
		return nil, nil, errors.New("a CA is given, and said to be put in by somebody else: one of the two")
	case len(certificates) == 0 && s.Service.Name != "" && !s.CAElsewhere:
		return nil, nil, errors.New("no CA is given: without caBundle the API server does not believe the Service's certificate, and refuses every workload")
	case len(certificates) == 0:
		return nil, nil, nil
	}
	used := slices.DeleteFunc(slices.Clone(certificates), func(c *x509.Certificate) bool { return !c.IsCA })
	switch leaves := slices.DeleteFunc(slices.Clone(certificates), func(c *x509.Certificate) bool { return c.IsCA }); {
	case len(used) == 0:
		used = leaves
	case len(leaves) > 0:
		warnings = append(warnings, fmt.Sprintf("left out of caBundle: %s, as the CA is there too", named(leaves...)))
	}
	for _, c := range used {
		if warning := bundleWarning(c, now); warning != "" {
			warnings = append(warnings, warning)
		}
	}
	if !slices.ContainsFunc(used, func(c *x509.Certificate) bool { return inForce(c, now) }) {
		return nil, nil, fmt.Errorf("the CA: %s: the API server would refuse every workload", bundleWarning(used[0], now))
	}
	return EncodeBundle(used...), warnings, nil
}

// overlaps tells of policies that judge the same namespaces.
func overlaps(guards []Guard, all bool) []string {
	var texts []string
	seen := map[string]string{}
	for _, g := range guards {
		key := fmt.Sprint(g.Labels)
		if all {
			key = ""
		}
		if other, found := seen[key]; found {
			texts = append(texts, fmt.Sprintf("policies %s and %s judge the same namespaces: a workload must pass both", other, g.Policy))
		}
		seen[key] = g.Policy
	}
	return texts
}

// Encode writes a configuration as YAML. It can hold a review key.
func Encode(c *admissionregistration.ValidatingWebhookConfiguration) ([]byte, error) {
	text, err := yaml.Marshal(c)
	if err != nil {
		return nil, fmt.Errorf("write ValidatingWebhookConfiguration %s: %w", c.Name, err)
	}
	return text, nil
}
