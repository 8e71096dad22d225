package app_test

import (
	"bufio"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/runecast/runecast/pkg/image/imagetest"
	"github.com/runecast/runecast/pkg/store"
)

// TestScanGoesOnBehindItsPage scans two images by the form, of which one cannot be read before a gate opens: the page is there at once, says
// of each image how far it is, and shows the result when the scan is done.
func TestScanGoesOnBehindItsPage(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	registry := imagetest.NewRegistry()
	t.Cleanup(registry.Close)
	slow := registry.MustPush(t.Context(), "team/slow:1", imagetest.TwoLayer())
	gate := make(chan struct{})
	registry.Inject(imagetest.Blob, 100, registry.Gate(gate))
	s := h.serve()
	b := s.logIn("admin", s.oneTime())
	_, header := b.do(http.MethodPost, "/scans", url.Values{"images": {h.vulnerable + " " + slow}, "policy": {"2"}}, http.StatusSeeOther)
	scan := header.Get("Location")
	b.get(scan, http.StatusOK, "Running", h.vulnerable, slow, `data-events="`+scan+`/events"`)
	b.get("/scans", http.StatusOK, `href="`+scan+`"`, "Running", "not yet")
	b.get("/scans?status=Running&trigger=UI&image=TEAM", http.StatusOK, `href="`+scan+`"`)
	b.get("/scans?evaluation=no", http.StatusOK, "No scan is like that.")
	if page := b.get("/scans?image=other", http.StatusOK); strings.Contains(page, scan) {
		t.Error("a filter does not hold for a running scan")
	}
	events := b.events(scan + "/events")
	until(t, "one of two images is judged", func() bool {
		return strings.Contains(<-events, `{"state":"Not compliant","text":"","percent":100}`)
	})
	close(gate)
	last := ""
	for event := range events {
		last = event
	}
	if !strings.HasPrefix(last, "event: done") {
		t.Errorf("the events end with %q", last)
	}
	b.get(scan, http.StatusOK, "Not compliant", "CVE-2021-3711", slow)
	b.get("/scans/nothing", http.StatusNotFound)
	if event := <-b.events("/scans/nothing/events"); !strings.HasPrefix(event, "event: done") {
		t.Errorf("events of no scan: %q", event)
	}
}

// events reads server-sent events until their end.
func (b *browser) events(path string) <-chan string {
	b.s.t.Helper()
	request, err := http.NewRequestWithContext(b.s.t.Context(), http.MethodGet, b.s.address+path, http.NoBody)
	if err != nil {
		b.s.t.Fatal(err)
	}
	response, err := b.client.Do(request) //nolint:bodyclose // whoever reads it to its end closes it
	if err != nil || response.StatusCode != http.StatusOK || response.Header.Get("Content-Type") != "text/event-stream" {
		b.s.t.Fatalf("%v %v", err, response)
	}
	list := make(chan string, 1000)
	go func() {
		defer close(list)
		defer response.Body.Close()
		event := ""
		for lines := bufio.NewScanner(response.Body); lines.Scan(); {
			if event += lines.Text() + "\n"; lines.Text() == "" {
				list <- event
				event = ""
			}
		}
	}()
	return list
}

// TestServerEndsUnderAScan: a scan that somebody looks at does not keep the server from its end, and its page tells later that it was
// stopped.
func TestServerEndsUnderAScan(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	registry := imagetest.NewRegistry()
	t.Cleanup(registry.Close)
	image := registry.MustPush(t.Context(), "team/hangs:1", imagetest.TwoLayer())
	registry.Inject(imagetest.Blob, 100, registry.Hang())
	s := h.serve()
	b := s.logIn("admin", s.oneTime())
	_, header := b.do(http.MethodPost, "/scans", url.Values{"images": {image}, "policy": {"2"}}, http.StatusSeeOther)
	scan := header.Get("Location")
	events := b.events(scan + "/events")
	<-events
	began := time.Now()
	if code := s.stop(); code != 0 || time.Since(began) > 12*time.Second {
		t.Errorf("the server ended with %d after %s", code, time.Since(began))
	}
	db, err := store.Open(t.Context(), filepath.Join(h.dir, "runecast.db"), nil)
	if err != nil {
		t.Fatal(err)
	}
	id := strings.TrimPrefix(scan, "/scans/")
	running, err := db.RunningScan(t.Context(), id)
	if err != nil || running == nil || len(running.Images) != 1 || running.User != "admin" {
		t.Fatalf("%v %v", running, err)
	}
	running.Seen = time.Now().Add(-time.Minute)
	if err := db.PutRunningScan(t.Context(), running); err != nil {
		t.Fatal(err)
	}
	old := *running
	old.ID, old.Seen = "of-yesterday", time.Now().Add(-25*time.Hour)
	if err := db.PutRunningScan(t.Context(), &old); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	s = h.serve()
	b = s.open()
	b.post("/login", url.Values{"name": {"admin"}, "password": {ownPassword}}, http.StatusSeeOther)
	b.get(scan, http.StatusOK, "was stopped before it was done", "Scan again", image)
	b.get("/scans?status=Failed", http.StatusOK, `href="`+scan+`"`)
	until(t, "what is old is forgotten", func() bool {
		code, _, _ := s.browse(b.client, http.MethodGet, "/scans/of-yesterday", nil, "same-origin")
		return code == http.StatusNotFound
	})
}
