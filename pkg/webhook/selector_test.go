package webhook_test

import (
	"fmt"
	"strings"
	"testing"

	admissionregistration "k8s.io/api/admissionregistration/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/runecast/runecast/pkg/webhook"
)

const nameLabel = "kubernetes.io/metadata.name"

func expression(key string, operator metav1.LabelSelectorOperator, values ...string) metav1.LabelSelectorRequirement {
	return metav1.LabelSelectorRequirement{Key: key, Operator: operator, Values: values}
}

func TestSelects(t *testing.T) {
	t.Parallel()
	for what, c := range map[string]struct {
		selector *metav1.LabelSelector
		want     string // the reason; empty where it selects
	}{
		"no selector":      {nil, ""},
		"an empty one":     {&metav1.LabelSelector{}, ""},
		"a label":          {&metav1.LabelSelector{MatchLabels: map[string]string{"team": "shop"}}, ""},
		"another value":    {&metav1.LabelSelector{MatchLabels: map[string]string{"team": "lab"}}, `label team is "shop", not lab`},
		"no label":         {&metav1.LabelSelector{MatchLabels: map[string]string{"gate": "2"}}, "label gate is not set"},
		"the first by key": {&metav1.LabelSelector{MatchLabels: map[string]string{"z": "1", "a": "1"}}, "label a is not set"},
		"In":               {&metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{expression("team", "In", "lab", "shop")}}, ""},
		"not In":           {&metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{expression("team", "In", "lab", "web")}}, `label team is "shop", not lab or web`},
		"NotIn":            {&metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{expression("team", "NotIn", "shop")}}, `label team is "shop", which is excluded`},
		"NotIn, not set":   {&metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{expression("gate", "NotIn", "off")}}, ""},
		"Exists":           {&metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{expression("gate", "Exists")}}, "label gate is not set"},
		"DoesNotExist":     {&metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{expression("team", "DoesNotExist")}}, "label team is set"},
		"by name":          {&metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{expression("gate", "Exists"), expression(nameLabel, "NotIn", "web", "x")}}, webhook.ExcludedByName},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			w := &admissionregistration.ValidatingWebhook{NamespaceSelector: c.selector}
			selected, why, err := webhook.Selects(w, webhook.Namespace{Name: "web", Labels: map[string]string{nameLabel: "web", "team": "shop"}})
			if err != nil || selected != (c.want == "") || why != c.want {
				t.Errorf("selected %t, %q, %v", selected, why, err)
			}
		})
	}
	w := &admissionregistration.ValidatingWebhook{Name: "x", NamespaceSelector: &metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{expression("a", "Near", "b")}}}
	if _, _, err := webhook.Selects(w, webhook.Namespace{}); err == nil || !strings.Contains(err.Error(), `webhook "x"`) {
		t.Errorf("an unknown operator: %v", err)
	}
}

func TestJudgeNamespaces(t *testing.T) {
	t.Parallel()
	fail, ignore := admissionregistration.Fail, admissionregistration.Ignore
	byLabel := &metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{
		expression(nameLabel, "NotIn", "kube-system", "runecast"), expression(webhook.PolicyLabel, "In", "2"),
	}}
	namespaces := []webhook.Namespace{{Name: "kube-system"}, {Name: "lab"}, {Name: "runecast"}, {Name: "shop", Labels: map[string]string{webhook.PolicyLabel: "2"}}}
	for i := range 20 {
		namespaces = append(namespaces, webhook.Namespace{Name: fmt.Sprintf("web-%02d", i), Labels: map[string]string{webhook.PolicyLabel: "3"}})
	}
	for i := range namespaces {
		if namespaces[i].Labels == nil {
			namespaces[i].Labels = map[string]string{}
		}
		namespaces[i].Labels[nameLabel] = namespaces[i].Name
	}
	target := &webhook.Target{Service: service()}
	for what, c := range map[string]struct {
		webhook    admissionregistration.ValidatingWebhook
		namespaces []webhook.Namespace
		want       string
		texts      []string
	}{
		"by label": {admissionregistration.ValidatingWebhook{NamespaceSelector: byLabel, FailurePolicy: &fail}, namespaces, "ok ok ok ok ok", []string{
			"guards 1: shop", "leaves 2 alone, excluded by name: kube-system, runecast", "leaves 1 alone, label runecast-admission-policy is not set: lab",
			`leaves 20 alone, label runecast-admission-policy is "3", not 2: web-00, web-01`, "web-11 and 8 more", "the namespaces that it guards (1)",
		}},
		"none":         {admissionregistration.ValidatingWebhook{NamespaceSelector: byLabel, FailurePolicy: &ignore}, namespaces[:3], "risk ok ok", []string{"kubectl label namespace NAME runecast-admission-policy=2"}},
		"all, Fail":    {admissionregistration.ValidatingWebhook{}, namespaces, "ok problem problem ok", []string{"pods of kube-system cannot start", "pods of runecast cannot start"}},
		"all, Ignore":  {admissionregistration.ValidatingWebhook{FailurePolicy: &ignore}, namespaces, "ok risk risk", []string{"pods of runecast are judged by a server that may need them"}},
		"no namespace": {admissionregistration.ValidatingWebhook{FailurePolicy: &ignore}, nil, "risk", []string{"guards none that exists"}},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			guarded, left, err := webhook.Sort(&c.webhook, c.namespaces)
			if err != nil || len(guarded)+len(left) != len(c.namespaces) {
				t.Fatalf("%v, %v, %v", guarded, left, err)
			}
			list, texts := levels(webhook.JudgeNamespaces(&c.webhook, target, guarded, left))
			if list != c.want {
				t.Errorf("levels %s, want %s: %s", list, c.want, texts)
			}
			for _, text := range c.texts {
				if !strings.Contains(texts, text) {
					t.Errorf("want %q in %s", text, texts)
				}
			}
		})
	}
}

