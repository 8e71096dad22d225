package app_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/runecast/runecast/cmd/runecast/app"
	"github.com/runecast/runecast/pkg/image/imagetest"
)

// TestNewFeedChangesVerdicts admits an image, takes the registry away and swaps the feed, twice.
func TestNewFeedChangesVerdicts(t *testing.T) {
	t.Parallel()
	h := &home{t: t, dir: t.TempDir()}
	build := func(fixed, modified string) {
		record := strings.Replace(strings.Replace(debianRecord, "1.1.1d-0+deb10u7", fixed, 1), "2024-11-21T06:22:12Z", modified, 1)
		osv := writeOSV(t, "Debian", map[string]string{"DEBIAN-CVE-2021-3711.json": record})
		if code, _, errOut := h.run("feed", "build", "--osv", osv); code != app.ExitOK {
			t.Fatal(errOut)
		}
	}
	const harmless, harmful = "1.1.1d-0+deb10u1", "1.1.1d-0+deb10u7"
	build(harmless, "2024-11-21T06:22:12Z")
	registry := imagetest.NewRegistry()
	t.Cleanup(registry.Close)
	image := registry.MustPush(t.Context(), "library/nginx:1.19", imagetest.Nginx119())
	s := h.serve()
	if _, answer := s.do(http.MethodPost, reviewPath, podReview(image)); !strings.Contains(answer, `"allowed":true`) {
		t.Fatal(answer)
	}
	until(t, "the decision is stored", func() bool {
		_, out, _ := h.run("decision", "list")
		return strings.Contains(out, "compliant")
	})
	registry.Close()

	var flips []struct {
		From, To, PolicyID string
		Causes             []struct{ ID string }
	}
	list := func() int {
		_, out, _ := h.run("flip", "list", "-o", "json")
		flips = nil
		decode(t, out, &flips)
		return len(flips)
	}
	build(harmful, "2024-11-22T06:22:12Z")
	until(t, "the flip is recorded", func() bool { return list() == 1 })
	if f := flips[0]; f.From != "allow" || f.To != "deny" || f.PolicyID != "2" || len(f.Causes) == 0 || f.Causes[0].ID != "CVE-2021-3711" {
		t.Errorf("flip %+v", f)
	}
	if _, answer := s.do(http.MethodPost, reviewPath, podReview(image)); !strings.Contains(answer, `"allowed":false`) || !strings.Contains(answer, "CVE-2021-3711") {
		t.Errorf("the next review: %s", answer)
	}
	build(harmless, "2024-11-23T06:22:12Z")
	until(t, "it flips back", func() bool { return list() == 2 })
	if f := flips[0]; f.From != "deny" || f.To != "allow" {
		t.Errorf("flip back %+v", f)
	}
	_, metrics := s.do(http.MethodGet, "/metrics", "")
	for _, want := range []string{`runecast_flips_total{policy="2",to="allow"} 1`, `runecast_flips_total{policy="2",to="deny"} 1`, `runecast_cache_hits_total{cache="inventory"} 1`} {
		if !strings.Contains(metrics, want) {
			t.Errorf("the metrics lack %s", want)
		}
	}
	code, out, _ := h.run("flip", "list")
	want(t, code, out, app.ExitOK, "FROM", "allow", "deny", "CVE-2021-3711")
}
