package app_test

import (
	"crypto/tls"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	admissionv1 "k8s.io/api/admission/v1"
)

// BenchmarkServeReview measures the whole server over loopback TLS: authentication, warm tag and report, policy, log and a stored
// decision, for an image of 134 packages, beside a handler that decodes the same AdmissionReview with Kubernetes' types and
// allows it. Both get 24 kept-alive connections, about what the API server keeps.
func BenchmarkServeReview(b *testing.B) {
	review, err := os.ReadFile("../../../pkg/admission/testdata/review-deployment.json")
	if err != nil {
		b.Fatal(err)
	}
	h := &home{t: b, dir: b.TempDir()}
	h.fill()
	served := h.serve()
	floor := httptest.NewUnstartedServer(http.HandlerFunc(decodeAndAllow))
	floor.TLS = &tls.Config{MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"}}
	floor.StartTLS()
	defer floor.Close()
	for _, test := range []struct {
		name, image, address string
		client               *http.Client
	}{
		{"floor", h.vulnerable, floor.URL, floor.Client()},
		{"allowed", h.fixed, served.address, served.client},
		{"denied", h.vulnerable, served.address, served.client},
	} {
		b.Run(test.name, func(b *testing.B) {
			if held, ok := test.client.Transport.(held); ok { // reviews go past it
				test.client = &http.Client{Transport: held.next}
			}
			if transport, ok := test.client.Transport.(*http.Transport); ok {
				transport.MaxIdleConnsPerHost = 25
			}
			body := strings.Replace(string(review), "nginx:1.19", test.image, 1)
			b.SetParallelism(12)
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					post(b, test.client, test.address, served.token, body)
				}
			})
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "reviews/s")
		})
	}
}

func post(b *testing.B, client *http.Client, address, token, body string) {
	b.Helper()
	request, err := http.NewRequestWithContext(b.Context(), http.MethodPost, address+reviewPath, strings.NewReader(body))
	if err != nil {
		b.Error(err)
		return
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Authorization", "Bearer "+token)
	response, err := client.Do(request)
	if err != nil {
		b.Error(err)
		return
	}
	defer response.Body.Close()
	if _, err := io.Copy(io.Discard, response.Body); err != nil || response.StatusCode != http.StatusOK {
		b.Error(response.Status, err)
	}
}

// decodeAndAllow is what a webhook that does nothing costs.
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
