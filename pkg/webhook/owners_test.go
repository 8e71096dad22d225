package webhook_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/runecast/runecast/pkg/webhook"
)

const webhookName = "deny-fixed-critical-and-medium.runecast.com"

// entry is what one manager has of the webhook, as fields: nested by dots.
func entry(manager string, operation metav1.ManagedFieldsOperationType, webhooks string, fields ...string) metav1.ManagedFieldsEntry {
	tree := map[string]any{".": map[string]any{}}
	for _, path := range fields {
		at := tree
		for part := range strings.SplitSeq(path, ".") {
			below, ok := at["f:"+part].(map[string]any)
			if !ok {
				below = map[string]any{}
				at["f:"+part] = below
			}
			at = below
		}
	}
	root := map[string]any{"f:metadata": map[string]any{"f:labels": map[string]any{}}}
	if webhooks != "" {
		root["f:webhooks"] = map[string]any{".": map[string]any{}, `k:{"name":"` + webhooks + `"}`: tree}
	}
	text, err := json.Marshal(root)
	if err != nil {
		panic(err)
	}
	raw := &metav1.FieldsV1{}
	raw.SetRawBytes(text)
	return metav1.ManagedFieldsEntry{Manager: manager, Operation: operation, FieldsV1: raw}
}

const apply, update = metav1.ManagedFieldsOperationApply, metav1.ManagedFieldsOperationUpdate

func TestOwners(t *testing.T) {
	t.Parallel()
	c := ours(t)
	c.ManagedFields = []metav1.ManagedFieldsEntry{
		entry("runecast-webhook", apply, webhookName, "name", "timeoutSeconds", "clientConfig.service.name", "clientConfig.service.path"),
		entry("labeller", update, ""),
		entry("runecast-certgen", update, webhookName, "clientConfig.caBundle"),
		{Manager: "nothing"},
	}
	owners, err := webhook.Owners(c)
	if err != nil || len(owners) != 2 {
		t.Fatalf("%+v, %v", owners, err)
	}
	if o := owners[0]; o.Manager != "runecast-webhook" || !o.Applied || !slices.Equal(o.Fields[webhookName], []string{"clientConfig.service.name", "clientConfig.service.path", "timeoutSeconds"}) {
		t.Errorf("%+v", o)
	}
	if o := owners[1]; o.Manager != "runecast-certgen" || o.Applied || !slices.Equal(o.Fields[webhookName], []string{"clientConfig.caBundle"}) {
		t.Errorf("%+v", o)
	}
	if names, err := webhook.Managers(c); err != nil || !slices.Equal(names, []string{"runecast-webhook", "runecast-certgen"}) {
		t.Errorf("%v, %v", names, err)
	}
	broken := &metav1.FieldsV1{}
	broken.SetRawBytes([]byte("{"))
	c.ManagedFields[0].FieldsV1 = broken
	if _, err := webhook.Owners(c); err == nil || !strings.Contains(err.Error(), "managed fields of ValidatingWebhookConfiguration runecast-validating-webhook") {
		t.Errorf("of broken fields: %v", err)
	}
	if _, err := webhook.PlanApply(c, ours(t), false); err == nil {
		t.Error("a plan by broken fields")
	}
}

