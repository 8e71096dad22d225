package app_test

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"github.com/runecast/runecast/pkg/admission"
	"github.com/runecast/runecast/pkg/advisory"
	"github.com/runecast/runecast/pkg/auth"
	"github.com/runecast/runecast/pkg/inventory"
	"github.com/runecast/runecast/pkg/policy"
	"github.com/runecast/runecast/pkg/scan"
	"github.com/runecast/runecast/pkg/store"
	"github.com/runecast/runecast/pkg/web/ui"
)

// hostile are texts that would become markup where a page wrote them as they are: in text, in an attribute of either quote or none, in an
// address, in a comment, a title or a style.
var hostile = []string{
	`<script>planted(1)</script>`, `"><img src=planted onerror=planted(2)>`, `' onmouseover='planted(3)`, `" onfocus="planted(4)" autofocus="`, "` onclick=`planted(5)",
	`javascript:planted(6)`, `--><svg onload=planted(7)>`, `</title><script>planted(8)</script>`, `{{.Planted}}`, "x\r\nX-Planted: yes", "\u202eplanted\x00", `&lt;script&gt;planted(9)`, `</textarea></pre><iframe src="//planted">`,
}

// plant stores hostile texts wherever the store takes texts, past all checks, and gives the ids to look them up by.
func plant(t *testing.T, s *store.Store) (decisions []string) {
	t.Helper()
	ctx := t.Context()
	now := time.Now().UTC().Truncate(time.Microsecond)
	for n, text := range hostile {
		sum := sha256.Sum256([]byte(text))
		digest := "sha256:" + hex.EncodeToString(sum[:])
		must := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatalf("%q: %v", text, err)
			}
		}
		must(s.CreateToken(ctx, auth.Token{ID: fmt.Sprintf("hostile%d", n), Name: text, AccessType: auth.AccessType(text), Hash: sum[:], CreatedAt: now}))
		_, err := s.CreateUser(ctx, &auth.User{Name: text, Role: auth.Role(text), Source: auth.SourceOIDC, Identity: text, CreatedAt: now})
		must(err)
		must(s.CreateAuditEntry(ctx, &auth.AuditEntry{
			ID: fmt.Sprintf("hostile%d", n), At: now, Actor: auth.Actor{Kind: auth.ActorKind(text), Name: text, ID: text}, Address: text, Action: text, Subject: text, Details: map[string]any{text: text},
		}))
		finding := advisory.Finding{
			ID: text, Aliases: []string{text}, Severity: advisory.SeverityCritical, Package: inventory.Package{Name: text, Version: text}, FixedVersion: text,
		}
		must(s.PutReport(ctx, &scan.Report{
			Image: text, Digest: digest, Platform: text, ScannedAt: now, Packages: 1, Feed: scan.Feed{Revision: "f1"}, Findings: []advisory.Finding{finding}, Warnings: []string{text}, Unread: []string{text},
		}))
		id := fmt.Sprintf("hostile%d", n)
		must(s.CreateDecision(ctx, admission.Decision{
			ID: id, ReviewUID: text, At: now.Add(time.Duration(n) * time.Second), Trigger: admission.TriggerType(text), PolicyID: text, Policy: text, Mode: policy.Mode(text), Verdict: policy.VerdictDeny,
			Reason: text, Message: text, Operation: text, Group: text, Kind: text, Namespace: text, Name: text, User: text,
			Images: []admission.DecisionImage{{
				Reference: text, Digest: digest, Platform: text, FeedRevision: "f1", Verdict: policy.VerdictDeny, Cause: text, Violated: 1,
				Violations: []policy.Violation{{Rule: text, Detail: text, Finding: &finding}},
			}},
		}))
		decisions = append(decisions, id)
	}
	return decisions
}

