package webhook

import (
	"net/url"
	"strconv"
	"strings"

	admissionregistration "k8s.io/api/admissionregistration/v1"
)

// aliasPath is the prefix that older clients know the review endpoint by.
const aliasPath = "/rca/api/v2/k8s-admission-policy-review/policy/"

// Target is what a webhook calls.
type Target struct {
	Service    Service // empty where it is a URL
	Address    string  // host:port; of a Service its name in the cluster's DNS
	ServerName string  // that the API server verifies the certificate for
	Policy     string  // empty where it is not known
	Path       bool    // it has the path of reviews, which certgen puts into the chart's
	Keyed      bool    // the path holds a review key
	System     bool    // caBundle is empty: the API server's own roots count
}

// String names the target to a person, without a path.
func (t *Target) String() string {
	if t.Service.Name != "" {
		_, port, _ := strings.Cut(t.Address, ":") // a Service name has none
		return "service " + t.Service.Namespace + "/" + t.Service.Name + ":" + port
	}
	return "https://" + t.Address
}

// Review reads where a webhook of a configuration sends reviews. ok is false where it calls no review endpoint of ours: neither by its path, nor by
// the annotation that the chart's webhooks have before certgen puts their paths in.
//
// The port of a Service is 443 unless it is named (https://kubernetes.io/docs/reference/kubernetes-api/extend-resources/validating-webhook-configuration-v1/),
// and so is that of a URL.
func Review(c *admissionregistration.ValidatingWebhookConfiguration, w *admissionregistration.ValidatingWebhook) (target Target, ok bool) {
	policies, err := Policies(c)
	if err == nil {
		target.Policy, ok = policies[w.Name]
	}
	path := ""
	switch s := w.ClientConfig.Service; {
	case s != nil:
		port := 443
		if s.Port != nil {
			port = int(*s.Port)
		}
		target.Service = Service{Namespace: s.Namespace, Name: s.Name}
		target.ServerName = s.Name + "." + s.Namespace + ".svc"
		target.Address = target.ServerName + ":" + strconv.Itoa(port)
		if s.Path != nil {
			path = *s.Path
		}
	case w.ClientConfig.URL != nil:
		u, err := url.Parse(*w.ClientConfig.URL)
		if err != nil {
			return Target{}, false
		}
		target.ServerName, target.Address, path = u.Hostname(), u.Host, u.Path
		if u.Port() == "" {
			target.Address = u.Host + ":443"
		}
	}
	target.System = len(w.ClientConfig.CABundle) == 0
	for _, prefix := range []string{reviewPath, aliasPath} {
		if _, rest, found := strings.Cut(path, prefix); found {
			policy, _, keyed := strings.Cut(rest, keySegment)
			target.Policy, target.Path, target.Keyed, ok = strings.TrimSuffix(policy, "/"), true, keyed, true
		}
	}
	return target, ok
}

// CallURL gives the URL that an API server sends reviews to, less the timeout that it appends; nil where there is none. It can hold a
// review key: it must not be shown.
func CallURL(w *admissionregistration.ValidatingWebhook, target *Target) *url.URL {
	switch path := callPath(w); {
	case path == nil:
		return nil
	case w.ClientConfig.Service != nil:
		return &url.URL{Scheme: "https", Host: target.Address, Path: *path}
	default:
		u, err := url.Parse(*path)
		if err != nil {
			return nil
		}
		return u
	}
}
