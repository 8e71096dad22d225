package app_test

import (
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// visitor is a user at the pages.
type visitor struct {
	t      *testing.T
	s      *served
	client http.Client
}

func (s *served) visit(t *testing.T) *visitor {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	v := &visitor{t, s, *s.client}
	v.client.Jar = jar
	return v
}

// do sends a form, or nothing, and wants a status and texts.
func (v *visitor) do(method, path string, form url.Values, code int, texts ...string) (string, http.Header) {
	v.t.Helper()
	got, page, header := v.s.browse(&v.client, method, path, form, "same-origin")
	if got != code {
		v.t.Fatalf("%s %s: %d, want %d; %v %s", method, path, got, code, header, page)
	}
	for _, text := range texts {
		if !strings.Contains(page, text) {
			v.t.Errorf("%s %s lacks %q: %s", method, path, text, page)
		}
	}
	return page, header
}

func (v *visitor) login(name, password, own string) {
	v.t.Helper()
	v.do(http.MethodPost, "/login", url.Values{"name": {name}, "password": {password}}, 303)
	v.do(http.MethodPost, "/password", url.Values{"old": {password}, "password": {own}, "again": {own}}, 303)
}

// hidden gives the value of a hidden field of a page.
func hidden(page, name string) string {
	_, value, _ := strings.Cut(page, `name="`+name+`" value="`)
	value, _, _ = strings.Cut(value, `"`)
	return value
}

// TestPolicyPages writes a policy, looks at what it would do, saves, changes and deletes it, and exempts a finding.
func TestPolicyPages(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	file := write(t, filepath.Join(t.TempDir(), "password"), []byte("one-time-password\n"))
	s := h.serve("--admin-password-file", file)
	v := s.visit(t)
	v.login("admin", "one-time-password", "a password of my own")
	if code, answer := s.do(http.MethodPost, reviewPath, podReview(h.vulnerable)); code != http.StatusOK || !strings.Contains(answer, `"allowed":false`) {
		t.Fatalf("%d %s", code, answer)
	}
	s.known(1)
	v.do(http.MethodGet, "/policies", nil, 200, "New policy", "built-in", "read-only")
	v.do(http.MethodGet, "/policies/2", nil, 200, "Copy to a new policy", "Add exemption", "<h2>Rules</h2>")
	v.do(http.MethodGet, "/new-policy?from=2", nil, 200, "No critical or high severity vulnerabilities with available fix")
	v.do(http.MethodGet, "/policies/2/edit", nil, 409, "copy it to a new policy")
	v.do(http.MethodGet, "/policies/2/delete", nil, 409)

	const lax = "id: shop\r\nname: <b>Shop\r\nrules:\r\n  - ids: [CVE-2000-1]\r\n"
	strict := strings.Replace(lax, "ids: [CVE-2000-1]", "severity: critical", 1)
	v.do(http.MethodPost, "/new-policy", url.Values{"do": {"preview"}, "text": {strings.Replace(lax, "ids:", "idz:", 1)}}, 422, "<strong>Line 4</strong>", "unknown key", "<textarea")
	v.do(http.MethodPost, "/new-policy", url.Values{"do": {"preview"}, "text": {strings.Replace(lax, "shop", `"2"`, 1)}}, 422, "is the id of a policy already")
	v.do(http.MethodPost, "/new-policy", url.Values{"do": {"save"}, "text": {lax}}, 200, "another than that of the preview", "What it would do") // nothing is saved that was not looked at
	v.do(http.MethodGet, "/policies/shop", nil, 404)
	page, _ := v.do(http.MethodPost, "/new-policy", url.Values{"do": {"preview"}, "text": {lax}}, 200, "<strong>0</strong> newly denied", "under any policy", "&lt;b&gt;Shop")
	_, saved := v.do(http.MethodPost, "/new-policy", url.Values{"do": {"save"}, "text": {lax}, "seen": {hidden(page, "seen")}}, 303)
	if saved.Get("Location") != "/policies/shop" {
		t.Errorf("%v", saved)
	}
	v.do(http.MethodGet, "/policies/shop", nil, 200, "stored, version 1", "user admin", "&lt;b&gt;Shop", `href="/policies/shop/edit"`)
	if _, answer := s.do(http.MethodPost, policyReview("shop"), podReview(h.vulnerable)); !strings.Contains(answer, `"allowed":true`) {
		t.Error(answer)
	}
	until(t, "the decision is stored", func() bool {
		_, answer, _ := s.body(http.MethodGet, "/api/v1/decisions?policyId=shop", "", "")
		return strings.Contains(answer, `"allowed":true`)
	})

	edit, _ := v.do(http.MethodGet, "/policies/shop/edit", nil, 200, "CVE-2000-1")
	form := url.Values{"do": {"preview"}, "text": {strict}, "version": {hidden(edit, "version")}}
	page, _ = v.do(http.MethodPost, "/policies/shop/edit", form, 200, "<strong>1</strong> newly denied", "libssl1.1", "CVE-2021-3711", "shop: Pod web")
	form.Set("do", "save")
	form.Set("seen", hidden(page, "seen"))
	v.do(http.MethodPost, "/policies/shop/edit", form, 303)
	v.do(http.MethodPost, "/policies/shop/edit", form, 409, "was changed meanwhile", "severity: critical") // of the version before; the text is not lost
	if _, answer := s.do(http.MethodPost, policyReview("shop"), podReview(h.vulnerable)); !strings.Contains(answer, "Rejected by policy shop") {
		t.Error(answer)
	}
	v.do(http.MethodGet, "/policies/shop", nil, 200, "stored, version 2", "Show version 1", "severity critical")

	exemption := "/exemptions/new?" + url.Values{"policy": {"2"}, "id": {"CVE-2021-3711"}, "package": {"libssl1.1"}, "image": {h.vulnerable}}.Encode()
	v.do(http.MethodGet, exemption, nil, 200, `value="CVE-2021-3711"`, `value="libssl1.1"`, `<option value="2" selected>`, `value="`+h.vulnerable+`"`)
	form = url.Values{"do": {"preview"}, "policy": {"2"}, "ids": {"CVE-2021-3711"}, "package": {"openssl"}, "image": {h.vulnerable}, "owner": {"shop"}}
	v.do(http.MethodPost, "/exemptions", form, 422, "reason", "say why the violation is accepted")
	form.Set("reason", "not <reachable>")
	form.Set("expires", time.Now().UTC().Add(48*time.Hour).Format(time.DateOnly))
	page, _ = v.do(http.MethodPost, "/exemptions", form, 200, "<strong>1</strong> newly allowed")
	form.Set("do", "save")
	v.do(http.MethodPost, "/exemptions", form, 200, "another than that of the preview")
	form.Set("seen", hidden(page, "seen"))
	v.do(http.MethodPost, "/exemptions", form, 303)
	if _, answer := s.do(http.MethodPost, reviewPath, podReview(h.vulnerable)); !strings.Contains(answer, `"allowed":true`) {
		t.Error(answer)
	}
	page, _ = v.do(http.MethodGet, "/exemptions?policy=2&status=active", nil, 200, "not &lt;reachable&gt;", "active", "user admin")
	v.do(http.MethodGet, "/policies/2", nil, 200, "not &lt;reachable&gt;")
	v.do(http.MethodGet, "/exemptions?status=removed", nil, 200, "No exemption is like that")
	_, remove, _ := strings.Cut(page, `action="/exemptions/`)
	remove, _, _ = strings.Cut(remove, `"`)

	v.do(http.MethodGet, "/policies/shop/delete", nil, 200, "a webhook called policy shop at", "What it would do")
	made, _ := v.do(http.MethodPost, "/users", url.Values{"name": {"reader"}, "role": {"Read-only"}}, 200)
	_, password, _ := strings.Cut(made, `id="secret" class="break">`)
	password, _, _ = strings.Cut(password, "<")
	reader := s.visit(t)
	reader.login("reader", password, "another of my own")
	for _, path := range []string{"/policies", "/policies/shop", "/exemptions"} {
		page, _ = reader.do(http.MethodGet, path, nil, 200)
		_, main, _ := strings.Cut(page, "<main")
		for _, offer := range []string{"/edit", "/delete", "New ", "Copy to", "Add exemption", "Remove<", "<form method=\"post\""} {
			if strings.Contains(main, offer) {
				t.Errorf("%s offers %q to one who only reads", path, offer)
			}
		}
	}
	for _, path := range []string{"/new-policy", "/policies/shop/edit", "/policies/shop/delete", "/exemptions", "/exemptions/" + remove} {
		reader.do(http.MethodPost, path, form, 403)
	}
	for _, path := range []string{"/new-policy", "/policies/shop/edit", "/policies/shop/delete", "/exemptions/new"} {
		reader.do(http.MethodGet, path, nil, 403)
	}

	v.do(http.MethodPost, "/exemptions/"+remove, nil, 303)
	if _, answer := s.do(http.MethodPost, reviewPath, podReview(h.vulnerable)); !strings.Contains(answer, `"allowed":false`) {
		t.Error(answer)
	}
	v.do(http.MethodPost, "/policies/shop/delete", url.Values{"version": {"1"}}, 409, "was changed meanwhile")
	v.do(http.MethodPost, "/policies/shop/delete", url.Values{"version": {"2"}}, 303)
	v.do(http.MethodGet, "/policies/shop", nil, 404)
	v.do(http.MethodGet, "/audit?subject=shop", nil, 200, "policy created", "policy replaced", "policy deleted")
}

func TestPolicyValidate(t *testing.T) {
	t.Parallel()
	h := &home{t: t, dir: t.TempDir()}
	file := write(t, filepath.Join(h.dir, "shop.yaml"), []byte(shopYAML))
	code, out, errOut := h.run("policy", "validate", file)
	want(t, code, out+errOut, 0, "shop", "Shop", "enforce")
	code, out, errOut = h.runWith("id: 2\nname: x\nrules: [{severty: high}]\n", "policy", "validate", "-")
	want(t, code, out+errOut, 2, "standard input:1:", "is the id of a built-in policy", "standard input:3:", "did you mean severity?")
	code, out, errOut = h.run("policy", "validate", "none.yaml")
	want(t, code, out+errOut, 2, "none.yaml")
}
