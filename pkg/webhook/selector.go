package webhook

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	admissionregistration "k8s.io/api/admissionregistration/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
)

// ExcludedByName is why a webhook leaves a namespace alone that its selector names, whatever its labels are.
const ExcludedByName = "excluded by name"

// Namespace is what a namespaceSelector looks at.
type Namespace struct {
	Name   string
	Labels map[string]string
}

// Selects tells whether an API server asks a webhook about the objects of a namespace, and where it does not, why: the first
// requirement of the namespaceSelector that the namespace does not meet. A selector that cannot be read is an error.
func Selects(w *admissionregistration.ValidatingWebhook, namespace Namespace) (selected bool, why string, err error) {
	if w.NamespaceSelector == nil {
		return true, "", nil
	}
	selector, err := metav1.LabelSelectorAsSelector(w.NamespaceSelector)
	if err != nil {
		return false, "", fmt.Errorf("namespaceSelector of webhook %q: %w", w.Name, err)
	}
	if selector.Matches(labels.Set(namespace.Labels)) {
		return true, "", nil
	}
	for _, r := range requirements(w) {
		if why = unmet(&r, namespace.Labels); why != "" {
			return false, why, nil
		}
	}
	return false, "", fmt.Errorf("namespaceSelector of webhook %q: it does not match namespace %s, for no known reason", w.Name, namespace.Name)
}

// requirements gives all that a namespaceSelector asks for: what excludes by name first, as that is the stronger reason, then its
// labels by their keys, then the rest in its order.
func requirements(w *admissionregistration.ValidatingWebhook) []metav1.LabelSelectorRequirement {
	var byName, others []metav1.LabelSelectorRequirement
	if w.NamespaceSelector == nil {
		return nil
	}
	for _, key := range slices.Sorted(maps.Keys(w.NamespaceSelector.MatchLabels)) {
		others = append(others, metav1.LabelSelectorRequirement{Key: key, Operator: metav1.LabelSelectorOpIn, Values: []string{w.NamespaceSelector.MatchLabels[key]}})
	}
	for _, r := range w.NamespaceSelector.MatchExpressions {
		if r.Key == namespaceName && r.Operator == metav1.LabelSelectorOpNotIn {
			byName = append(byName, r)
		} else {
			others = append(others, r)
		}
	}
	return append(byName, others...)
}

// unmet says why labels do not meet a requirement, or nothing where they do
// (https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#set-based-requirement).
func unmet(r *metav1.LabelSelectorRequirement, have map[string]string) string {
	value, found := have[r.Key]
	switch r.Operator {
	case metav1.LabelSelectorOpIn:
		switch {
		case !found:
			return fmt.Sprintf("label %s is not set", r.Key)
		case !slices.Contains(r.Values, value):
			return fmt.Sprintf("label %s is %q, not %s", r.Key, value, strings.Join(r.Values, " or "))
		}
	case metav1.LabelSelectorOpNotIn:
		switch {
		case !found || !slices.Contains(r.Values, value):
		case r.Key == namespaceName:
			return ExcludedByName
		default:
			return fmt.Sprintf("label %s is %q, which is excluded", r.Key, value)
		}
	case metav1.LabelSelectorOpExists:
		if !found {
			return fmt.Sprintf("label %s is not set", r.Key)
		}
	case metav1.LabelSelectorOpDoesNotExist:
		if found {
			return fmt.Sprintf("label %s is set", r.Key)
		}
	}
	return ""
}

// byLabel tells whether namespaces have to have a label, beside their name, to be guarded.
func byLabel(w *admissionregistration.ValidatingWebhook) bool {
	return slices.ContainsFunc(requirements(w), func(r metav1.LabelSelectorRequirement) bool {
		return r.Operator == metav1.LabelSelectorOpExists || r.Operator == metav1.LabelSelectorOpIn
	})
}

// excludes tells whether a webhook leaves a namespace alone by its name, whatever its other labels are.
func excludes(w *admissionregistration.ValidatingWebhook, name string) bool {
	return slices.ContainsFunc(requirements(w), func(r metav1.LabelSelectorRequirement) bool {
		return r.Key == namespaceName && unmet(&r, map[string]string{namespaceName: name}) != ""
	})
}