func TestPlanApply(t *testing.T) {
	t.Parallel()
	all := []string{"name", "timeoutSeconds", "clientConfig.caBundle", "clientConfig.service.path"}
	mine := entry(webhook.FieldManager, apply, webhookName, all...)
	byCertgen := entry("runecast-certgen", update, webhookName, "clientConfig.caBundle")
	gone := entry(webhook.FieldManager, apply, "gone.runecast.com", all...)
	another := webhook.EncodeBundle(certificate(t, &blueprint{name: "another", ca: true}).Certificate)
	for what, c := range map[string]struct {
		live   func(*webhook.Configuration) // nil: there is none
		force  bool
		refuse string
		note   string
		bundle bool // that one is sent
	}{
		"none there": {nil, false, "", "", true},
		"ours":       {func(c *webhook.Configuration) { c.ManagedFields = []metav1.ManagedFieldsEntry{mine} }, false, "", "", true},
		"by kubectl": {func(c *webhook.Configuration) {
			c.ManagedFields = []metav1.ManagedFieldsEntry{entry("kubectl", update, webhookName, all...), byCertgen}
		}, false, "managed by kubectl:", "caBundle", false},
		"forced": {func(c *webhook.Configuration) {
			c.ManagedFields = []metav1.ManagedFieldsEntry{entry("kubectl", update, webhookName, all...), byCertgen}
		}, true, "", "taken over: ", true},
		"our name, update": {func(c *webhook.Configuration) {
			c.ManagedFields = []metav1.ManagedFieldsEntry{entry(webhook.FieldManager, update, webhookName, all...)}
		}, false, "managed by runecast-webhook", "kept by runecast-webhook", false},
		"by nobody": {func(c *webhook.Configuration) { c.ManagedFields = nil }, false, "managed by somebody else", "", true},
		"Helm's by label": {func(c *webhook.Configuration) {
			c.Labels["app.kubernetes.io/managed-by"] = "Helm"
			c.Annotations["meta.helm.sh/release-name"], c.Annotations["meta.helm.sh/release-namespace"] = "gate", "security"
			c.ManagedFields = []metav1.ManagedFieldsEntry{entry("helm", update, webhookName, "timeoutSeconds")}
		}, false, "Helm release gate of namespace security", "", true},
		"certgen's bundle": {func(c *webhook.Configuration) { c.ManagedFields = []metav1.ManagedFieldsEntry{mine, byCertgen} }, false, "", "kept by runecast-certgen and left alone", false},
		"one that lacks it": {func(c *webhook.Configuration) {
			c.ManagedFields = []metav1.ManagedFieldsEntry{mine, byCertgen}
			c.Webhooks[0].ClientConfig.CABundle = another
		}, false, "", `it lacks "runecast CA of the golden files"`, false},
		"one that is broken": {func(c *webhook.Configuration) {
			c.ManagedFields = []metav1.ManagedFieldsEntry{mine, byCertgen}
			c.Webhooks[0].ClientConfig.CABundle = []byte("-----BEGIN")
		}, false, "", "it lacks something that can be read", false},
		"forced bundle": {func(c *webhook.Configuration) { c.ManagedFields = []metav1.ManagedFieldsEntry{mine, byCertgen} }, true, "", "", true},
		"one to go":     {func(c *webhook.Configuration) { c.ManagedFields = []metav1.ManagedFieldsEntry{gone} }, false, "", "", true},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			generated := ours(t)
			before := generated.String()
			var live *webhook.Configuration
			if c.live != nil {
				live = ours(t)
				live.ResourceVersion = "7"
				c.live(live)
			}
			a, err := webhook.PlanApply(live, generated, c.force)
			if err != nil {
				t.Fatal(err)
			}
			notes := strings.Join(a.Notes, "\n")
			if (a.Refuse == "") != (c.refuse == "") || !strings.Contains(a.Refuse, c.refuse) || (notes == "") != (c.note == "") || !strings.Contains(notes, c.note) {
				t.Errorf("refuse %q, notes %q", a.Refuse, notes)
			}
			if (a.Object.Webhooks[0].ClientConfig.CABundle != nil) != c.bundle {
				t.Errorf("a bundle is sent: %t", !c.bundle)
			}
			if live != nil && a.Object.ResourceVersion != "7" || generated.String() != before {
				t.Errorf("version %q, changed what was given %t", a.Object.ResourceVersion, generated.String() != before)
			}
		})
	}
}

func TestStrays(t *testing.T) {
	t.Parallel()
	a, err := webhook.PlanApply(nil, ours(t), false)
	if err != nil {
		t.Fatal(err)
	}
	after := ours(t)
	if none, failure := a.Strays(after); failure != nil || len(none) != 0 {
		t.Errorf("%q, %v", none, failure)
	}
	for range 2 {
		stray := ours(t).Webhooks[0]
		stray.Name = fmt.Sprintf("stray-%d.runecast.com", len(after.Webhooks))
		after.Webhooks = append(after.Webhooks, stray)
	}
	after.ManagedFields = []metav1.ManagedFieldsEntry{entry("kubectl", update, "stray-1.runecast.com", "name"), entry("helm", apply, "stray-1.runecast.com", "name")}
	notes, err := a.Strays(after)
	if err != nil || len(notes) != 2 || !strings.Contains(notes[0], "webhook stray-1.runecast.com stays in runecast-validating-webhook, as kubectl, helm has it") || !strings.Contains(notes[1], "somebody else has it") {
		t.Errorf("%q, %v", notes, err)
	}
}

