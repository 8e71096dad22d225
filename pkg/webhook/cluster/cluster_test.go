package cluster_test

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/runecast/runecast/pkg/webhook"
	"github.com/runecast/runecast/pkg/webhook/cluster"
)

// kubeconfig writes one for a server.
func kubeconfig(t *testing.T, server *httptest.Server) string {
	t.Helper()
	ca := base64.StdEncoding.EncodeToString(webhook.EncodeBundle(server.Certificate()))
	file := filepath.Join(t.TempDir(), "config")
	text := fmt.Sprintf("apiVersion: v1\nkind: Config\nclusters:\n- {name: c, cluster: {server: %q, certificate-authority-data: %s}}\nusers:\n- {name: u, user: {token: robot}}\ncontexts:\n- {name: x, context: {cluster: c, user: u}}\ncurrent-context: x\n", server.URL, ca)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func status(w http.ResponseWriter, code int, text string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_, _ = fmt.Fprint(w, text)
}

// TestErrors has an API server refuse in the ways that it does; e2e/webhook has a real one.
func TestErrors(t *testing.T) {
	t.Parallel()
	const key = "abcdef0123456789"
	path := webhook.ReviewPath("2", key)
	for what, c := range map[string]struct {
		code  int
		body  string
		want  string
		owned bool
	}{
		"unauthorized": {401, `{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"Unauthorized","code":401}`, "does not accept the kubeconfig's credentials", false},
		"invalid":      {422, `{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"Invalid","code":422,"message":"webhooks[0].clientConfig.service.path: Invalid value: \"` + path + `\": segment[6]"}`, "/key/[redacted]", false},
		"a proxy":      {502, `nothing behind ` + path, "apply ValidatingWebhookConfiguration gate", false},
		"not there":    {404, `{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"NotFound","code":404,"message":"the server could not find the requested resource"}`, "could not find", false},
		"meanwhile":    {409, `{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"Conflict","code":409,"message":"the object has been modified"}`, "it was changed meanwhile: run the command again", false},
		"conflict": {
			409, `{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"Conflict","code":409,"details":{"causes":[
			{"reason":"FieldManagerConflict","message":"conflict with \"z\"","field":".webhooks[name=\"x\"].timeoutSeconds"},{"reason":"FieldManagerConflict","message":"conflict with \"a\"","field":".webhooks[name=\"x\"].failurePolicy"}]}}`,
			`.webhooks[name="x"].failurePolicy (conflict with "a"), .webhooks[name="x"].timeoutSeconds (conflict with "z")`, true,
		},
		"no object": {200, `[`, "read the API server's ValidatingWebhookConfiguration", false},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				q := r.URL.Query()
				if r.Method != http.MethodPatch || r.Header.Get("Content-Type") != "application/apply-patch+yaml" || q.Get("fieldManager") != webhook.FieldManager || q.Get("dryRun") != "All" || q.Get("force") != "" || r.Header.Get("User-Agent") != "test/1" || r.Header.Get("Authorization") != "Bearer robot" {
					t.Errorf("the request is %s %s %v", r.Method, r.URL, r.Header)
				}
				status(w, c.code, c.body)
			}))
			t.Cleanup(server.Close)
			client, err := cluster.Connect(cluster.Access{Kubeconfig: kubeconfig(t, server), UserAgent: "test/1"})
			if err != nil {
				t.Fatal(err)
			}
			object := &webhook.Configuration{}
			object.Name = "gate"
			_, err = client.Apply(t.Context(), object, true, false)
			if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), key) || errors.Is(err, cluster.ErrOwned) != c.owned {
				t.Errorf("got %v", err)
			}
		})
	}
}

// TestPages reads a list that comes in parts, and ends one that has no end.
func TestPages(t *testing.T) {
	t.Parallel()
	endless := false
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer robot" {
			status(w, http.StatusUnauthorized, `{}`)
			return
		}
		if r.URL.Path != "/api/v1/namespaces" || r.URL.Query().Get("limit") != "500" {
			status(w, http.StatusNotFound, `{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"NotFound","code":404}`)
			return
		}
		at := r.URL.Query().Get("continue")
		next := map[string]string{"": "two", "two": "three"}[at]
		if endless {
			next = "two"
		}
		text, _ := json.Marshal(map[string]any{
			"metadata": map[string]string{"continue": next},
			"items":    []any{map[string]any{"metadata": map[string]any{"name": "page-" + at, "labels": map[string]string{"a": "b"}}}},
		})
		status(w, http.StatusOK, string(text))
	}))
	t.Cleanup(server.Close)
	client, err := cluster.Connect(cluster.Access{Kubeconfig: kubeconfig(t, server)})
	if err != nil || client.Server() != server.URL {
		t.Fatalf("%v", err)
	}
	namespaces, err := client.Namespaces(t.Context())
	if err != nil || len(namespaces) != 3 || namespaces[2].Name != "page-three" || namespaces[2].Labels["a"] != "b" {
		t.Errorf("%v, %v", namespaces, err)
	}
	endless = true
	if _, err = client.Namespaces(t.Context()); err == nil || !strings.Contains(err.Error(), "the list of namespaces does not end") {
		t.Errorf("got %v", err)
	}
	if _, err = client.Configurations(t.Context()); err == nil || !strings.Contains(err.Error(), "list ValidatingWebhookConfigurations") {
		t.Errorf("got %v", err)
	}
	if found, err := client.Configuration(t.Context(), "none"); err != nil || found != nil {
		t.Errorf("%v, %v", found, err)
	}
}

// TestNobody gives an error soon where nothing listens.
func TestNobody(t *testing.T) {
	t.Parallel()
	server := httptest.NewTLSServer(http.NotFoundHandler())
	server.Close()
	client, err := cluster.Connect(cluster.Access{Kubeconfig: kubeconfig(t, server)})
	if err != nil {
		t.Fatal(err)
	}
	if _, err = client.Configurations(t.Context()); err == nil || !strings.Contains(err.Error(), "connection refused") || strings.Contains(err.Error(), "robot") {
		t.Errorf("got %v", err)
	}
}

// TestSecretIsNotShown keeps what a Secret holds out of errors.
func TestSecretIsNotShown(t *testing.T) {
	t.Parallel()
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		status(w, http.StatusOK, `{"data":{"key":"not base64: hunter2"}}`)
	}))
	t.Cleanup(server.Close)
	client, err := cluster.Connect(cluster.Access{Kubeconfig: kubeconfig(t, server)})
	if err != nil {
		t.Fatal(err)
	}
	if _, err = client.ReviewKey(t.Context(), "runecast"); err == nil || !strings.Contains(err.Error(), "it is no Secret") || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("got %v", err)
	}
}
