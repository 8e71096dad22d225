package keychain_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"k8s.io/client-go/rest"

	"github.com/runecast/runecast/pkg/image/keychain"
)

// TestCluster asks an API server over HTTP for what a workload names, and understands its refusals.
func TestCluster(t *testing.T) {
	t.Parallel()
	const base = "/api/v1/namespaces/shop/"
	status := func(code int, reason string) string {
		return fmt.Sprintf(`{"kind":"Status","apiVersion":"v1","status":"Failure","message":"no","reason":%q,"code":%d}`, reason, code)
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		code, body := http.StatusNotFound, status(404, "NotFound")
		switch {
		case r.Header.Get("Authorization") != "Bearer robot" || r.Method != http.MethodGet:
			code, body = http.StatusUnauthorized, status(401, "Unauthorized")
		case r.URL.Path == base+"serviceaccounts/default":
			code, body = http.StatusOK, `{"kind":"ServiceAccount","apiVersion":"v1","metadata":{"name":"default"},"imagePullSecrets":[{"name":"login"}]}`
		case r.URL.Path == base+"secrets/login":
			code, body = http.StatusOK, `{"kind":"Secret","apiVersion":"v1","type":"kubernetes.io/dockerconfigjson","data":{".dockerconfigjson":"eyJhdXRocyI6eyJyLmV4YW1wbGUiOnsidXNlcm5hbWUiOiJ1IiwicGFzc3dvcmQiOiJwIn19fQ=="}}`
		case r.URL.Path == base+"secrets/forbidden":
			code, body = http.StatusForbidden, status(403, "Forbidden")
		case r.URL.Path == base+"secrets/text":
			code, body = http.StatusForbidden, "a proxy says no"
		case r.URL.Path == base+"secrets/damaged":
			code, body = http.StatusOK, `{"type":`
		}
		w.WriteHeader(code)
		_, _ = fmt.Fprint(w, body)
	}))
	t.Cleanup(server.Close)
	read := func(token string, secrets ...string) *keychain.Access {
		t.Helper()
		cluster, err := keychain.NewCluster(&rest.Config{Host: server.URL, BearerToken: token})
		if err != nil {
			t.Fatal(err)
		}
		return keychain.NewReader(cluster, 0, nil).Access(t.Context(), "shop", "", secrets)
	}
	if got := passwords(read("robot"), "r.example/app"); got != "p" {
		t.Errorf("the service account's secret gives %q", got)
	}
	access := read("robot", "missing", "forbidden", "text", "damaged")
	want := []string{
		"secret missing in namespace shop does not exist: create it, or correct its name",
		"secret forbidden in namespace shop cannot be read: grant the server get on secrets in that namespace",
		"secret text in namespace shop cannot be read: grant the server get on secrets in that namespace",
		"secret damaged in namespace shop cannot be read: check that the server can reach the API server, then retry",
	}
	if got := strings.Join(access.Unread(), "\n"); got != strings.Join(want, "\n") {
		t.Errorf("unread\n%s\nwant\n%s", got, strings.Join(want, "\n"))
	}
	if got := read("stranger").Unread(); len(got) != 1 || !strings.Contains(got[0], "does not accept the server's own credentials") {
		t.Errorf("unread %q", got)
	}
}
