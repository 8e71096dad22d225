package app_test

import (
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/runecast/runecast/cmd/runecast/app"
)

const webhookSecret = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="

// told is a receiver of notifications.
type told struct {
	*httptest.Server

	mu     sync.Mutex
	bodies []string
	code   int
}

func newTold(t *testing.T) *told {
	t.Helper()
	verifier, err := standardwebhooks.NewWebhook(webhookSecret)
	if err != nil {
		t.Fatal(err)
	}
	r := &told{code: http.StatusNoContent}
	r.Server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		body, err := io.ReadAll(request.Body)
		if err == nil {
			err = verifier.Verify(body, request.Header)
		}
		if err != nil {
			t.Errorf("a notification that is not signed: %v", err)
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		r.bodies = append(r.bodies, string(body))
		w.WriteHeader(r.code)
	}))
	t.Cleanup(r.Close)
	return r
}

func (r *told) answer(code int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.code = code
}

func (r *told) all() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]string(nil), r.bodies...)
}

// settings is a file with the receiver as destination "team".
func (r *told) settings(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	ca := write(t, filepath.Join(dir, "ca.crt"), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: r.Certificate().Raw}))
	secret := write(t, filepath.Join(dir, "secret"), []byte(webhookSecret+"\n"))
	return write(t, filepath.Join(dir, "runecast.yaml"), fmt.Appendf(nil, `publicUrl: https://runecast.example
notificationAllowNetworks: [127.0.0.1]
notifications:
  - name: team
    type: webhook
    url: %s/hook
    secretFile: %s
    caFile: %s
    events: [deny, flip]
    namespaces: ["sh*"]
    window: 10m
`, r.URL, secret, ca))
}

// TestNotify denies a pod and has the receiver told, once, with the link of the denial.
func TestNotify(t *testing.T) {
	t.Parallel()
	h, r := newHome(t), newTold(t)
	s := h.serve("--config", r.settings(t))
	_, answer := s.do(http.MethodPost, reviewPath, strings.Replace(podReview(h.vulnerable), `"uid":"u"`, `"uid":"u","dryRun":true`, 1))
	if !strings.Contains(answer, `"allowed":false`) {
		t.Fatalf("%s", answer)
	}
	_, answer = s.do(http.MethodPost, reviewPath, podReview(h.vulnerable))
	_, rest, _ := strings.Cut(answer, `Details: `)
	link, _, _ := strings.Cut(rest, `\n`)
	until(t, "the receiver is told", func() bool { return len(r.all()) == 1 })
	var event struct {
		Type string `json:"type"`
		Data struct {
			Count int `json:"count"`
			Scan  struct {
				URL string `json:"url"`
			} `json:"scan"`
			Images []struct {
				Reference string `json:"reference"`
			} `json:"images"`
		} `json:"data"`
	}
	if err := json.Unmarshal([]byte(r.all()[0]), &event); err != nil {
		t.Fatal(err)
	}
	if event.Type != "runecast.deny.v1" || event.Data.Count != 1 || event.Data.Scan.URL != link || !strings.HasPrefix(link, "https://runecast.example/scans/") || event.Data.Images[0].Reference != h.vulnerable {
		t.Errorf("%s, the denial links to %s", r.all()[0], link)
	}
	until(t, "the metrics say so", func() bool {
		_, metrics := s.do(http.MethodGet, "/metrics", "")
		return strings.Contains(metrics, `runecast_notifications_total{destination="team",outcome="sent"} 1`)
	})
}

// TestNotifyTest tries a destination by hand.
func TestNotifyTest(t *testing.T) {
	t.Parallel()
	r := newTold(t)
	file := r.settings(t)
	code, out, errOut := runProgram(t.Context(), "", "--config", file, "notify", "test", "team")
	want(t, code, out+errOut, app.ExitOK, "DESTINATION  TYPE     SENT", "team         webhook  yes", "204 No Content")
	if got := r.all(); len(got) != 1 || !strings.HasPrefix(got[0], `{"type":"runecast.test.v1",`) {
		t.Errorf("%q", got)
	}
	r.answer(http.StatusGone)
	code, out, errOut = runProgram(t.Context(), "", "--config", file, "notify", "test", "team", "-o", "json")
	want(t, code, out+errOut, app.ExitDenied, `"sent": false`, `"error": "410 Gone"`, `"permanent": true`)
	code, out, errOut = runProgram(t.Context(), "", "--config", file, "notify", "test", "nobody")
	want(t, code, out+errOut, app.ExitError, `the settings have no destination "nobody": their notifications are team`)
	code, out, errOut = runProgram(t.Context(), "", "--config", file, "notify", "test", "team", "--notification-allow-networks", "10.0.0.0/8")
	want(t, code, out+errOut, app.ExitDenied, "is at a loopback address;", "notificationAllowNetworks")
	bad := write(t, filepath.Join(t.TempDir(), "bad.yaml"), []byte("notifications:\n  - {name: x, type: slack, urlFile: u, secret: topsecret}\n"))
	code, out, errOut = runProgram(t.Context(), "", "--config", bad, "notify", "test", "x")
	want(t, code, out+errOut, app.ExitError, "invalid keys: secret")
	if strings.Contains(out+errOut, "topsecret") {
		t.Errorf("%s %s", out, errOut)
	}
	bad = write(t, filepath.Join(t.TempDir(), "bad.yaml"), []byte("notifications:\n  - {name: x, type: slack}\n  - {name: x, type: email}\nnotificationAllowNetworks: [1.2.3.4/99]\n"))
	code, out, errOut = runProgram(t.Context(), "", "--config", bad, "notify", "test", "x")
	want(t, code, out+errOut, app.ExitError, "slack has a urlFile", "smtp.to: there is no address", `there are two of the name "x"`)
}
