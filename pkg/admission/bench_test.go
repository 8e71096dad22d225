package admission_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"testing"

	"github.com/sirupsen/logrus"
	admissionv1 "k8s.io/api/admission/v1"

	"github.com/runecast/runecast/pkg/admission"
	"github.com/runecast/runecast/pkg/advisory"
	"github.com/runecast/runecast/pkg/policy"
	"github.com/runecast/runecast/pkg/scan"
)

// BenchmarkReview measures a review whose scan is cached, as handlers see it and over loopback TLS with 25 kept-alive
// connections (the API server's number), beside a handler that decodes the same AdmissionReview with Kubernetes' types and allows.
// The report has 300 findings, of which one breaks the policy.
func BenchmarkReview(b *testing.B) {
	body, err := os.ReadFile("testdata/review-deployment.json")
	if err != nil {
		b.Fatal(err)
	}
	handlers := []struct {
		name    string
		handler http.Handler
	}{{"floor", http.HandlerFunc(decodeAndAllow)}, {"runecast", benchHandler(b)}}
	for _, h := range handlers {
		b.Run("inprocess/"+h.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				request := httptest.NewRequestWithContext(b.Context(), http.MethodPost, admission.ReviewPath+"2?timeout=10s", bytes.NewReader(body))
				prepare(request)
				recorder := httptest.NewRecorder()
				h.handler.ServeHTTP(recorder, request)
				if recorder.Code != http.StatusOK {
					b.Fatal(recorder.Body)
				}
			}
			perSecond(b)
		})
	}
	for _, h := range handlers {
		b.Run("tls/"+h.name, func(b *testing.B) { benchTLS(b, h.handler, body) })
	}
}

func benchTLS(b *testing.B, handler http.Handler, body []byte) {
	b.Helper()
	server := httptest.NewUnstartedServer(handler)
	server.TLS = &tls.Config{MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"}}
	server.StartTLS()
	defer server.Close()
	transport, ok := server.Client().Transport.(*http.Transport)
	if !ok {
		b.Fatal("no transport")
	}
	transport.ForceAttemptHTTP2 = false
	transport.MaxIdleConnsPerHost = 25
	b.SetParallelism(12)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			request, err := http.NewRequestWithContext(b.Context(), http.MethodPost, server.URL+admission.ReviewPath+"2?timeout=10s", bytes.NewReader(body))
			if err != nil {
				b.Error(err)
				return
			}
			prepare(request)
			response, err := server.Client().Do(request)
			if err != nil {
				b.Error(err)
				return
			}
			if _, err := io.Copy(io.Discard, response.Body); err != nil || response.StatusCode != http.StatusOK {
				b.Error(response.Status, err)
			}
			response.Body.Close()
		}
	})
	perSecond(b)
}

func prepare(request *http.Request) {
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Authorization", "Bearer "+goodToken)
}

func perSecond(b *testing.B) {
	b.Helper()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "reviews/s")
}

// decodeAndAllow is the floor: what a webhook that does nothing costs.
func decodeAndAllow(w http.ResponseWriter, r *http.Request) {
	var review admissionv1.AdmissionReview
	if err := json.NewDecoder(r.Body).Decode(&review); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	review.Response = &admissionv1.AdmissionResponse{UID: review.Request.UID, Allowed: true}
	review.Request = nil
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(review) //nolint:errchkjson // the object that could not be encoded is gone
}

func benchHandler(b *testing.B) http.Handler {
	b.Helper()
	findings := []advisory.Finding{openssl()}
	for i := range 299 {
		f := openssl()
		f.ID, f.Severity, f.Package.Name = fmt.Sprintf("CVE-2020-%04d", i), advisory.SeverityMedium, fmt.Sprintf("package-%d", i%130)
		findings = append(findings, f)
	}
	cached := report("nginx:1.19", findings...)
	scanner := scannerFunc(func(context.Context, scan.Request) (*scan.Report, error) { return cached, nil })
	set, err := policy.NewSet(policy.BuiltInOptions{})
	if err != nil {
		b.Fatal(err)
	}
	log := logrus.New()
	log.SetOutput(io.Discard)
	log.SetFormatter(&logrus.JSONFormatter{})
	recorder := admission.NewRecorder(&sink{}, log)
	ctx, cancel := context.WithCancel(b.Context())
	b.Cleanup(cancel)
	go func() { _ = recorder.Run(ctx) }()
	mux := http.NewServeMux()
	admission.NewHandler(admission.HandlerConfig{
		Authorizer: authorizer{}, Policies: set, Recorder: recorder, Metrics: &counter{}, Log: log,
		Reviewer: admission.NewReviewer(admission.ReviewerConfig{Scanner: scanner, Metrics: &counter{}, Log: log}),
	}).Register(mux)
	return mux
}

// sink is a store that is as fast as can be.
type sink struct{}

func (*sink) CreateDecisions(context.Context, []*admission.Decision) error { return nil }

type counter struct{}

func (*counter) Reviewed(*admission.Decision, bool) {}
func (*counter) Refused(int)                        {}
func (*counter) Panicked()                          {}