// TestHostileTexts stores hostile texts and looks at every page, as a browser parses it: no element, attribute or address is theirs.
func TestHostileTexts(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	s := h.serve()
	admin := s.logIn("admin", s.oneTime())
	db, err := store.Open(t.Context(), h.dir+"/runecast.db", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	decisions := plant(t, db)
	shown := map[string]int{}
	look := func(path string) {
		t.Helper()
		code, page, header := s.browse(admin.client, http.MethodGet, path, nil, "same-origin")
		if code >= 500 || header.Get("X-Planted") != "" {
			t.Errorf("%.200s: %d %v", path, code, header)
		}
		if strings.HasPrefix(header.Get("Content-Type"), "text/html") {
			inspect(t, path, page, shown)
		}
	}
	var ids []string
	ids = append(ids, decisions...)
	ids = append(ids, hostile...)
	walked := 0
	for pattern := range pagePatterns() {
		walked++
		if !strings.Contains(pattern, "{") {
			look(pattern)
			for _, text := range hostile { // as filters, which the page shows again
				query := url.Values{}
				for _, name := range []string{"image", "status", "trigger", "policy", "evaluation", "severity", "namespace", "from", "to", "cursor", "before", "kind", "actor", "action", "subject", "q", "search", "by", "sort", "next"} {
					query.Set(name, text)
				}
				look(pattern + "?" + query.Encode())
				look(pattern + "?image=" + url.QueryEscape(text))
				look(pattern + "?actor=" + url.QueryEscape(text))
			}
			continue
		}
		for _, id := range ids {
			look(wildcard.ReplaceAllLiteralString(pattern, url.PathEscape(id)))
		}
	}
	for _, text := range hostile {
		look("/login?next=" + url.QueryEscape(text))
		for path, form := range map[string]url.Values{
			"/login": {"name": {text}, "password": {text}, "next": {text}}, "/tokens": {"name": {text}, "access": {text}, "expires": {text}}, "/users": {"name": {text}, "role": {text}},
			"/scans": {"images": {text}, "policy": {text}}, "/password": {"old": {text}, "password": {text}, "again": {"x"}},
		} {
			_, page, header := s.browse(admin.client, http.MethodPost, path, form, "same-origin")
			if header.Get("X-Planted") != "" {
				t.Errorf("%s: %v", path, header)
			}
			inspect(t, "POST "+path, page, shown)
		}
	}
	if walked < 8 {
		t.Errorf("only %d pages were looked at", walked)
	}
	// The pages must show the texts at all, or nothing was tried.
	for _, path := range []string{"/scans", "/tokens", "/users", "/audit", "/scans/hostile0", "/scans/hostile1"} {
		if shown[path] == 0 {
			t.Errorf("%s shows no hostile text", path)
		}
	}
}

// pagePatterns are the paths of pages that are only looked at.
func pagePatterns() map[string]bool {
	paths := map[string]bool{"/login": true}
	for pattern := range ui.Routes() {
		// Progress goes on until a scan is done, and is no page.
		if method, path, _ := strings.Cut(pattern, " "); safe(method) && !strings.HasSuffix(path, "/events") {
			paths[strings.TrimSuffix(path, "{$}")] = true
		}
	}
	return paths
}

// inspect parses a page and fails for what no template of ours has.
func inspect(t *testing.T, path, page string, shown map[string]int) {
	t.Helper()
	for node := range parsePage(t, page).Descendants() {
		if node.Type == html.TextNode || node.Type == html.CommentNode {
			if strings.Contains(strings.ToLower(node.Data), "planted") {
				shown[path]++
				if node.Type == html.CommentNode || node.Parent.Data == "script" || node.Parent.Data == "style" {
					t.Errorf("%s has a hostile text in a %s: %s", path, node.Parent.Data, node.Data)
				}
			}
			continue
		}
		if node.Type != html.ElementNode {
			continue
		}
		source := ""
		for _, a := range node.Attr {
			value := strings.ToLower(strings.TrimSpace(a.Val))
			switch {
			case strings.HasPrefix(a.Key, "on"), strings.Contains(a.Key, "planted"), a.Key == "style", a.Key == "srcdoc":
				t.Errorf("%s has the attribute %s=%q", path, a.Key, a.Val)
			case a.Key == "href" || a.Key == "src" || a.Key == "action" || a.Key == "formaction":
				source = a.Val
				if strings.HasPrefix(value, "javascript:") || strings.HasPrefix(value, "data:") || strings.HasPrefix(value, "//") {
					t.Errorf("%s has the address %s=%q", path, a.Key, a.Val)
				}
			}
		}
		switch node.Data {
		case "script":
			if node.FirstChild != nil || !strings.HasPrefix(source, "/static/") {
				t.Errorf("%s has a script of %q", path, source)
			}
		case "iframe", "object", "embed", "base", "img":
			t.Errorf("%s has the element %s", path, node.Data)
		}
	}
}

// TestAnswersToBrowsers checks what every answer says to browsers, also errors, and the cookies.
func TestAnswersToBrowsers(t *testing.T) {
	t.Parallel()
	s := newHome(t).serve()
	admin := s.logIn("admin", s.oneTime())
	check := func(what string, header http.Header) {
		t.Helper()
		policy := header.Get("Content-Security-Policy")
		for _, part := range []string{"default-src 'none'", "script-src 'self'", "style-src 'self'", "form-action 'self'", "frame-ancestors 'none'", "base-uri 'none'"} {
			if !strings.Contains(policy, part) {
				t.Errorf("%s: the policy %q lacks %s", what, policy, part)
			}
		}
		if strings.Contains(policy, "unsafe") || header.Get("X-Content-Type-Options") != "nosniff" || header.Get("Referrer-Policy") != "no-referrer" {
			t.Errorf("%s: %v", what, header)
		}
		if header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s may be kept: %s", what, header.Get("Cache-Control"))
		}
		for _, cookie := range header.Values("Set-Cookie") {
			if !strings.HasPrefix(cookie, "__Host-") || !strings.Contains(cookie, "; Path=/") || !strings.Contains(cookie, "; HttpOnly; Secure; SameSite=") || strings.Contains(cookie, "Domain") {
				t.Errorf("%s sets %s", what, cookie)
			}
		}
	}
	for _, b := range []*browser{admin, s.open()} {
		walk(func(method, path string, _ auth.Action) {
			if path == "/logout" || strings.HasSuffix(path, "/events") {
				return
			}
			_, _, header := s.browse(b.client, method, path, nil, "same-origin")
			check(method+" "+path, header)
			_, _, header = s.browse(b.client, http.MethodPost, path, nil, "cross-site")
			if header.Get("Allow") == "" && !strings.Contains(header.Get("Content-Type"), "json") { // answered by the pages
				check("cross-site POST "+path, header)
			}
		})
	}
	for what, form := range map[string]url.Values{"wrong login": {"name": {"admin"}, "password": {"x"}}, "no form": {}, "too large a form": {"name": {strings.Repeat("x", 200<<10)}}, "login": {"name": {"admin"}, "password": {ownPassword}}} {
		_, _, header := s.browse(admin.client, http.MethodPost, "/login", form, "same-origin")
		check(what, header)
	}
	_, _, header := s.browse(admin.client, http.MethodGet, "/login", nil, "same-origin")
	check("GET /login", header)
	_, header = admin.do(http.MethodPost, "/logout", nil, http.StatusSeeOther)
	check("logout", header)
	if !strings.Contains(header.Get("Set-Cookie"), "Max-Age=0") {
		t.Errorf("the logout leaves the cookie: %v", header)
	}
}

