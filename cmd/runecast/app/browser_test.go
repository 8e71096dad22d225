package app_test

import (
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"testing"
)

// ownPassword is what users of these tests choose at their first login.
const ownPassword = "a password of their own"

// browser is somebody at the pages.
type browser struct {
	s      *served
	client *http.Client
}

// open gives a browser without a session.
func (s *served) open() *browser {
	s.t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		s.t.Fatal(err)
	}
	c := *s.client
	c.Jar = jar
	return &browser{s, &c}
}

// oneTime is the first administrator's password, which the log tells.
func (s *served) oneTime() string {
	s.t.Helper()
	_, rest, found := strings.Cut(s.log.String(), `"oneTimePassword":"`)
	password, _, _ := strings.Cut(rest, `"`)
	if !found {
		s.t.Fatalf("the log tells no password: %s", s.log)
	}
	return password
}

// logIn gives a browser of a user who has logged in with a one-time password and has chosen ownPassword.
func (s *served) logIn(name, password string) *browser {
	s.t.Helper()
	b := s.open()
	b.post("/login", url.Values{"name": {name}, "password": {password}}, http.StatusSeeOther)
	b.post("/password", url.Values{"old": {password}, "password": {ownPassword}, "again": {ownPassword}}, http.StatusSeeOther)
	return b
}

// addReader makes the user reader, who may read, by the page, and gives their browser.
func (b *browser) addReader() *browser {
	b.s.t.Helper()
	page := b.post("/users", url.Values{"name": {"reader"}, "role": {"Read-only"}}, http.StatusOK)
	return b.s.logIn("reader", secretOf(b.s.t, page))
}

// secretOf is the secret that a page shows once.
func secretOf(tb testing.TB, page string) string {
	tb.Helper()
	_, rest, found := strings.Cut(page, `id="secret" class="break">`)
	secret, _, _ := strings.Cut(rest, "<")
	if !found || secret == "" {
		tb.Fatalf("the page shows no secret: %s", page)
	}
	return secret
}

func (b *browser) get(path string, code int, texts ...string) string {
	b.s.t.Helper()
	page, _ := b.do(http.MethodGet, path, nil, code, texts...)
	return page
}

func (b *browser) post(path string, form url.Values, code int) string {
	b.s.t.Helper()
	page, _ := b.do(http.MethodPost, path, form, code)
	return page
}

// do asks for a page as a browser does and checks the status and texts of it.
func (b *browser) do(method, path string, form url.Values, code int, texts ...string) (string, http.Header) {
	b.s.t.Helper()
	got, page, header := b.s.browse(b.client, method, path, form, "same-origin")
	if got != code {
		b.s.t.Fatalf("%s %s: %d, want %d; %v %s", method, path, got, code, header, page)
	}
	for _, text := range texts {
		if !strings.Contains(page, text) {
			b.s.t.Errorf("%s %s lacks %q: %s", method, path, text, page)
		}
	}
	return page, header
}
