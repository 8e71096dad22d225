package controlplane

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// guard is a webhook at the address that authenticates by token, as the API server's metrics name it, with its namespaceSelector.
type guard struct{ name, selector string }

type webhookConfiguration struct {
	Webhooks []apiWebhook `json:"webhooks"`
}

// apiWebhook is what is read of a webhook
// (https://kubernetes.io/docs/reference/kubernetes-api/extend-resources/validating-webhook-configuration-v1/).
type apiWebhook struct {
	Name         string `json:"name"`
	ClientConfig struct {
		URL     string `json:"url"`
		Service *struct {
			Namespace string `json:"namespace"`
			Name      string `json:"name"`
			Path      string `json:"path"`
			Port      int    `json:"port"`
		} `json:"service"`
		CABundle []byte `json:"caBundle"`
	} `json:"clientConfig"`
	NamespaceSelector labelSelector `json:"namespaceSelector"`
}

// host is what the API server looks the webhook's user up by, always with the port.
func (w *apiWebhook) host() string {
	if s := w.ClientConfig.Service; s != nil {
		return fmt.Sprintf("%s.%s.svc:%d", s.Name, s.Namespace, cmp.Or(s.Port, 443)) // 443 is the API server's default
	}
	u, err := url.Parse(w.ClientConfig.URL)
	if err != nil {
		return ""
	}
	return net.JoinHostPort(u.Hostname(), cmp.Or(u.Port(), "443"))
}

// hasKey tells whether it authenticates by a key in its path and so needs no token.
func (w *apiWebhook) hasKey() bool {
	at := w.ClientConfig.URL
	if s := w.ClientConfig.Service; s != nil {
		at = s.Path
	}
	return strings.Contains(at, "/key/")
}

func (a *API) configurations(ctx context.Context) ([]webhookConfiguration, error) {
	var list struct {
		Items []webhookConfiguration `json:"items"`
	}
	if err := a.call(ctx, http.MethodGet, "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations", nil, &list); err != nil {
		return nil, fmt.Errorf("list the webhook configurations: %w", err)
	}
	return list.Items, nil
}

// labelSelector is one of Kubernetes' own
// (https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#label-selectors).
type labelSelector struct {
	MatchLabels      map[string]string `json:"matchLabels"`
	MatchExpressions []struct {
		Key      string   `json:"key"`
		Operator string   `json:"operator"`
		Values   []string `json:"values"`
	} `json:"matchExpressions"`
}

// query writes a selector as the API server reads it in a URL.
func (l *labelSelector) query() string {
	var terms []string
	for key, value := range l.MatchLabels {
		terms = append(terms, key+"="+value)
	}
	for _, e := range l.MatchExpressions {
		switch e.Operator {
		case "In", "NotIn":
			terms = append(terms, e.Key+" "+strings.ToLower(e.Operator)+" ("+strings.Join(e.Values, ",")+")")
		case "Exists":
			terms = append(terms, e.Key)
		case "DoesNotExist":
			terms = append(terms, "!"+e.Key)
		}
	}
	slices.Sort(terms)
	return strings.Join(terms, ",")
}

// guards finds the webhooks at an address whose path has no key.
func (a *API) guards(ctx context.Context, address string) ([]guard, error) {
	list, err := a.configurations(ctx)
	if err != nil {
		return nil, err
	}
	var found []guard
	for i := range list {
		for j := range list[i].Webhooks {
			if w := &list[i].Webhooks[j]; w.host() == address && !w.hasKey() {
				found = append(found, guard{w.Name, w.NamespaceSelector.query()})
			}
		}
	}
	return found, nil
}

// guarded gives a namespace that one of the webhooks selects: the one that is asked for, or the first.
func (a *API) guarded(ctx context.Context, guards []guard, wanted string) (string, error) {
	for _, g := range guards {
		var list struct {
			Items []struct {
				Metadata struct {
					Name string `json:"name"`
				} `json:"metadata"`
				Status struct {
					Phase string `json:"phase"`
				} `json:"status"`
			} `json:"items"`
		}
		if err := a.call(ctx, http.MethodGet, "/api/v1/namespaces?labelSelector="+url.QueryEscape(g.selector), nil, &list); err != nil {
			return "", err
		}
		for i := range list.Items {
			if name := list.Items[i].Metadata.Name; list.Items[i].Status.Phase == "Active" && (wanted == "" || wanted == name) {
				return name, nil
			}
		}
	}
	if wanted != "" {
		return "", fmt.Errorf("namespace %s is selected by none of the webhooks", wanted)
	}
	return "", nil
}

const webhookRequests = "apiserver_admission_webhook_request_total"

// answers counts what the webhooks answered to this API server: a review that was allowed as 200, one that was denied by the code of the
// denial, one that the webhook refused by the HTTP status, and one that nobody answered as 0 or 600 (https://kubernetes.io/docs/reference/instrumentation/metrics/).
func (a *API) answers(ctx context.Context, guards []guard) (map[int]float64, error) {
	text, err := a.raw(ctx, http.MethodGet, "/metrics", "", nil)
	if err != nil {
		return nil, fmt.Errorf("read the metrics of the API server: %w", err)
	}
	var lines strings.Builder // the rest of the metrics is a hundred times as much
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, webhookRequests) || strings.HasPrefix(line, "# TYPE "+webhookRequests+" ") {
			lines.WriteString(line)
		}
	}
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(lines.String()))
	if err != nil {
		return nil, fmt.Errorf("read the metrics of the API server: %w", err)
	}
	counts := map[int]float64{}
	for _, metric := range families[webhookRequests].GetMetric() {
		name, code := "", 0
		for _, label := range metric.GetLabel() {
			switch label.GetName() {
			case "name":
				name = label.GetValue()
			case "code":
				code, _ = strconv.Atoi(label.GetValue())
			}
		}
		if slices.ContainsFunc(guards, func(g guard) bool { return g.name == name }) {
			counts[code] += metric.GetCounter().GetValue()
		}
	}
	return counts, nil
}