// TestRisks changes one thing at a time of a webhook that has none.
func TestRisks(t *testing.T) {
	t.Parallel()
	rules := func(change func(*admissionregistration.RuleWithOperations)) func(*admissionregistration.ValidatingWebhook) {
		return func(w *admissionregistration.ValidatingWebhook) { change(&w.Rules[0]) }
	}
	for what, c := range map[string]struct {
		change func(*admissionregistration.ValidatingWebhook)
		want   string
	}{
		"nothing":      {func(*admissionregistration.ValidatingWebhook) {}, ""},
		"everything":   {rules(func(r *admissionregistration.RuleWithOperations) { r.Resources = []string{"*/*"} }), ""},
		"all with sub": {rules(func(r *admissionregistration.RuleWithOperations) { r.Resources = []string{"*", "pods/*"} }), ""},
		"all operations": {rules(func(r *admissionregistration.RuleWithOperations) {
			r.Operations = []admissionregistration.OperationType{"*"}
		}), ""},
		"all versions": {rules(func(r *admissionregistration.RuleWithOperations) { r.APIVersions, r.Scope = []string{"*"}, nil }), ""},
		"named groups": {rules(func(r *admissionregistration.RuleWithOperations) { r.APIGroups = []string{"", "apps", "batch"} }), ""},
		"two rules": {func(w *admissionregistration.ValidatingWebhook) {
			w.Rules = append(w.Rules, w.Rules[0])
			w.Rules[0].Resources = nil
		}, ""},
		"no sub":         {rules(func(r *admissionregistration.RuleWithOperations) { r.Resources = []string{"*"} }), "leave out pods/ephemeralcontainers (UPDATE):"},
		"no UPDATE":      {rules(func(r *admissionregistration.RuleWithOperations) { r.Operations = r.Operations[:1] }), "pods (UPDATE), pods/ephemeralcontainers (UPDATE), daemonsets (UPDATE)"},
		"no batch":       {rules(func(r *admissionregistration.RuleWithOperations) { r.APIGroups = []string{"", "apps"} }), "leave out cronjobs (CREATE), cronjobs (UPDATE), jobs (CREATE), jobs (UPDATE):"},
		"a beta version": {rules(func(r *admissionregistration.RuleWithOperations) { r.APIVersions = []string{"v1beta1"} }), "leave out pods (CREATE)"},
		"of the cluster": {rules(func(r *admissionregistration.RuleWithOperations) { r.Scope = new(admissionregistration.ClusterScope) }), "leave out pods (CREATE)"},
		"no rules":       {func(w *admissionregistration.ValidatingWebhook) { w.Rules = nil }, "leave out pods (CREATE)"},
		"Exact":          {func(w *admissionregistration.ValidatingWebhook) { w.MatchPolicy = new(admissionregistration.Exact) }, "matchPolicy Exact"},
		"default policies": {func(w *admissionregistration.ValidatingWebhook) {
			w.MatchPolicy, w.FailurePolicy, w.TimeoutSeconds = nil, nil, nil
		}, ""},
		"Ignore":      {func(w *admissionregistration.ValidatingWebhook) { w.FailurePolicy = new(admissionregistration.Ignore) }, "failurePolicy Ignore"},
		"no selector": {func(w *admissionregistration.ValidatingWebhook) { w.NamespaceSelector = nil }, "it guards kube-system"},
		"names that exclude": {func(w *admissionregistration.ValidatingWebhook) {
			w.NamespaceSelector.MatchExpressions = w.NamespaceSelector.MatchExpressions[:1]
		}, "failurePolicy Fail for all namespaces"},
		"objects": {func(w *admissionregistration.ValidatingWebhook) {
			w.ObjectSelector.MatchLabels = map[string]string{"a": "b"}
		}, "objectSelector"},
		"conditions": {func(w *admissionregistration.ValidatingWebhook) {
			w.MatchConditions = []admissionregistration.MatchCondition{{Name: "x"}}
		}, "matchConditions"},
		"a short time-out":   {func(w *admissionregistration.ValidatingWebhook) { w.TimeoutSeconds = new(int32(1)) }, "a timeout of 1 s"},
		"a URL that is none": {func(w *admissionregistration.ValidatingWebhook) { w.ClientConfig.URL = new("https://a\x7f") }, "cannot be parsed"},
		"a URL of the inside": {func(w *admissionregistration.ValidatingWebhook) {
			w.ClientConfig.URL = new("https://a.b.svc.cluster.local/x")
		}, "cluster's DNS"},
		"a URL of loopback": {func(w *admissionregistration.ValidatingWebhook) { w.ClientConfig.URL = new("https://[::1]/x") }, "the API server's own machine"},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			w := ours(t).Webhooks[0]
			c.change(&w)
			risks := webhook.Risks(&w)
			if (len(risks) == 0) != (c.want == "") || !strings.Contains(strings.Join(risks, "\n"), c.want) {
				t.Errorf("%q, want %q", risks, c.want)
			}
		})
	}
}

