package app_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/runecast/runecast/pkg/image/imagetest"
)

// scanned reviews an image as part of a pod and gives the path of its scan's page once its findings are stored.
func (b *browser) scanned(image string) string {
	b.s.t.Helper()
	b.s.do(http.MethodPost, reviewPath, podReview(image))
	link := regexp.MustCompile(`href="(/scans/[0-9a-f-]{36})"`)
	path := ""
	until(b.s.t, "the scan is stored with its findings", func() bool {
		found := link.FindStringSubmatch(b.get("/scans?trigger=K8s+admission+controller&image="+url.QueryEscape(image), http.StatusOK))
		if found == nil {
			return false
		}
		path = found[1]
		return !strings.Contains(b.get(path, http.StatusOK), "about to be stored")
	})
	return path
}

// TestScanPage reads the page of a scan: who asked and why not, packages to bump, findings by filter, order and layer, the packages as a file.
func TestScanPage(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	s := h.serve()
	b := s.logIn("admin", s.oneTime())
	scan := b.scanned(h.vulnerable)
	page := b.get(scan, http.StatusOK, "Pod shop/web", `<a href="/scans?namespace=shop">`, "CREATE", "sha256:", "linux/amd64", "Debian GNU/Linux 10 (buster)", "2022-09-10",
		"Rejected by policy 2", "1.1.1d-0&#43;deb10u6 → 1.1.1d-0&#43;deb10u7", "2 of 2", "breaks “severity high or worse, fix available”")
	if rows := strings.Count(page, `<td role="cell" class="text pkg"`); rows != 2 {
		t.Errorf("%d findings: %s", rows, page)
	}
	for query, want := range map[string]string{
		"?q=libssl": "1–1 of 1, of 2 in all", "?q=DEBIAN-cve-2021": "1–2 of 2", "?severity=low": "None of its 2 vulnerabilities is like that.", "?fixable=yes": "1–2 of 2",
		"?fixable=no": "None of its 2", "?by=layer": "Layer <span", "?sort=package": `aria-sort="ascending"`, "?sort=nonsense": "1–2 of 2", "?page=99": "1–2 of 2", "?page=-1": "1–2 of 2",
		"?page=x": "1–2 of 2", "?image=0&severity=critical&sort=epss&q=openssl": "1–2 of 2", "?q=%3Cscript%3E": "&lt;script&gt;", "?severity=%22%3E%3Cb%3E": "None of its 2",
	} {
		b.get(scan+query, http.StatusOK, want)
	}
	for query, code := range map[string]int{
		"?image=1": 404, "?image=-1": 404, "?image=x": 404, "?image=99999999999999999999": 404, "?q=" + strings.Repeat("a", 600): 422,
		"/images/0/inventory": 200, "/images/1/inventory": 404, "/images/-1/inventory": 404, "/images/../inventory": 404,
	} {
		b.get(scan+query, code)
	}
	bill, header := b.do(http.MethodGet, scan+"/images/0/inventory", nil, http.StatusOK)
	var cyclone struct {
		Format     string `json:"bomFormat"`
		Components []any  `json:"components"`
	}
	if err := json.Unmarshal([]byte(bill), &cyclone); err != nil || cyclone.Format != "CycloneDX" || len(cyclone.Components) < 100 {
		t.Errorf("%v: %.300s", err, bill)
	}
	if got := header.Get("Content-Disposition"); !strings.HasPrefix(got, `attachment; filename="sha256:`) {
		t.Error(got)
	}
	for _, id := range []string{"nothing", strings.Repeat("a", 300), "%3Cscript%3E", "%00"} {
		b.get("/scans/"+id, http.StatusNotFound)
	}
}

// TestTagThatMoved: a reference that is another image by now is said to have moved, and leads to its newest scan.
func TestTagThatMoved(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	registry := imagetest.NewRegistry()
	t.Cleanup(registry.Close)
	image := registry.MustPush(t.Context(), "team/app:latest", imagetest.Nginx119())
	s := h.serve()
	b := s.logIn("admin", s.oneTime())
	before := b.scanned(image)
	if page := b.get(before, http.StatusOK); strings.Contains(page, "The tag has moved") || strings.Contains(page, "Newest scan of this image") {
		t.Errorf("nothing has moved yet: %s", page)
	}
	registry.MustPush(t.Context(), "team/app:latest", imagetest.Nginx119Fixed())
	s.stop() // a new server asks for the tag again at once
	s = h.serve()
	b = s.open()
	b.post("/login", url.Values{"name": {"admin"}, "password": {ownPassword}}, http.StatusSeeOther)
	after := before
	until(t, "the second scan is in the list", func() bool { after = b.scanned(image); return after != before })
	b.get(before, http.StatusOK, "The tag has moved: 2 digests", `<a class="button plain" href="`+after+`">Newest scan of this image</a>`)
	b.get(after, http.StatusOK, "The tag has moved: 2 digests", `href="`+before+`"`)
}

