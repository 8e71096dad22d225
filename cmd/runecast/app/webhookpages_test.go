package app_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"github.com/runecast/runecast/pkg/webhook"
)

// TestWebhooksPage shows a cluster of which one namespace is guarded, by a server whose certificate verifies, and one is not. Names and
// labels are what anybody writes; e2e/webhook has a real API server.
func TestWebhooksPage(t *testing.T) {
	t.Parallel()
	called := httptest.NewTLSServer(http.NotFoundHandler())
	t.Cleanup(called.Close)
	type object = map[string]any
	guard := func(name, path, label string, bundle []byte) object {
		return object{"metadata": object{"name": name}, "webhooks": []any{object{
			"name": name + ".example.com", "failurePolicy": "Fail", "timeoutSeconds": 10, "clientConfig": object{"url": called.URL + path, "caBundle": bundle},
			"namespaceSelector": object{"matchLabels": object{"guard": label}},
		}}}
	}
	const review = "/rc2/api/v2/k8s-admission-policy-review/policy/2/key/abcdef0123456789"
	lists := map[string][]any{
		"validatingwebhookconfigurations": {
			guard("ours", review, "yes", webhook.EncodeBundle(called.Certificate())), guard("broken<b>", review, "other", nil), guard("foreign", "/validate", "yes", nil),
		},
		"namespaces": {object{"metadata": object{"name": "bank", "labels": object{"guard": "<script>alert(1)</script>"}}}, object{"metadata": object{"name": "shop", "labels": object{"guard": "yes"}}}},
	}
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if err := json.NewEncoder(w).Encode(object{"items": lists[r.URL.Path[strings.LastIndexByte(r.URL.Path, '/')+1:]]}); err != nil {
			t.Error(err)
		}
	}))
	t.Cleanup(server.Close)
	ca := base64.StdEncoding.EncodeToString(webhook.EncodeBundle(server.Certificate()))
	config := write(t, filepath.Join(t.TempDir(), "config"), fmt.Appendf(nil, "apiVersion: v1\nkind: Config\nclusters:\n- {name: c, cluster: {server: %q, certificate-authority-data: %s}}\n"+
		"users:\n- {name: u, user: {token: robot}}\ncontexts:\n- {name: x, context: {cluster: c, user: u}}\ncurrent-context: x\n", server.URL, ca))
	s := newHome(t).serve("--kubeconfig", config)
	page := s.logIn("admin", s.oneTime()).get("/webhooks", 200,
		"Namespaces: 2, not guarded: 1. Configurations that call others: 1.", "ours.example.com", `<a href="/policies/2">2</a>`, "10 s",
		`<time datetime="2084-01-29T16:00:00Z">2084-01-29</time> <span class="ok">good</span>`, "broken&lt;b&gt;", "is empty: the API server believes", "does not verify",
		"policy 2, ours.example.com (Fail)", "&lt;script&gt;alert(1)", `<span class="bad">nothing</span>`)
	if strings.Contains(page, "abcdef0123456789") || strings.Contains(page, "robot") || strings.Contains(page, "<script>alert") {
		t.Errorf("the page shows what it must not: %s", page)
	}
	code, _, answer := s.ask(http.MethodGet, "/api/v1/webhooks", "", s.token)
	var survey webhook.Survey
	if err := json.Unmarshal([]byte(answer), &survey); err != nil || code != http.StatusOK || len(survey.Webhooks) != 2 || strings.Contains(answer, "abcdef0123456789") {
		t.Errorf("%d %v %s", code, err, answer)
	}
}
