package apiserver_test

import (
	"context"
	"fmt"

	admissionregistration "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

const (
	operatorWebhook = "deny-fixed-critical-and-medium.runecast.com"
	policyLabel     = "runecast-admission-policy" // of the configuration that an operator writes by hand
	testLabel       = "runecast-test"             // of the configurations that only tests need
	reviewPath      = "/rc2/api/v2/k8s-admission-policy-review/policy/2"
)

// webhook is the webhook that an operator writes by hand (contract, section 4), in url mode.
func webhook(s *server) (*admissionregistration.ValidatingWebhook, error) {
	bundle, err := s.caBundle()
	if err != nil {
		return nil, err
	}
	return &admissionregistration.ValidatingWebhook{
		Name:         operatorWebhook,
		ClientConfig: admissionregistration.WebhookClientConfig{URL: new("https://" + s.host + reviewPath), CABundle: bundle},
		Rules: []admissionregistration.RuleWithOperations{{
			Operations: []admissionregistration.OperationType{admissionregistration.Create, admissionregistration.Update},
			Rule: admissionregistration.Rule{
				APIGroups:   []string{"*"},
				APIVersions: []string{"v1"},
				Resources: []string{
					"pods", "daemonsets", "deployments", "replicasets", "statefulsets",
					"replicationcontrollers", "cronjobs", "jobs",
				},
				Scope: new(admissionregistration.NamespacedScope),
			},
		}},
		NamespaceSelector: &metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{
			{Key: policyLabel, Operator: metav1.LabelSelectorOpIn, Values: []string{"2"}},
		}},
		AdmissionReviewVersions: []string{"v1", "v1beta1"},
		SideEffects:             new(admissionregistration.SideEffectClassNone),
	}, nil
}

// testWebhook is the operator's webhook with another name and another label, changed as a test needs it.
func testWebhook(s *server, name string, change func(*admissionregistration.ValidatingWebhook)) (*admissionregistration.ValidatingWebhook, error) {
	w, err := webhook(s)
	if err != nil {
		return nil, err
	}
	w.Name = testWebhookName(name)
	w.NamespaceSelector = &metav1.LabelSelector{MatchLabels: map[string]string{testLabel: name}}
	change(w)
	return w, nil
}

func testWebhookName(name string) string { return name + ".runecast.com" }

// register creates all configurations, the operator's last.
func (l *lab) register(ctx context.Context) error {
	fail, ignore := admissionregistration.Fail, admissionregistration.Ignore
	for _, c := range []struct {
		name   string
		server *server
		change func(*admissionregistration.ValidatingWebhook)
	}{
		{"ephemeral", l.main, func(w *admissionregistration.ValidatingWebhook) {
			w.Rules[0].Resources = append(w.Rules[0].Resources, "pods/ephemeralcontainers")
		}},
		{"all-namespaces", l.main, func(w *admissionregistration.ValidatingWebhook) {
			w.NamespaceSelector = &metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{
				{Key: corev1.LabelMetadataName, Operator: metav1.LabelSelectorOpNotIn, Values: []string{metav1.NamespaceSystem}},
			}}
			w.ObjectSelector = &metav1.LabelSelector{MatchLabels: map[string]string{testLabel: "all-namespaces"}} // spare the other tests
		}},
		{"every-kind", l.main, func(w *admissionregistration.ValidatingWebhook) { w.Rules[0].Resources = []string{"*"} }},
		{"v1beta1", l.main, func(w *admissionregistration.ValidatingWebhook) { w.AdmissionReviewVersions = []string{"v1beta1"} }},
		{"silent-registry", l.main, func(w *admissionregistration.ValidatingWebhook) { w.TimeoutSeconds = new(int32(2)) }},
		{"delete", l.main, func(w *admissionregistration.ValidatingWebhook) {
			w.Rules[0].Operations = append(w.Rules[0].Operations, admissionregistration.Delete)
		}},
		{"revoked-fail", l.revoked, func(w *admissionregistration.ValidatingWebhook) { w.FailurePolicy = &fail }},
		{"revoked-ignore", l.revoked, func(w *admissionregistration.ValidatingWebhook) { w.FailurePolicy = &ignore }},
		{"down-fail", l.stopped, func(w *admissionregistration.ValidatingWebhook) { w.FailurePolicy = &fail }},
		{"pull-secrets", l.secrets, func(*admissionregistration.ValidatingWebhook) {}},
		{"down-ignore", l.stopped, func(w *admissionregistration.ValidatingWebhook) { w.FailurePolicy = &ignore }},
	} {
		w, err := testWebhook(c.server, c.name, c.change)
		if err != nil {
			return err
		}
		if err := l.registerOne(ctx, "runecast-test-"+c.name, w); err != nil {
			return err
		}
	}
	w, err := webhook(l.main)
	if err != nil {
		return err
	}
	return l.registerOne(ctx, "runecast-validating-webhook", w)
}

func (l *lab) registerOne(ctx context.Context, name string, w *admissionregistration.ValidatingWebhook) error {
	_, err := l.Client.AdmissionregistrationV1().ValidatingWebhookConfigurations().Create(ctx, &admissionregistration.ValidatingWebhookConfiguration{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Webhooks:   []admissionregistration.ValidatingWebhook{*w},
	}, metav1.CreateOptions{})
	if err != nil {
		return fmt.Errorf("register %s: %w", name, err)
	}
	return nil
}