// TestListOfScans tries every filter and order of the list, its pages, and what hostile people ask it.
func TestListOfScans(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	s := h.serve()
	b := s.logIn("admin", s.oneTime())
	denied, allowed := b.scanned(h.vulnerable), b.scanned(h.fixed)
	if denied == allowed {
		t.Fatal("one path for two scans")
	}
	day := time.Now().UTC().Format(time.DateOnly)
	for _, c := range []struct{ query, has, lacks string }{
		{"evaluation=no", denied, allowed},
		{"evaluation=yes", allowed, denied},
		{"severity=critical", denied, allowed},
		{"image=1.19-FIXED", allowed, denied},
		{"policy=2&namespace=shop&name=we&status=Success&trigger=K8s+admission+controller&from=" + day + "&to=" + day, denied, "No scan"},
		{"namespace=other", "No scan is like that", denied},
		{"policy=1", "No scan is like that", denied},
		{"user=nobody", "No scan is like that", denied},
		{"trigger=UI", "No scan is like that", denied},
		{"status=Running", "No scan is like that", denied},
		{"from=2999-01-01", "No scan is like that", denied},
		{"to=2000-01-01", "No scan is like that", denied},
		{"image=%27+OR+1%3D1+--", "No scan is like that", denied},
		{"image=%25", "No scan is like that", denied},
		{"image=%3Cscript%3E", "&lt;script&gt;", "<script>"},
		{"severity=%00&sort=%00", "No scan is like that", denied},
	} {
		page := b.get("/scans?"+c.query, http.StatusOK, c.has)
		if strings.Contains(page, c.lacks) {
			t.Errorf("%s has %s", c.query, c.lacks)
		}
	}
	order := func(query string) bool {
		page := b.get("/scans?"+query, http.StatusOK, denied, allowed)
		return strings.Index(page, denied) < strings.Index(page, allowed)
	}
	if order("") || !order("sort=oldest") || !order("sort=worst") || order("sort=nonsense") {
		t.Error("an order does not hold")
	}
	for query, code := range map[string]int{"from=yesterday": 422, "to=2026-13-01": 422, "cursor=nonsense": 422, "image=" + strings.Repeat("a", 600): 422, "zz=" + strings.Repeat("a", 600): 422} {
		b.get("/scans?"+query, code)
	}
	for i := range 60 {
		if code, answer := s.do(http.MethodPost, reviewPath, strings.Replace(podReview(h.fixed), `"name":"web"`, fmt.Sprintf(`"name":"many-%d"`, i), 1)); code != http.StatusOK {
			t.Fatalf("%d %s", code, answer)
		}
	}
	link := regexp.MustCompile(`href="(/scans/[0-9a-f-]{36})"`)
	next := regexp.MustCompile(`rel="next" href="([^"]+)"`)
	until(t, "62 scans on two pages, each once", func() bool {
		seen := map[string]bool{}
		path, pages := "/scans", 0
		for ; path != ""; pages++ {
			page := b.get(path, http.StatusOK)
			for _, found := range link.FindAllStringSubmatch(page, -1) {
				if seen[found[1]] {
					t.Errorf("%s is there twice", found[1])
				}
				seen[found[1]] = true
			}
			found := next.FindStringSubmatch(page)
			if path = ""; found != nil {
				path = strings.ReplaceAll(found[1], "&amp;", "&")
			}
		}
		return len(seen) == 62 && pages == 2
	})
}

// TestVulnerabilityPages reads the list of vulnerabilities, and one by its id, by its alias and from a scan.
func TestVulnerabilityPages(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	s := h.serve()
	b := s.logIn("admin", s.oneTime())
	scan := b.scanned(h.vulnerable)
	for query, text := range map[string]string{"": "CVE-2021-3711", "?q=2021-3711&severity=critical&fixable=yes": "CVE-2021-3711", "?severity=low": "No vulnerability is like that.", "?q=%25": "No vulnerability is like that."} {
		b.get("/vulnerabilities"+query, http.StatusOK, text)
	}
	for path, code := range map[string]int{
		"?severity=worst": 422, "?cursor=nonsense": 422, "?q=" + strings.Repeat("a", 600): 422, "/CVE-1999-0001": 404, "/" + strings.Repeat("a", 200): 404, "/%3Cscript%3E": 404,
		"/CVE-2021-3711?cursor=nonsense": 422, "/CVE-2021-3711?scan=nothing": 404, "/CVE-2021-3711?scan=" + strings.TrimPrefix(scan, "/scans/") + "&image=7": 404,
	} {
		b.get("/vulnerabilities"+path, code)
	}
	b.get("/vulnerabilities/CVE-2021-3711?scan="+strings.TrimPrefix(scan, "/scans/")+"&image=0", http.StatusOK, "In this scan", `href="`+scan+`?image=0"`,
		"Attack vector", "Network: from anywhere", "https://nvd.nist.gov/vuln/detail/CVE-2021-3711", "https://security-tracker.debian.org/tracker/CVE-2021-3711",
		`rel="noopener noreferrer external"`, h.vulnerable)
	_, header := b.do(http.MethodGet, "/vulnerabilities/DEBIAN-CVE-2021-3711?scan=x", nil, http.StatusSeeOther)
	if got := header.Get("Location"); got != "/vulnerabilities/CVE-2021-3711?scan=x" {
		t.Errorf("an alias leads to %s", got)
	}
}

// TestOverviewPage reads the first page before and after scans, and with hostile queries.
func TestOverviewPage(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	s := h.serve()
	b := s.logIn("admin", s.oneTime())
	b.get("/", http.StatusOK, "Overview", "Nothing was denied.", "No image that was let in is at risk.", "0 scans: 0 compliant", "The vulnerability data is")
	b.scanned(h.vulnerable)
	b.scanned(h.fixed)
	b.get("/", http.StatusOK, "2 scans: 1 compliant, 1 not compliant, 0 not decidable", "severity high or worse, fix available", `href="/vulnerabilities/CVE-2021-3711"`, "openssl", `aria-current="page">Overview`)
	for _, span := range []string{"24h", "7d", "90d", "365d", "", "<script>"} {
		b.get("/?span="+url.QueryEscape(span), http.StatusOK, "2 scans: 1 compliant")
	}
	b.get("/risk", http.StatusOK, "No image that was let in is at risk.")
	b.get("/risk?flipped=yes", http.StatusOK, `<a href="/risk?flipped=yes" aria-current="true">`)
	b.get("/risk?cursor=nonsense", http.StatusUnprocessableEntity)
}
