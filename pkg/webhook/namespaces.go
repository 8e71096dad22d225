package webhook

import (
	"fmt"
	"slices"
	"strings"

	admissionregistration "k8s.io/api/admissionregistration/v1"
)

// Left is a namespace that a webhook leaves alone, and why.
type Left struct {
	Namespace string `json:"namespace"`
	Why       string `json:"why"`
}

// Sort tells which of the namespaces a webhook guards, and which it leaves alone and why, in their order.
func Sort(w *admissionregistration.ValidatingWebhook, namespaces []Namespace) (guarded []string, left []Left, err error) {
	guarded, left = []string{}, []Left{}
	for _, n := range namespaces {
		selected, why, err := Selects(w, n)
		switch {
		case err != nil:
			return nil, nil, err
		case selected:
			guarded = append(guarded, n.Name)
		default:
			left = append(left, Left{n.Name, why})
		}
	}
	return guarded, left, nil
}

// JudgeNamespaces says in words what it means that a webhook guards some namespaces and leaves others alone.
func JudgeNamespaces(w *admissionregistration.ValidatingWebhook, target *Target, guarded []string, left []Left) []Finding {
	const check = "namespaces"
	var findings []Finding
	if len(guarded) == 0 {
		findings = append(findings, Finding{LevelRisk, check, "guards none that exists: nothing is judged" + howToOptIn(w)})
	} else {
		findings = append(findings, Finding{LevelOK, check, fmt.Sprintf("guards %d: %s", len(guarded), some(guarded))})
	}
	var reasons []string
	by := map[string][]string{}
	for _, l := range left {
		if _, known := by[l.Why]; !known {
			reasons = append(reasons, l.Why)
		}
		by[l.Why] = append(by[l.Why], l.Namespace)
	}
	for _, why := range reasons {
		findings = append(findings, Finding{LevelOK, check, fmt.Sprintf("leaves %d alone, %s: %s", len(by[why]), why, some(by[why]))})
	}
	fail := failurePolicy(w) == admissionregistration.Fail
	level, what := LevelRisk, "are judged by a server that may need them"
	if fail {
		level, what = LevelProblem, "cannot start while no server answers, and with failurePolicy Fail none of them may come up again"
	}
	for _, own := range []string{systemNamespace, target.Service.Namespace} {
		if own != "" && slices.Contains(guarded, own) {
			findings = append(findings, Finding{level, check, fmt.Sprintf("pods of %s %s: exclude it by %s NotIn", own, what, namespaceName)})
		}
	}
	if fail {
		findings = append(findings, Finding{LevelOK, "failurePolicy", fmt.Sprintf("Fail: while the server cannot be reached, no pod starts and no workload is changed in the namespaces that it guards (%d); nothing is held up elsewhere", len(guarded))})
	}
	return findings
}

// howToOptIn tells which label would put a namespace behind a webhook, where one would.
func howToOptIn(w *admissionregistration.ValidatingWebhook) string {
	for _, r := range requirements(w) {
		if r.Operator == "In" && len(r.Values) > 0 && r.Key != namespaceName {
			return fmt.Sprintf("; kubectl label namespace NAME %s=%s puts one behind it", r.Key, r.Values[0])
		}
	}
	return ""
}

// some names the first of many.
func some(names []string) string {
	const most = 12
	if len(names) <= most {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
}
