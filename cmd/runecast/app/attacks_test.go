package app_test

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/runecast/runecast/pkg/auth"
	"github.com/runecast/runecast/pkg/web/ui"
)

var wildcard = regexp.MustCompile(`\{[^}]*\}`)

// walk calls do for every page that one has to log in for, with texts for what the path leaves open.
func walk(do func(method, path string, action auth.Action)) {
	routes := ui.Routes()
	var patterns []string
	for pattern := range routes {
		patterns = append(patterns, pattern)
	}
	slices.Sort(patterns)
	for _, pattern := range patterns {
		method, path, _ := strings.Cut(pattern, " ")
		do(method, wildcard.ReplaceAllString(strings.TrimSuffix(path, "{$}"), "2"), routes[pattern])
	}
}

func safe(method string) bool { return method == http.MethodGet || method == http.MethodHead }

// TestCrossSiteRequests sends what a page of another site could make a browser send with the user's cookies: every change of every page is
// refused, by the browser's word and by the origin of browsers that have no such word.
func TestCrossSiteRequests(t *testing.T) {
	t.Parallel()
	s := newHome(t).serve()
	admin := s.logIn("admin", s.oneTime())
	tried := 0
	forge := func(method, path string) {
		tried++
		for _, site := range []string{"cross-site", "same-site"} {
			if code, page, _ := s.browse(admin.client, method, path, url.Values{"name": {"evil"}}, site); code != http.StatusForbidden {
				t.Errorf("%s %s of a %s page: %d %s", method, path, site, code, page)
			}
		}
		for _, origin := range []string{"https://evil.example", "null", "http://" + strings.TrimPrefix(s.address, "https://")} {
			if code := s.send(admin.client, method, path, "", http.Header{"Origin": {origin}}); code != http.StatusForbidden {
				t.Errorf("%s %s of %s: %d", method, path, origin, code)
			}
		}
	}
	walk(func(method, path string, _ auth.Action) {
		if !safe(method) {
			forge(method, path)
		}
	})
	forge(http.MethodPost, "/login")
	if tried < 10 {
		t.Errorf("only %d pages were tried", tried)
	}
	admin.get("/users", http.StatusOK) // the session was not ended by a forged logout
	if page := admin.get("/tokens", http.StatusOK); strings.Contains(page, "evil") {
		t.Error("a forged token was made")
	}
}