// TestForms sends forms that are too large, broken, or never end.
func TestForms(t *testing.T) {
	t.Parallel()
	s := newHome(t).serve()
	admin := s.logIn("admin", s.oneTime())
	big := url.Values{"name": {strings.Repeat("x", 129<<10)}}
	walk(func(method, path string, _ auth.Action) {
		if safe(method) || path == "/logout" {
			return
		}
		if code, page, _ := s.browse(admin.client, method, path, big, "same-origin"); code != http.StatusRequestEntityTooLarge && code != http.StatusNotFound && code != http.StatusUnprocessableEntity {
			t.Errorf("%s %s: %d %.300s", method, path, code, page)
		}
	})
	for _, path := range []string{"/login", "/tokens", "/users", "/scans"} {
		admin.do(http.MethodPost, path, big, http.StatusRequestEntityTooLarge, "The form is too large.")
	}
	header := func(kind string) http.Header {
		return http.Header{"Content-Type": {kind}, "Sec-Fetch-Site": {"same-origin"}}
	}
	for body, want := range map[string]int{"%zz": 400, "name=%": 400, strings.Repeat("a=b&", 30_000): 400, "name=admin;password=x": 400, "": 401} {
		if code := s.send(s.open().client, http.MethodPost, "/login", body, header("application/x-www-form-urlencoded")); code != want {
			t.Errorf("%.20q: %d, want %d", body, code, want)
		}
	}
	for _, kind := range []string{"application/json", "multipart/form-data; boundary=x", "text/plain", ";;"} {
		if code := s.send(s.open().client, http.MethodPost, "/login", `{"name":"admin","password":"`+ownPassword+`"}`, header(kind)); code != 401 && code != 400 && code != 429 {
			t.Errorf("%s: %d", kind, code)
		}
	}
	// A form that is announced and never sent holds nobody else up.
	reader, writer := io.Pipe()
	slow, cancel := context.WithCancel(t.Context())
	defer cancel()
	request, err := http.NewRequestWithContext(slow, http.MethodPost, s.address+"/login", bufio.NewReader(reader))
	if err != nil {
		t.Fatal(err)
	}
	request.Header = header("application/x-www-form-urlencoded")
	done := make(chan struct{})
	go func() {
		defer close(done)
		if response, err := s.client.Do(request); err == nil {
			_ = response.Body.Close()
		}
	}()
	if _, err := writer.Write([]byte("name=ad")); err != nil {
		t.Fatal(err)
	}
	admin.get("/scans", http.StatusOK)
	cancel()
	_ = writer.Close() // which the client waits for
	<-done
}
