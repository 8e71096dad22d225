package webhook

import (
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"

	admissionregistration "k8s.io/api/admissionregistration/v1"
)

// Risks says in words what a webhook's settings let happen that may surprise. It looks at the webhook alone: at no cluster, at no server.
func Risks(w *admissionregistration.ValidatingWebhook) []string {
	var risks []string
	add := func(format string, args ...any) { risks = append(risks, fmt.Sprintf(format, args...)) }
	fail := failurePolicy(w) == admissionregistration.Fail
	switch {
	case !fail:
		add("failurePolicy Ignore lets workloads in unjudged while the server cannot be reached: whoever can stop or cut it off can run any image")
	case !byLabel(w):
		add("failurePolicy Fail for all namespaces: while the server cannot be reached no pod starts in any that is not excluded, cluster add-ons" +
			" (network, storage, DNS) of namespaces of their own included, and the server may itself wait for one of them. Exclude theirs, or have namespaces opt in by a label")
	}
	if !byLabel(w) && !excludes(w, systemNamespace) {
		add("it guards kube-system: a cluster whose own components wait for a webhook may not come up again")
	}
	risks = append(risks, targetRisks(w)...)
	if missing := unruled(w); len(missing) > 0 {
		add("its rules leave out %s: images can come in that way unjudged", strings.Join(missing, ", "))
	}
	if w.MatchPolicy != nil && *w.MatchPolicy == admissionregistration.Exact {
		add("matchPolicy Exact: the same object sent as another version of its API is not judged")
	}
	if w.ObjectSelector != nil && len(w.ObjectSelector.MatchLabels)+len(w.ObjectSelector.MatchExpressions) > 0 {
		add("it has an objectSelector: whoever writes an object's labels can pass it")
	}
	if len(w.MatchConditions) > 0 {
		add("it has matchConditions: requests that do not meet them are not judged")
	}
	if w.TimeoutSeconds != nil && *w.TimeoutSeconds < 3 {
		add("a timeout of %d s leaves little for a scan: images that were not seen before are answered as not judged yet", *w.TimeoutSeconds)
	}
	return risks
}

// failurePolicy gives the policy that is in force, with the default of admissionregistration.k8s.io/v1.
func failurePolicy(w *admissionregistration.ValidatingWebhook) admissionregistration.FailurePolicyType {
	if w.FailurePolicy == nil {
		return admissionregistration.Fail
	}
	return *w.FailurePolicy
}

// FailurePolicy gives Fail or Ignore, whichever is in force for a webhook.
func FailurePolicy(w *admissionregistration.ValidatingWebhook) string {
	return string(failurePolicy(w))
}

// targetRisks are those of clientConfig.
func targetRisks(w *admissionregistration.ValidatingWebhook) []string {
	if w.ClientConfig.URL == nil {
		return nil
	}
	u, err := url.Parse(*w.ClientConfig.URL)
	if err != nil {
		return []string{"its URL cannot be parsed"}
	}
	var risks []string
	host := u.Hostname()
	ip := net.ParseIP(host)
	if host == "localhost" || (ip != nil && ip.IsLoopback()) {
		risks = append(risks, "its URL names the API server's own machine: the server must run on every one that has an API server")
	}
	if strings.HasSuffix(host, ".svc") || strings.Contains(host, ".svc.") {
		risks = append(risks, "its URL has a name of the cluster's DNS, which API servers rarely ask: call the Service by a clientConfig.service")
	}
	return risks
}

// unruled gives what carries images and is asked about by no rule of a webhook.
func unruled(w *admissionregistration.ValidatingWebhook) []string {
	var missing []string
	for _, resource := range reviewedResources() {
		group := groupOf(resource)
		for _, operation := range []admissionregistration.OperationType{admissionregistration.Create, admissionregistration.Update} {
			if resource == "pods/ephemeralcontainers" && operation == admissionregistration.Create {
				continue // there is only an update of it
			}
			if !slices.ContainsFunc(w.Rules, func(r admissionregistration.RuleWithOperations) bool { return covers(&r, group, resource, operation) }) {
				missing = append(missing, resource+" ("+string(operation)+")")
			}
		}
	}
	return missing
}

func groupOf(resource string) string {
	switch resource {
	case "daemonsets", "deployments", "replicasets", "statefulsets":
		return "apps"
	case "cronjobs", "jobs":
		return "batch"
	default:
		return ""
	}
}

// covers tells whether a rule matches, as the API server's matcher has it
// (https://github.com/kubernetes/kubernetes/blob/v1.34.0/staging/src/k8s.io/apiserver/pkg/admission/plugin/webhook/predicates/rules/rules.go).
func covers(r *admissionregistration.RuleWithOperations, group, resource string, operation admissionregistration.OperationType) bool {
	kind, sub, _ := strings.Cut(resource, "/")
	anyOf := func(list []string, value string) bool {
		return slices.Contains(list, "*") || slices.Contains(list, value)
	}
	named := slices.ContainsFunc(r.Resources, func(have string) bool {
		haveKind, haveSub, _ := strings.Cut(have, "/")
		return (haveKind == "*" || haveKind == kind) && (haveSub == "*" || haveSub == sub)
	})
	scoped := r.Scope == nil || *r.Scope == admissionregistration.AllScopes || *r.Scope == admissionregistration.NamespacedScope
	operations := slices.Contains(r.Operations, operation) || slices.Contains(r.Operations, admissionregistration.OperationAll)
	return named && scoped && operations && anyOf(r.APIGroups, group) && anyOf(r.APIVersions, "v1")
}
