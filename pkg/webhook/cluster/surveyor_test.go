package cluster_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/runecast/runecast/pkg/webhook"
	"github.com/runecast/runecast/pkg/webhook/cluster"
)

// TestSurveyIsKept asks the API server once for many who look at the same time, and again when what it said is old; an error is not
// kept. e2e/webhook has a real API server.
func TestSurveyIsKept(t *testing.T) {
	t.Parallel()
	called := httptest.NewTLSServer(http.NotFoundHandler()) // what the webhook calls; its certificate ends in 2084
	t.Cleanup(called.Close)
	address := called.URL + "/rc2/api/v2/k8s-admission-policy-review/policy/2/key/abcdef0123456789"
	configuration := map[string]any{"metadata": map[string]any{"name": "ours"}, "webhooks": []any{map[string]any{
		"name": "a.example.com", "clientConfig": map[string]any{"url": address, "caBundle": webhook.EncodeBundle(called.Certificate())},
		"namespaceSelector": map[string]any{"matchLabels": map[string]string{"a": "b"}},
	}}}
	var asked atomic.Int64
	var forbidden atomic.Bool
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if forbidden.Load() {
			status(w, http.StatusForbidden, `{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"Forbidden","code":403,"message":"namespaces is forbidden: User \"x\" cannot list"}`)
			return
		}
		items := []any{configuration}
		if strings.HasSuffix(r.URL.Path, "/namespaces") {
			items = []any{map[string]any{"metadata": map[string]any{"name": "shop", "labels": map[string]string{"a": "b"}}}, map[string]any{"metadata": map[string]any{"name": "bank"}}}
		} else {
			asked.Add(1)
		}
		text, err := json.Marshal(map[string]any{"items": items})
		if err != nil {
			t.Error(err)
		}
		status(w, http.StatusOK, string(text))
	}))
	t.Cleanup(server.Close)
	client, err := cluster.Connect(cluster.Access{Kubeconfig: kubeconfig(t, server)})
	if err != nil {
		t.Fatal(err)
	}
	var later atomic.Int64
	surveyor := cluster.NewSurveyor(client, func() time.Time { return time.Now().Add(time.Duration(later.Load())) })
	var wait sync.WaitGroup
	for range 20 {
		wait.Go(func() {
			survey, failure := surveyor.Survey(t.Context())
			if failure != nil || len(survey.Webhooks) != 1 {
				t.Errorf("%+v %v", survey, failure)
				return
			}
			w := survey.Webhooks[0]
			if w.Guarded != 1 || w.Certificate == nil || !w.Certificate.Good || w.Certificate.Expires.Year() != 2084 || len(survey.Namespaces[0].GuardedBy)+len(survey.Namespaces[1].GuardedBy) != 1 {
				t.Errorf("%+v %+v", survey, w.Certificate)
			}
			if text, failure := json.Marshal(survey); failure != nil || strings.Contains(string(text), "abcdef0123456789") {
				t.Errorf("the survey shows the review key: %s %v", text, failure)
			}
		})
	}
	wait.Wait()
	if n := asked.Load(); n != 1 {
		t.Errorf("the API server was asked %d times", n)
	}
	forbidden.Store(true)
	if _, err = surveyor.Survey(t.Context()); err != nil {
		t.Errorf("what is known is not given: %v", err)
	}
	later.Store(int64(16 * time.Second))
	_, err = surveyor.Survey(t.Context())
	if unavailable, ok := errors.AsType[*webhook.UnavailableError](err); !ok || !strings.Contains(unavailable.Remedy, "list validatingwebhookconfigurations") || !strings.Contains(unavailable.Text, "forbidden") {
		t.Errorf("%v", err)
	}
	forbidden.Store(false)
	called.Close()
	survey, err := surveyor.Survey(t.Context())
	if err != nil || survey.Webhooks[0].Certificate.Good || !survey.Webhooks[0].Certificate.Expires.IsZero() {
		t.Errorf("%+v %v", survey, err)
	}
}

// TestNotInCluster tells that there is no service account.
func TestNotInCluster(t *testing.T) {
	t.Setenv("KUBERNETES_SERVICE_HOST", "")
	if _, err := cluster.Connect(cluster.Access{InCluster: true}); !errors.Is(err, cluster.ErrNotInCluster) {
		t.Errorf("%v", err)
	}
}