func TestDiff(t *testing.T) {
	t.Parallel()
	stored := func(change func(*webhook.Configuration)) *webhook.Configuration {
		c := ours(t)
		c.ResourceVersion, c.UID, c.Generation, c.CreationTimestamp = "7", "u", 3, metav1.Now()
		c.ManagedFields = []metav1.ManagedFieldsEntry{{Manager: "x"}}
		c.Annotations["kubectl.kubernetes.io/last-applied-configuration"] = `{"path":"/policy/2/key/` + goldenKey + `"}`
		change(c)
		return c
	}
	more := certificate(t, &blueprint{name: "another", ca: true})
	other := webhook.ReviewPath("2", "0123456789abcdef")
	for what, c := range map[string]struct {
		before *webhook.Configuration
		want   []string // none: no difference
	}{
		"the same":   {stored(func(*webhook.Configuration) {}), nil},
		"none there": {nil, []string{"@@ -0,0 +1,", "+kind: ValidatingWebhookConfiguration", "+      path: " + webhook.ReviewPath("2", "[redacted]")}},
		"time-out":   {stored(func(c *webhook.Configuration) { c.Webhooks[0].TimeoutSeconds = new(int32(5)) }), []string{"--- runecast-validating-webhook in the cluster\n+++ runecast-validating-webhook as generated\n", "\n-  timeoutSeconds: 5\n+  timeoutSeconds: 10\n"}},
		"a key":      {stored(func(c *webhook.Configuration) { c.Webhooks[0].ClientConfig.Service.Path = &other }), []string{"\n-      path: " + webhook.ReviewPath("2", "[redacted:before]"), "\n+      path: " + webhook.ReviewPath("2", "[redacted:after]")}},
		"no key": {stored(func(c *webhook.Configuration) {
			c.Webhooks[0].ClientConfig.Service.Path = new(webhook.ReviewPath("2", ""))
		}), []string{"\n-      path: " + webhook.ReviewPath("2", "") + "\n", "\n+      path: " + webhook.ReviewPath("2", "[redacted]") + "\n"}},
		"a CA": {stored(func(c *webhook.Configuration) {
			c.Webhooks[0].ClientConfig.CABundle = append(c.Webhooks[0].ClientConfig.CABundle, webhook.EncodeBundle(more.Certificate)...)
		}), []string{`-    - '"another" (serial `, "until 2027-12-01'"}},
		"text in it": {stored(func(c *webhook.Configuration) {
			c.Webhooks[0].ClientConfig.CABundle = append([]byte("# ours\n"), c.Webhooks[0].ClientConfig.CABundle...)
		}), []string{"bytes, SHA-256 "}},
		"a bundle that is broken": {stored(func(c *webhook.Configuration) { c.Webhooks[0].ClientConfig.CABundle = []byte("-----BEGIN") }), []string{"-    - a PEM block of the bundle is broken"}},
		"a URL": {stored(func(c *webhook.Configuration) {
			c.Webhooks[0].ClientConfig.Service = nil
			c.Webhooks[0].ClientConfig.URL = new("https://a.example" + other)
		}), []string{"-    url: https://a.example" + webhook.ReviewPath("2", "[redacted:before]")}},
		"an annotation": {stored(func(c *webhook.Configuration) { c.Annotations["note"] = "see /policy/2/key/" + goldenKey }), []string{"-    note: see /policy/2/key/[redacted]"}},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			text, err := webhook.Diff(c.before, ours(t))
			if err != nil || (text == "") != (c.want == nil) || strings.Contains(text, goldenKey) || strings.Contains(text, "0123456789abcdef") {
				t.Errorf("%v\n%s", err, text)
			}
			for _, want := range c.want {
				if !strings.Contains(text, want) {
					t.Errorf("want %q in\n%s", want, text)
				}
			}
		})
	}
}

func TestRedactText(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`path: Invalid value: "/rc2/api/v2/k8s-admission-policy-review/policy/2/key/ABC": segment[6]`:    `path: Invalid value: "/rc2/api/v2/k8s-admission-policy-review/policy/2/key/[redacted]": segment[6]`,
		"Post https://a/rc2/api/v2/k8s-admission-policy-review/policy/shop/key/abc?timeout=10s: refused": "Post https://a/rc2/api/v2/k8s-admission-policy-review/policy/shop/key/[redacted]?timeout=10s: refused",
		"nothing in it": "nothing in it",
	} {
		if got := webhook.RedactText(text); got != want {
			t.Errorf("%s", got)
		}
	}
}
