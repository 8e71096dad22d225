package app_test

import (
	"encoding/json"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestServerBuildsItsFeed has a server that downloads the public data and builds its feed of them by itself, and builds it anew when
// they change.
func TestServerBuildsItsFeed(t *testing.T) {
	t.Parallel()
	d := someData(t)
	p, _ := newPublic(t, &d)
	h := newHome(t)
	if err := os.Remove(filepath.Join(h.dir, "feed.index")); err != nil { // the server has nothing to begin with
		t.Fatal(err)
	}
	place := p.web.URL
	s := h.serve("--feed-url", "public", "--feed-update-interval", "300ms", "--download-ecosystems", "Go,Debian", "--osv-url", place+"/osv", "--nvd-url", place+"/nvd",
		"--cve-url", place+"/cve.zip", "--kev-url", place+"/kev.json", "--epss-url", place+"/epss.csv.gz")
	until(t, "the server has a feed", func() bool { return s.checkOf("feed").State == "ok" && s.metric(successMetric) > 0 })
	if code, answer := s.do(http.MethodPost, reviewPath, podReview(h.vulnerable)); code != http.StatusOK || !strings.Contains(answer, deniedLine) || !strings.Contains(answer, "CVE-2021-3711") {
		t.Errorf("a review by the feed of the public data: %d %s", code, answer)
	}
	first := h.revision()
	id := slices.Sorted(maps.Keys(d.osv["Go"]))[0]
	var changed map[string]any
	decode(t, string(d.osv["Go"][id]), &changed)
	changed["modified"], changed["summary"] = "2026-09-01T00:00:00Z", "This has changed since"
	body, err := json.Marshal(changed)
	if err != nil {
		t.Fatal(err)
	}
	d.osv["Go"][id] = body
	p.ecosystem("Go", d.osv["Go"], false)
	until(t, "the server has built its feed anew", func() bool { return h.revision() != first })
	if check := s.checkOf("feed source"); check.State != "ok" {
		t.Errorf("feed source %+v", check)
	}
}
