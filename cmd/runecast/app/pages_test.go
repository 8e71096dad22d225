package app_test

import (
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
)

// browse sends what a browser would and gives the status, the page and its headers.
func (s *served) browse(client *http.Client, method, path string, form url.Values, site string) (int, string, http.Header) {
	s.t.Helper()
	request, err := http.NewRequestWithContext(s.t.Context(), method, s.address+path, strings.NewReader(form.Encode()))
	if err != nil {
		s.t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.Header.Set("Sec-Fetch-Site", site)
	response, err := client.Do(request)
	if err != nil {
		s.t.Fatal(err)
	}
	defer response.Body.Close()
	page, err := io.ReadAll(response.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return response.StatusCode, string(page), response.Header
}

// TestPages logs in, chooses a password, scans an image by the form and reads what came of it.
func TestPages(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	file := write(t, filepath.Join(t.TempDir(), "password"), []byte("one-time-password\n"))
	s := h.serve("--admin-password-file", file)
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	c := *s.client
	c.Jar = jar
	do := func(method, path string, form url.Values, code int, texts ...string) (string, http.Header) {
		t.Helper()
		got, page, header := s.browse(&c, method, path, form, "same-origin")
		if got != code || !strings.HasPrefix(header.Get("Content-Security-Policy"), "default-src 'none';") {
			t.Fatalf("%s %s: %d, want %d; %v %s", method, path, got, code, header, page)
		}
		for _, text := range texts {
			if !strings.Contains(page, text) {
				t.Errorf("%s %s lacks %q: %s", method, path, text, page)
			}
		}
		return page, header
	}
	if _, header := do(http.MethodGet, "/scans", nil, 303); header.Get("Location") != "/login?next=%2Fscans" {
		t.Errorf("%v", header)
	}
	do(http.MethodPost, "/login", url.Values{"name": {"admin"}, "password": {"wrong"}}, 401, "The name or the password is wrong.")
	_, entered := do(http.MethodPost, "/login", url.Values{"name": {"admin"}, "password": {"one-time-password"}, "next": {"//evil.example/"}}, 303)
	if cookie := entered.Get("Set-Cookie"); entered.Get("Location") != "/scans" || !strings.HasPrefix(cookie, "__Host-runecast=") || !strings.HasSuffix(cookie, "; Path=/; HttpOnly; Secure; SameSite=Lax") {
		t.Errorf("%v", entered)
	}
	if _, header := do(http.MethodGet, "/scans", nil, 303); header.Get("Location") != "/password" {
		t.Errorf("%v", header)
	}
	do(http.MethodPost, "/password", url.Values{"old": {"one-time-password"}, "password": {"a password of my own"}, "again": {"a password of my own"}}, 303)
	if code, page, _ := s.browse(&c, http.MethodPost, "/tokens", url.Values{"name": {"x"}, "access": {"Review"}}, "cross-site"); code != 403 {
		t.Errorf("a form of another site: %d %s", code, page)
	}
	_, accepted := do(http.MethodPost, "/scans", url.Values{"images": {h.vulnerable}, "policy": {"2"}}, 303)
	scan := accepted.Get("Location")
	var page string
	until(t, "the scan is done", func() bool {
		page, _ = do(http.MethodGet, scan, nil, 200, h.vulnerable)
		return strings.Contains(page, "/vulnerabilities/")
	})
	for _, text := range []string{"Not compliant", "CVE-2021-3711", "sha256:"} {
		if !strings.Contains(page, text) {
			t.Errorf("the scan lacks %q: %s", text, page)
		}
	}
	_, link, _ := strings.Cut(page, `<a href="/vulnerabilities/`)
	link, _, _ = strings.Cut(link, `"`)
	do(http.MethodGet, "/vulnerabilities/"+strings.ReplaceAll(link, "&amp;", "&"), nil, 200, "CVSS:3.1/", "https://osv.dev/vulnerability/DEBIAN-CVE-2021-3711")
	do(http.MethodGet, "/scans?trigger=UI&evaluation=no&severity=critical&status=Success&policy=2", nil, 200, scan, "Not compliant")
	do(http.MethodGet, "/scans?evaluation=yes", nil, 200, "No scan is like that.")
	do(http.MethodPost, "/scans", url.Values{"images": {"<script>alert(1)</script>"}, "policy": {"9"}}, 422, "&lt;script&gt;")
	do(http.MethodPost, "/tokens", url.Values{"name": {"<b>x"}, "access": {"Review"}}, 200, "&lt;b&gt;x", `id="secret"`)
	do(http.MethodGet, "/policies/2", nil, 200, "onPending")
	made, _ := do(http.MethodPost, "/users", url.Values{"name": {"reader"}, "role": {"Read-only"}}, 200, `id="secret"`)
	_, password, _ := strings.Cut(made, `id="secret" class="break">`)
	password, _, _ = strings.Cut(password, "<")
	do(http.MethodPost, "/logout", nil, 303)
	do(http.MethodGet, scan, nil, 303)
	do(http.MethodPost, "/login", url.Values{"name": {"reader"}, "password": {password}}, 303)
	do(http.MethodPost, "/password", url.Values{"old": {password}, "password": {"another of my own"}, "again": {"another of my own"}}, 303)
	do(http.MethodGet, scan, nil, 200)
	for _, path := range []string{"/scans", "/tokens", "/tokens/x/revoke", "/users", "/users/admin/delete"} {
		do(http.MethodPost, path, nil, 403)
	}
	if strings.Contains(s.log.String(), password) || strings.Contains(s.log.String(), "one-time-password") {
		t.Error("the log has a password")
	}
}
