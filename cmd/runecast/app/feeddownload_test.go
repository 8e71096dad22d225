package app_test

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/runecast/runecast/cmd/runecast/app"
)

// TestFeedBuildDownload downloads twice, with a change between, and compares with indexes of the same data in files.
func TestFeedBuildDownload(t *testing.T) {
	t.Parallel()
	d := someData(t)
	p, files := newPublic(t, &d)
	h, other := &home{t: t, dir: t.TempDir()}, &home{t: t, dir: t.TempDir()}
	place := p.web.URL
	args := []string{
		"feed", "build", "--download", "--download-ecosystems", "Go,Debian", "--osv-url", place + "/osv", "--nvd-url", place + "/nvd",
		"--cve-url", place + "/cve.zip", "--kev-url", place + "/kev.json", "--epss-url", place + "/epss.csv.gz",
	}
	build := func(name string) string {
		t.Helper()
		code, out, errOut := h.run(args...)
		want(t, code, out+errOut, app.ExitOK, "osv/Debian", "osv/Go", "nvd", "cve", "kev", "epss")
		code, out, errOut = other.run(append([]string{"feed", "build"}, files...)...)
		want(t, code, out+errOut, app.ExitOK, "osv/Debian")
		if strings.Contains(errOut, "warning") {
			t.Errorf("%s: %s", name, errOut)
		}
		downloaded, built := h.revision(), other.revision()
		if downloaded != built {
			t.Errorf("%s: the index is of the revision %s, that of files of %s", name, downloaded, built)
		}
		return downloaded
	}
	first := build("first")
	whole := len(p.requests())
	again := build("again")
	for _, request := range p.requests() {
		if !strings.HasSuffix(request, " 304") && !strings.HasSuffix(request, ".meta 200") {
			t.Errorf("nothing has changed, and yet %s", request)
		}
	}
	if again != first {
		t.Errorf("nothing has changed, and yet the revision is %s, was %s", again, first)
	}
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
	if changed := build("after a change"); changed == first {
		t.Error("a record has changed, and the revision has not")
	}
	log := p.requests()
	if !slices.Contains(log, "/osv/Go/"+id+".json 200") || slices.Contains(log, "/osv/Go/all.zip 200") {
		t.Errorf("requests after a change: %v", log)
	}
	t.Logf("data in %q: %d and %d records of OSV; %d requests, after a change %d", d.areIn, len(d.osv["Debian"]), len(d.osv["Go"]), whole, len(log))
	code, out, errOut := h.run(append(args, "--kev-url", place+"/gone.json")...)
	want(t, code, out+errOut, app.ExitOK, "warning: kev is of an earlier run: download "+place+"/gone.json: 404 Not Found")
	p.put("/osv/Debian/modified_id.csv", "", []byte("no list"))
	p.put("/osv/Debian/all.zip", "", []byte("no zip"))
	before := h.revision()
	code, _, errOut = h.run(args...)
	want(t, code, errOut, app.ExitError, "osv: ecosystem Debian: download "+place+"/osv/Debian/all.zip: what came is refused")
	if h.revision() != before {
		t.Error("a download that failed changed the index in place")
	}
}