// ours gives a generated configuration, a fresh one each time.
func ours(t *testing.T) *webhook.Configuration {
	t.Helper()
	c, _, err := webhook.Generate(webhook.Spec{Guards: []webhook.Guard{{Policy: "2"}}, Service: service(), CABundle: goldenCA(t), Key: goldenKey}, now())
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestReview(t *testing.T) {
	t.Parallel()
	plain := webhook.ReviewPath("2", "")
	call := func(change func(*admissionregistration.ValidatingWebhook)) *webhook.Configuration {
		c := ours(t)
		c.Annotations = nil
		change(&c.Webhooks[0])
		return c
	}
	url := func(text string) func(*admissionregistration.ValidatingWebhook) {
		return func(w *admissionregistration.ValidatingWebhook) {
			w.ClientConfig = admissionregistration.WebhookClientConfig{URL: &text}
		}
	}
	for what, c := range map[string]struct {
		configuration *webhook.Configuration
		ok            bool
		want          webhook.Target
		text          string
	}{
		"a Service": {call(func(*admissionregistration.ValidatingWebhook) {}), true, webhook.Target{Service: service(), Address: name + ":9080", ServerName: name, Policy: "2", Path: true, Keyed: true}, "service runecast/runecast-nginx:9080"},
		"no port": {call(func(w *admissionregistration.ValidatingWebhook) {
			w.ClientConfig.Service.Port = nil
			w.ClientConfig.Service.Path = &plain
		}), true, webhook.Target{Service: service(), Address: name + ":443", ServerName: name, Policy: "2", Path: true}, "service runecast/runecast-nginx:443"},
		"a URL":       {call(url("https://runecast.domain.local" + plain)), true, webhook.Target{Address: "runecast.domain.local:443", ServerName: "runecast.domain.local", Policy: "2", Path: true, System: true}, "https://runecast.domain.local:443"},
		"a prefix":    {call(url("https://a.example:8443/gate" + webhook.ReviewPath("shop", "abc"))), true, webhook.Target{Address: "a.example:8443", ServerName: "a.example", Policy: "shop", Path: true, Keyed: true, System: true}, "https://a.example:8443"},
		"the alias":   {call(url("https://[::1]/rca/api/v2/k8s-admission-policy-review/policy/3/")), true, webhook.Target{Address: "[::1]:443", ServerName: "::1", Policy: "3", Path: true, System: true}, "https://[::1]:443"},
		"another":     {call(url("https://a.example/validate")), false, webhook.Target{}, ""},
		"no URL":      {call(url("https://a\x7f")), false, webhook.Target{}, ""},
		"no path":     {call(func(w *admissionregistration.ValidatingWebhook) { w.ClientConfig.Service.Path = nil }), false, webhook.Target{}, ""},
		"the chart's": {func() *webhook.Configuration { c := ours(t); c.Webhooks[0].ClientConfig.Service.Path = nil; return c }(), true, webhook.Target{Service: service(), Address: name + ":9080", ServerName: name, Policy: "2"}, "service runecast/runecast-nginx:9080"},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			got, ok := webhook.Review(c.configuration, &c.configuration.Webhooks[0])
			if ok != c.ok || (ok && (got != c.want || got.String() != c.text)) {
				t.Errorf("got %+v (%s), %t", got, got.String(), ok)
			}
		})
	}
}
