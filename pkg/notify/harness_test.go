package notify_test

import (
	"encoding/pem"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/runecast/runecast/pkg/admission"
	"github.com/runecast/runecast/pkg/advisory"
	"github.com/runecast/runecast/pkg/image"
	"github.com/runecast/runecast/pkg/inventory"
	"github.com/runecast/runecast/pkg/notify"
	"github.com/runecast/runecast/pkg/policy"
)

const (
	pages   = "https://runecast.example"
	whsec   = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
	secrets = "T000/B000/thisIsASecret"
)

// received is a request that a receiver got.
type received struct {
	header http.Header
	body   string
	path   string
}

// receiver is a server for notifications; answer may break off in any way.
type receiver struct {
	*httptest.Server

	mu     sync.Mutex
	got    []received
	answer func(n int, w http.ResponseWriter, r *http.Request) // n counts from 1
}

func newReceiver(t *testing.T, answer func(n int, w http.ResponseWriter, r *http.Request)) *receiver {
	t.Helper()
	r := &receiver{answer: answer}
	r.Server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		body, err := io.ReadAll(request.Body)
		if err != nil {
			t.Errorf("read a notification: %v", err)
		}
		r.mu.Lock()
		r.got = append(r.got, received{request.Header.Clone(), string(body), request.URL.Path})
		n := len(r.got)
		r.mu.Unlock()
		if r.answer != nil {
			r.answer(n, w, request)
		}
	}))
	r.Config.ErrorLog = nil
	t.Cleanup(r.Close)
	return r
}

func (r *receiver) all() []received {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]received(nil), r.got...)
}

// caFile has the certificate of the receiver.
func (r *receiver) caFile(t *testing.T) string {
	t.Helper()
	return file(t, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: r.Certificate().Raw})))
}

func file(t *testing.T, content string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// network lets the machine itself be asked.
func network(t *testing.T, allow ...string) notify.Network {
	t.Helper()
	fence, err := image.NewFence("notificationAllowNetworks", append(allow, "127.0.0.0/8"))
	if err != nil {
		t.Fatal(err)
	}
	return fence
}

func (r *receiver) webhook(t *testing.T) notify.Destination {
	t.Helper()
	return notify.Destination{Name: "hook", Type: notify.TypeWebhook, URL: r.URL + "/hook", SecretFile: file(t, whsec+"\n"), CAFile: r.caFile(t)}
}

func sinkOf(t *testing.T, d notify.Destination) notify.Sink { //nolint:gocritic // hugeParam: written in place
	t.Helper()
	if err := notify.Check([]notify.Destination{d}); err != nil {
		t.Fatal(err)
	}
	return notify.Impatient(notify.NewSink(&d, network(t), "runecast/test", pages), 500*time.Millisecond)
}

func at() time.Time { return time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC) }

// decision is a denied Deployment of one image.
func decision(id string) *admission.Decision {
	finding := &advisory.Finding{
		ID: "CVE-2021-3711", Severity: advisory.SeverityCritical, FixedVersion: "1.1.1d-0+deb10u7",
		Package: inventory.Package{Name: "libssl1.1", Version: "1.1.1d-0+deb10u6"},
	}
	return &admission.Decision{
		ID: id, At: at(), Trigger: admission.TriggerAdmission, PolicyID: "2", Policy: "No critical or high severity vulnerabilities with available fix",
		Mode: policy.ModeEnforce, Verdict: policy.VerdictDeny, Reason: admission.ReasonViolation, Operation: "CREATE", Group: "apps", Kind: "Deployment",
		Namespace: "shop", Name: "web", User: "ann",
		Images: []admission.DecisionImage{{
			Reference: "nginx:1.19", Digest: "sha256:" + strings.Repeat("a", 64), Platform: "linux/amd64", Verdict: policy.VerdictDeny, Violated: 7,
			Violations: []policy.Violation{{Rule: "fixable", Finding: finding}, {Rule: "registry", Detail: "the registry is not allowed"}},
		}},
	}
}

// notification is the one that a decision makes.
func notification(t *testing.T, d *admission.Decision) *notify.Notification {
	t.Helper()
	drafts := notify.NewPlan([]notify.Destination{{Name: "hook", Events: notify.Kinds()}}, pages).Decision(d)
	if len(drafts) != 1 {
		t.Fatalf("%d drafts", len(drafts))
	}
	return &notify.Notification{ID: "9b7d4f0e-6f0c-4c55-9a3e-1d2f5a7b8c90", Destination: "hook", Kind: drafts[0].Kind, Content: drafts[0].Content}
}

// until polls until something is so.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.After(2 * time.Minute); !ok(); {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("not so after 2 min: %s", what)
		}
	}
}
