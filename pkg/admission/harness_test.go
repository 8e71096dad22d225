package admission_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sirupsen/logrus"
	admissionv1 "k8s.io/api/admission/v1"

	"github.com/runecast/runecast/pkg/admission"
	"github.com/runecast/runecast/pkg/advisory"
	"github.com/runecast/runecast/pkg/inventory"
	"github.com/runecast/runecast/pkg/policy"
	"github.com/runecast/runecast/pkg/scan"
)

const (
	goodToken   = "2645cda9-ac05-4b6d-8e94-f27c84e93377"
	weakToken   = "00000000-0000-4000-8000-000000000000"
	firstLine   = "Image scan in Runecast Analyzer found policy violations: (Rejected by policy 2: 'No critical or high severity vulnerabilities with available fix')."
	unknownLine = firstLine + "\nNo violation was found: the image could not be judged, and the policy denies that."
)

// scannerFunc is a scanner made of a function.
type scannerFunc func(context.Context, scan.Request) (*scan.Report, error)

func (f scannerFunc) Scan(ctx context.Context, r scan.Request) (*scan.Report, error) {
	return f(ctx, r)
}

// authorizer knows one good token and one whose access type may not review.
type authorizer struct{}

func (authorizer) AuthorizeReview(_ context.Context, header string) error {
	switch strings.TrimPrefix(header, "Bearer ") {
	case goodToken:
		return nil
	case weakToken:
		return admission.ErrForbidden
	default:
		return admission.ErrUnauthenticated
	}
}

func (a authorizer) AuthorizeKey(ctx context.Context, key string) error {
	return a.AuthorizeReview(ctx, key)
}

// counts is a metrics implementation that remembers.
type counts struct {
	mu      sync.Mutex
	reviews []string
	refused []int
	panics  int
}

func (c *counts) Reviewed(d *admission.Decision, dryRun bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.reviews = append(c.reviews, fmt.Sprintf("%s %s %s %v", d.PolicyID, d.Verdict, d.Reason, dryRun))
}

func (c *counts) Refused(code int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.refused = append(c.refused, code)
}

func (c *counts) Panicked() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.panics++
}

// decisions is a store that can be broken.
type decisions struct {
	mu     sync.Mutex
	broken error
	poison string // a namespace whose decisions are refused
	stored []admission.Decision
}

func (s *decisions) CreateDecisions(_ context.Context, list []*admission.Decision) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, d := range list {
		if s.broken != nil || d.Namespace == s.poison {
			return errors.Join(s.broken, errors.New("refused"))
		}
	}
	for _, d := range list {
		s.stored = append(s.stored, *d)
	}
	return nil
}

func (s *decisions) all() []admission.Decision {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]admission.Decision(nil), s.stored...)
}

// gate is a review server for tests.
type gate struct {
	t       *testing.T
	server  *httptest.Server
	counts  *counts
	store   *decisions
	log     *safeBuffer
	stop    func()
	drained chan struct{}
}

type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *safeBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *safeBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

func newGate(t *testing.T, scanner scan.Scanner, change ...func(*admission.HandlerConfig, *admission.ReviewerConfig)) *gate {
	t.Helper()
	g := &gate{t: t, counts: &counts{}, store: &decisions{poison: "poison"}, log: &safeBuffer{}, drained: make(chan struct{})}
	log := logrus.New()
	log.SetOutput(g.log)
	log.SetFormatter(&logrus.JSONFormatter{})
	set, err := policy.NewSet(policy.BuiltInOptions{})
	if err != nil {
		t.Fatal(err)
	}
	reviewer := admission.ReviewerConfig{Scanner: scanner, Metrics: g.counts, Log: log}
	recorder := admission.NewRecorder(g.store, log)
	handler := admission.HandlerConfig{Authorizer: authorizer{}, Policies: set, Recorder: recorder, Metrics: g.counts, Log: log}
	for _, c := range change {
		c(&handler, &reviewer)
	}
	handler.Reviewer = admission.NewReviewer(reviewer)
	mux := http.NewServeMux()
	admission.NewHandler(handler).Register(mux)
	g.server = httptest.NewServer(mux)
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		defer close(g.drained)
		_ = recorder.Run(ctx)
	}()
	g.stop = func() { cancel(); <-g.drained }
	t.Cleanup(func() { g.server.Close(); g.stop() })
	return g
}

