package webhook

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/pmezard/go-difflib/difflib"
	admissionregistration "k8s.io/api/admissionregistration/v1"
	"sigs.k8s.io/yaml"
)

// Diff shows as a unified diff what makes one configuration another; nothing where they are the same. before is nil where there is none
// yet. What an API server keeps for itself is left out, certificates are named and not printed, and keys in paths are told
// apart without being shown.
func Diff(before, after *admissionregistration.ValidatingWebhookConfiguration) (string, error) {
	from, err := readable(before, after, "before")
	if err != nil {
		return "", err
	}
	to, err := readable(after, before, "after")
	if err != nil || from == to {
		return "", err
	}
	text, err := difflib.GetUnifiedDiffString(difflib.UnifiedDiff{
		A: lines(from), B: lines(to), FromFile: after.Name + " in the cluster", ToFile: after.Name + " as generated", Context: 3,
	})
	if err != nil {
		return "", fmt.Errorf("compare %s: %w", after.Name, err)
	}
	return text, nil
}

func lines(text string) []string {
	if text == "" {
		return nil
	}
	return difflib.SplitLines(strings.TrimSuffix(text, "\n"))
}

// readable writes a configuration for people to compare with another state of it.
func readable(c, other *admissionregistration.ValidatingWebhookConfiguration, when string) (string, error) {
	if c == nil {
		return "", nil
	}
	c = c.DeepCopy()
	c.APIVersion, c.Kind = "admissionregistration.k8s.io/v1", "ValidatingWebhookConfiguration"
	c.ManagedFields, c.ResourceVersion, c.UID, c.Generation = nil, "", "", 0
	c.CreationTimestamp.Reset()
	delete(c.Annotations, "kubectl.kubernetes.io/last-applied-configuration")
	bundles := map[string][]string{}
	for i := range c.Webhooks {
		w := &c.Webhooks[i]
		if w.ClientConfig.CABundle != nil {
			bundles[w.Name] = describeBundle(w.ClientConfig.CABundle)
			w.ClientConfig.CABundle = nil
		}
		mask := "[redacted]"
		if key, others := reviewKey(c, w.Name), reviewKey(other, w.Name); key != "" && others != "" && key != others {
			mask = "[redacted:" + when + "]" // no space, at which YAML would fold the line
		}
		maskKey(w, mask)
	}
	return encodeReadable(c, bundles)
}

func encodeReadable(c *admissionregistration.ValidatingWebhookConfiguration, bundles map[string][]string) (string, error) {
	text, err := json.Marshal(c)
	if err != nil {
		return "", fmt.Errorf("write %s: %w", c.Name, err)
	}
	var tree struct {
		APIVersion string           `json:"apiVersion"`
		Kind       string           `json:"kind"`
		Metadata   map[string]any   `json:"metadata"`
		Webhooks   []map[string]any `json:"webhooks"`
	}
	if err = json.Unmarshal(text, &tree); err != nil {
		return "", fmt.Errorf("write %s: %w", c.Name, err)
	}
	for i := range tree.Webhooks {
		if bundle, ok := bundles[c.Webhooks[i].Name]; ok {
			if client, isMap := tree.Webhooks[i]["clientConfig"].(map[string]any); isMap {
				client["caBundle"] = bundle
			}
		}
	}
	out, err := yaml.Marshal(tree)
	if err != nil {
		return "", fmt.Errorf("write %s: %w", c.Name, err)
	}
	return RedactText(string(out)), nil
}

// describeBundle names a bundle and each certificate in it.
func describeBundle(bundle []byte) []string {
	sum := sha256.Sum256(bundle)
	description := []string{fmt.Sprintf("%d bytes, SHA-256 %x", len(bundle), sum[:8])}
	certificates, err := ParseBundle(bundle)
	if err != nil {
		description = append(description, err.Error())
	}
	for _, c := range certificates {
		description = append(description, fmt.Sprintf("%s until %s", named(c), c.NotAfter.UTC().Format(time.DateOnly)))
	}
	return description
}

// callPath is the path, or the URL, that a webhook calls; nil where it has none.
func callPath(w *admissionregistration.ValidatingWebhook) *string {
	if w.ClientConfig.Service != nil {
		return w.ClientConfig.Service.Path
	}
	return w.ClientConfig.URL
}

// reviewKey gives the key in the path of a configuration's webhook; empty where there is none.
func reviewKey(c *admissionregistration.ValidatingWebhookConfiguration, name string) string {
	if c == nil {
		return ""
	}
	for i := range c.Webhooks {
		if path := callPath(&c.Webhooks[i]); c.Webhooks[i].Name == name && path != nil {
			_, key, _ := strings.Cut(*path, keySegment)
			return key
		}
	}
	return ""
}

func maskKey(w *admissionregistration.ValidatingWebhook, mask string) {
	path := callPath(w)
	if path == nil {
		return
	}
	if before, _, found := strings.Cut(*path, keySegment); found {
		*path = before + keySegment + mask
	}
}