// send sends a request with headers and gives the status of the answer.
func (s *served) send(client *http.Client, method, path, body string, header http.Header) int {
	s.t.Helper()
	request, err := http.NewRequestWithContext(s.t.Context(), method, s.address+path, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	request.Header = header
	response, err := client.Do(request)
	if err != nil {
		s.t.Fatal(err)
	}
	defer response.Body.Close()
	if _, err := io.Copy(io.Discard, response.Body); err != nil { // the connection is used again only then
		s.t.Fatal(err)
	}
	return response.StatusCode
}

// TestRoles walks every page as nobody, as a reader and as one who has not chosen a password yet.
func TestRoles(t *testing.T) {
	t.Parallel()
	s := newHome(t).serve()
	admin := s.logIn("admin", s.oneTime())
	password := secretOf(t, admin.post("/users", url.Values{"name": {"new"}, "role": {"Administrator"}}, http.StatusOK))
	reader, nobody, newcomer := admin.addReader(), s.open(), s.open()
	newcomer.post("/login", url.Values{"name": {"new"}, "password": {password}}, http.StatusSeeOther)
	refused := 0
	walk(func(method, path string, action auth.Action) {
		if _, header := nobody.do(method, path, nil, http.StatusSeeOther); !strings.HasPrefix(header.Get("Location"), "/login") {
			t.Errorf("%s %s sends nobody to %s", method, path, header.Get("Location"))
		}
		if path != "/password" && path != "/logout" {
			if _, header := newcomer.do(method, path, nil, http.StatusSeeOther); header.Get("Location") != "/password" {
				t.Errorf("%s %s sends one with a one-time password to %s", method, path, header.Get("Location"))
			}
		}
		switch {
		case action != auth.ActionRead:
			refused++
			reader.do(method, path, url.Values{"name": {"evil"}, "role": {"Administrator"}, "access": {"Global Admin"}, "images": {"x"}}, http.StatusForbidden, "The role Read-only may not")
		case !safe(method) && path != "/password" && path != "/logout":
			t.Errorf("%s %s changes something, and those who read may do it", method, path)
		}
	})
	if refused < 10 {
		t.Errorf("only %d pages were refused", refused)
	}
	reader.get("/scans", http.StatusOK)
	if page := admin.get("/users", http.StatusOK); strings.Contains(page, "evil") {
		t.Error("a reader made a user")
	}
}

// TestReviewTokenIsForReviewsAlone walks every operation of the description with a token for reviews, with one that is none and without one.
func TestReviewTokenIsForReviewsAlone(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	s := h.serve()
	_, review, _ := h.run("token", "create", "--name", "r", "--access-type", "Review", "--quiet")
	operations := s.operations()
	if len(operations) < 15 {
		t.Errorf("there are %d operations", len(operations))
	}
	for _, o := range operations {
		path := wildcard.ReplaceAllString(o.path, "2")
		for authorization, want := range map[string]int{strings.TrimSpace(review): 403, "Bearer " + strings.TrimSpace(review): 403, "nonsense": 401, "": 401, "Basic YWRtaW46eA==": 401} {
			code, kind, answer := s.ask(o.method, path, "", authorization)
			if code != want || kind != "application/problem+json" {
				t.Errorf("%s %s by %.9q: %d %s %s", o.method, path, authorization, code, kind, answer)
			}
		}
		if o.Responses["401"] == nil || o.Responses["403"] == nil {
			t.Errorf("the description of %s %s does not tell of 401 and 403", o.method, o.path)
		}
	}
	// A session of the pages is none here.
	admin := s.logIn("admin", s.oneTime())
	if code, _, _ := s.browse(admin.client, http.MethodGet, "/api/v1/tokens", nil, "same-origin"); code != http.StatusUnauthorized {
		t.Errorf("a session opens the REST interface: %d", code)
	}
}

// TestSessionFixation plants a session's id: the login gives another, and the one of before is dead.
func TestSessionFixation(t *testing.T) {
	t.Parallel()
	s := newHome(t).serve()
	admin := s.logIn("admin", s.oneTime())
	server, err := url.Parse(s.address)
	if err != nil {
		t.Fatal(err)
	}
	session := func(b *browser) string {
		for _, c := range b.client.Jar.Cookies(server) {
			if c.Name == "__Host-runecast" {
				return c.Value
			}
		}
		return ""
	}
	planted := "planted-by-an-attacker-0123456789abcdefghijk"
	victim := s.open()
	victim.client.Jar.SetCookies(server, []*http.Cookie{{Name: "__Host-runecast", Value: planted, Secure: true, Path: "/"}})
	victim.get("/scans", http.StatusSeeOther)
	victim.post("/login", url.Values{"name": {"admin"}, "password": {ownPassword}}, http.StatusSeeOther)
	first := session(victim)
	if first == planted || len(first) != 43 {
		t.Fatalf("the session is %q", first)
	}
	victim.post("/login", url.Values{"name": {"admin"}, "password": {ownPassword}}, http.StatusSeeOther)
	second := session(victim)
	if second == first {
		t.Error("a second login keeps the id")
	}
	with := func(id string) int {
		b := s.open()
		b.client.Jar.SetCookies(server, []*http.Cookie{{Name: "__Host-runecast", Value: id, Secure: true, Path: "/"}})
		code, _, _ := s.browse(b.client, http.MethodGet, "/scans", nil, "same-origin")
		return code
	}
	for id, want := range map[string]int{planted: 303, first: 303, second: 200, "": 303, second + "x": 303, strings.Repeat("x", 3000): 303, "' OR 1=1 --": 303} {
		if code := with(id); code != want {
			t.Errorf("%.50q: %d, want %d", id, code, want)
		}
	}
	victim.post("/logout", nil, http.StatusSeeOther)
	if with(second) != http.StatusSeeOther {
		t.Error("the session goes on after the logout")
	}
	admin.get("/scans", http.StatusOK)
}

// TestOpenRedirect asks to be sent elsewhere after a login.
func TestOpenRedirect(t *testing.T) {
	t.Parallel()
	s := newHome(t).serve()
	s.logIn("admin", s.oneTime())
	b := s.open()
	for next, want := range map[string]string{
		"/scans?status=Failed&x=%2F%2Fevil": "/scans?status=Failed&x=%2F%2Fevil", "/users": "/users", "": "/scans", "/": "/",
		"https://evil.example/": "/scans", "//evil.example/": "/scans", "///evil.example": "/scans", "/\\evil.example": "/scans", "\\\\evil.example": "/scans", "/\t/evil.example": "/scans",
		"http:evil.example": "/scans", "https:/evil.example": "/scans", "javascript:alert(1)": "/scans", "data:text/html,x": "/scans", "evil.example": "/scans", "//user@evil.example": "/scans",
		" //evil.example": "/scans", "/\n/evil.example": "/scans", "/%0d%0aSet-Cookie:x=y": "/%0d%0aSet-Cookie:x=y", "/x\r\nSet-Cookie: x=y": "/scans", "/\x00": "/scans", "?x": "/scans", "#x": "/scans",
		"/%2F/evil.example": "/%2F/evil.example", "/..//evil.example": "/evil.example", "/" + strings.Repeat("x", 5000): "/scans",
	} {
		_, header := b.do(http.MethodPost, "/login", url.Values{"name": {"admin"}, "password": {ownPassword}, "next": {next}}, http.StatusSeeOther)
		location := header.Get("Location")
		base, err := url.Parse(s.address + "/login")
		if err != nil {
			t.Fatal(err)
		}
		to, err := base.Parse(location)
		if err != nil || to.Host != base.Host || to.Scheme != base.Scheme || strings.HasPrefix(location, "//") {
			t.Errorf("%.50q leads to %.50q", next, location)
		}
		if want != location {
			t.Errorf("%.50q leads to %.50q, want %.50q", next, location, want)
		}
		page := b.get("/login?next="+url.QueryEscape(next), http.StatusOK)
		if strings.Contains(page, "evil.example/\"") && !strings.Contains(page, `value="/`) {
			t.Errorf("%q is in the form: %s", next, page)
		}
	}
}

// TestPathTraversal asks for files by every way out that comes to mind.
func TestPathTraversal(t *testing.T) {
	t.Parallel()
	s := newHome(t).serve()
	admin := s.logIn("admin", s.oneTime())
	for _, path := range []string{
		"/static/../templates/frame.html", "/static/..%2ftemplates%2fframe.html", "/static/%2e%2e/ui.go", "/static/..%5ctemplates", "/static/....//style.css", "/static/", "/static/style.css/", "/static/style.css%00.html",
		"/static//etc/passwd", "/static/%2fetc%2fpasswd", "/static/.", "/scans/..%2f..%2fetc%2fpasswd", "/scans/%00", "/policies/..%2f..%2fetc", "/policies/" + strings.Repeat("x", 5000),
		"/vulnerabilities/..%2f..", "/api/v1/../../etc/passwd", "/api/v1/scans/..%2f..", "/api/v1/scans/2/images/0/../../../..", "/users/..%2fadmin",
	} {
		code, page, _ := s.browse(admin.client, http.MethodGet, path, nil, "same-origin")
		if code != 404 && code != 401 && code != 405 && code != 400 || strings.Contains(page, "root:") || strings.Contains(page, `{{`) {
			t.Errorf("%.80s: %d %.200s", path, code, page)
		}
	}
	admin.get("/static/style.css", http.StatusOK, "body")
}

// TestTenThousandWrongLogins sends them to the running server: they cost next to nothing, the log tells, and who was here before gets in.
func TestTenThousandWrongLogins(t *testing.T) { //nolint:paralleltest // it measures time and memory
	s := newHome(t).serve()
	admin := s.logIn("admin", s.oneTime())
	form := url.Values{"name": {"admin"}, "password": {"a wrong password"}}.Encode()
	header := http.Header{"Content-Type": {"application/x-www-form-urlencoded"}, "Sec-Fetch-Site": {"same-origin"}}
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	codes := map[int]int{}
	began := time.Now()
	const all = 10_000
	for range all {
		code := s.send(s.client, http.MethodPost, "/login", form, header)
		codes[code]++
	}
	took := time.Since(began)
	runtime.GC()
	runtime.ReadMemStats(&after)
	if codes[http.StatusUnauthorized] > 10 || codes[http.StatusUnauthorized] < 8 || codes[http.StatusUnauthorized]+codes[http.StatusTooManyRequests] != all {
		t.Errorf("the answers are %v", codes) // the first logins of the administrator counted too
	}
	// Hashing each would take 10,000 times 20 ms or more.
	if took > 100*time.Second {
		t.Errorf("they take %s", took)
	}
	if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > 32<<20 { // the test keeps the log, which has a line of each
		t.Errorf("they take %d MiB of memory", grown>>20)
	}
	t.Logf("%d wrong logins in %s, %v", all, took, codes)
	// A new browser at the attacker's address waits, with the right password too. A known one gets in at once.
	_, answer := s.open().do(http.MethodPost, "/login", url.Values{"name": {"admin"}, "password": {ownPassword}}, http.StatusTooManyRequests, "Too many attempts")
	if answer.Get("Retry-After") != "900" {
		t.Errorf("%v", answer)
	}
	admin.get("/users", http.StatusOK) // sessions go on
	admin.post("/logout", nil, http.StatusSeeOther)
	admin.post("/login", url.Values{"name": {"admin"}, "password": {ownPassword}}, http.StatusSeeOther)
	var log auditEntries
	s.get("/api/v1/audit?action=login+refused&limit=1000", &log)
	if len(log.Entries) != codes[http.StatusUnauthorized] {
		t.Errorf("the audit log has %d refused logins, of %d", len(log.Entries), codes[http.StatusUnauthorized])
	}
	if lines := strings.Count(s.log.String(), `"msg":"login refused"`); lines != all+1 {
		t.Errorf("the log has %d refused logins", lines)
	}
	// X-Forwarded-For of a client that is no proxy gives no new tries.
	for n := range 20 {
		header.Set("X-Forwarded-For", fmt.Sprintf("198.51.100.%d", n))
		if code := s.send(s.client, http.MethodPost, "/login", form, header); code != http.StatusTooManyRequests {
			t.Fatalf("a forged address gives %d", code)
		}
	}
}