// send posts a body to policy 2 and gives the status code and the answer.
func (g *gate) send(body string, change ...func(*http.Request)) (int, string, http.Header) {
	g.t.Helper()
	request, err := http.NewRequestWithContext(g.t.Context(), http.MethodPost, g.server.URL+admission.ReviewPath+"2?timeout=10s", strings.NewReader(body))
	if err != nil {
		g.t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Authorization", "Bearer "+goodToken)
	for _, c := range change {
		c(request)
	}
	response, err := g.server.Client().Do(request)
	if err != nil {
		g.t.Fatal(err)
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		g.t.Fatal(err)
	}
	return response.StatusCode, string(answer), response.Header
}

// review posts a body that is a good review, and gives the API server's view of the answer.
func (g *gate) review(body string, change ...func(*http.Request)) *admissionv1.AdmissionResponse {
	g.t.Helper()
	code, answer, _ := g.send(body, change...)
	if code != http.StatusOK {
		g.t.Fatalf("status %d: %s", code, answer)
	}
	var review admissionv1.AdmissionReview
	if err := json.Unmarshal([]byte(answer), &review); err != nil || review.Response == nil {
		g.t.Fatalf("answer %s: %v", answer, err)
	}
	return review.Response
}

// one waits for the one decision of the test.
func (g *gate) one() admission.Decision {
	g.t.Helper()
	g.until("one decision is stored", func() bool { return len(g.store.all()) == 1 })
	return g.store.all()[0]
}

// until polls until something is so.
func (g *gate) until(what string, ok func() bool) {
	g.t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for deadline := time.After(5 * time.Second); !ok(); {
		select {
		case <-tick.C:
		case <-deadline:
			g.t.Fatalf("not so after 5 s: %s", what)
		}
	}
}

// podReview is the review of a pod with one container for each image.
func podReview(operation string, images, oldImages []string, extra string) string {
	pod := func(images []string) string {
		if images == nil {
			return "null"
		}
		var list []string
		for i, image := range images {
			list = append(list, fmt.Sprintf(`{"name":"c%d","image":%q}`, i, image))
		}
		return `{"metadata":{"name":"web","namespace":"shop"},"spec":{"containers":[` + strings.Join(list, ",") + `]}}`
	}
	return fmt.Sprintf(`{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{"uid":"u-1","kind":{"group":"","version":"v1","kind":"Pod"},
 "resource":{"group":"","version":"v1","resource":"pods"},"namespace":"shop","name":"web","operation":%q,"userInfo":{"username":"ann"},"object":%s,"oldObject":%s%s}}`,
		operation, pod(images), pod(oldImages), extra)
}

// report makes a report whose image has the findings.
func report(image string, findings ...advisory.Finding) *scan.Report {
	return &scan.Report{
		Image: image, Digest: "sha256:" + strings.Repeat("a", 64), Platform: "linux/amd64",
		Feed: scan.Feed{Revision: "r1", Date: time.Now().Add(-time.Hour)}, Findings: findings, Packages: 1,
	}
}

func openssl() advisory.Finding {
	return advisory.Finding{
		ID: "CVE-2021-3711", Advisory: "DEBIAN-CVE-2021-3711", Severity: advisory.SeverityCritical, SeveritySource: "NVD", FixedVersion: "1.1.1d-0+deb10u7",
		Package: inventory.Package{Type: inventory.TypeDeb, Ecosystem: "Debian:10", Name: "libssl1.1", Version: "1.1.1d-0+deb10u6", Source: "openssl"},
	}
}

// byName scans from memory: nginx:1.19 has a fixed critical finding, anything else none.
func byName(_ context.Context, r scan.Request) (*scan.Report, error) {
	if r.Reference == "nginx:1.19" {
		return report(r.Reference, openssl()), nil
	}
	return report(r.Reference), nil
}
