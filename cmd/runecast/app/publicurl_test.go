package app_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
)

// TestPublicURL wants the page's address in a denial and in the answer to a scan request, and the page there.
func TestPublicURL(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	s := h.serve("--public-url", "https://runecast.example")
	_, answer := s.do(http.MethodPost, reviewPath, podReview(h.vulnerable))
	var review struct {
		Response struct {
			Status struct {
				Message string `json:"message"`
			} `json:"status"`
		} `json:"response"`
	}
	if err := json.Unmarshal([]byte(answer), &review); err != nil {
		t.Fatalf("%v in %s", err, answer)
	}
	lines := strings.Split(review.Response.Status.Message, "\n")
	if len(lines) < 3 || lines[0] != deniedLine || !strings.HasPrefix(lines[1], "Details: https://runecast.example/scans/") {
		t.Fatalf("%q", lines)
	}
	_, answer = s.do(http.MethodPost, "/api/v1/scan-requests", `{"imageNames": ["`+h.vulnerable+`"]}`)
	var scan struct {
		ID  string `json:"id"`
		URL string `json:"url"`
	}
	if err := json.Unmarshal([]byte(answer), &scan); err != nil || scan.URL != "https://runecast.example/scans/"+scan.ID {
		t.Errorf("%v %s", err, answer)
	}
	for _, id := range []string{scan.ID, strings.TrimPrefix(lines[1], "Details: https://runecast.example/scans/")} {
		until(t, "the scan is recorded", func() bool {
			code, _, _ := s.ask(http.MethodGet, "/api/v1/scans/"+id, "", s.token)
			return code == http.StatusOK
		})
	}
}
