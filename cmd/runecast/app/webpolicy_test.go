package app_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/runecast/runecast/pkg/store/storetest"
)

// policyReview is the path of reviews by a policy.
func policyReview(id string) string {
	return "/rc2/api/v2/k8s-admission-policy-review/policy/" + url.PathEscape(id) + "?timeout=10s"
}

// body sends a body of a type with headers and gives the status, the answer and its headers.
func (s *served) body(method, path, kind, body string, headers ...string) (int, string, http.Header) {
	s.t.Helper()
	request, err := http.NewRequestWithContext(s.t.Context(), method, s.address+path, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	request.Header.Set("Content-Type", kind)
	request.Header.Set("Authorization", s.token)
	for i := 0; i+1 < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	response, err := s.client.Do(request)
	if err != nil {
		s.t.Fatal(err)
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return response.StatusCode, string(answer), response.Header
}

// known waits until so many images can be judged by a preview: reviews wait neither for the storing of decisions nor of inventories.
func (s *served) known(images int) {
	s.t.Helper()
	until(s.t, "the images are known", func() bool {
		_, answer, _ := s.body(http.MethodPost, "/api/v1/policies/preview", yamlType, "{id: probe, name: Probe, rules: [{severity: critical}]}")
		return strings.Contains(answer, fmt.Sprintf(`"images":%d,`, images)) && strings.Contains(answer, `"notJudged":0`)
	})
}

const (
	yamlType = "application/yaml"
	jsonType = "application/json"
	shopYAML = "# ours\nid: shop\nname: Shop\nrules:\n  - severity: critical\n"
)

// TestPolicyOverREST leads a policy through its life, by which reviews are judged at once.
func TestPolicyOverREST(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	s := h.serve()
	review := func(id, image, text string) {
		t.Helper()
		if _, answer := s.do(http.MethodPost, policyReview(id), podReview(image)); !strings.Contains(answer, text) {
			t.Errorf("review by %s lacks %q: %s", id, text, answer)
		}
	}
	ok := func(want int, texts ...string) func(int, string, http.Header) http.Header {
		return func(code int, answer string, header http.Header) http.Header {
			t.Helper()
			if code != want {
				t.Fatalf("%d, want %d: %s", code, want, answer)
			}
			for _, text := range texts {
				if !strings.Contains(answer, text) {
					t.Errorf("the answer lacks %q: %s", text, answer)
				}
			}
			return header
		}
	}
	review("shop", h.vulnerable, "there is no policy with the id")
	ok(200, `"valid":true`)(s.body(http.MethodPost, "/api/v1/policies/validate", yamlType, shopYAML))
	ok(200, `"newlyDenied":0`, `"allPolicies":true`)(s.body(http.MethodPost, "/api/v1/policies/preview", yamlType, shopYAML))
	header := ok(201, `"version":1`, `"readOnly":false`, `"updatedBy":"token test"`)(s.body(http.MethodPost, "/api/v1/policies", yamlType, shopYAML))
	if header.Get("Location") != "/api/v1/policies/shop" || header.Get("ETag") != `"1"` {
		t.Errorf("%v", header)
	}
	review("shop", h.vulnerable, "(Rejected by policy shop: 'Shop')")
	review("shop", h.fixed, `"allowed":true`)
	until(t, "the decisions are stored", func() bool {
		_, answer, _ := s.body(http.MethodGet, "/api/v1/decisions?policyId=shop", "", "")
		return strings.Count(answer, `"reviewUid"`) == 2
	})
	s.known(2)
	ok(200, `"stillDenied":0`, `"newlyAllowed":1`, `CVE-2021-3711`, `"allPolicies":false`)(s.body(http.MethodPost, "/api/v1/policies/preview", yamlType, strings.Replace(shopYAML, "severity: critical", "ids: [CVE-1]", 1)))

	// What was sent is given back to the letter; one text follows another by version alone.
	if code, answer, head := s.body(http.MethodGet, "/api/v1/policies/shop/yaml", "", ""); code != 200 || answer != shopYAML || head.Get("Content-Type") != yamlType {
		t.Errorf("%d %q %v", code, answer, head)
	}
	lax := `{"id": "shop", "name": "Shop 🦭 \ud83e\uddad \/", "rules": [{"ids": ["CVE-2000-1"]}]}`
	ok(428, "If-Match")(s.body(http.MethodPut, "/api/v1/policies/shop", jsonType, lax))
	ok(412, "version 1 now, by token test")(s.body(http.MethodPut, "/api/v1/policies/shop", jsonType, lax, "If-Match", `"7"`))
	ok(412)(s.body(http.MethodPut, "/api/v1/policies/shop", jsonType, lax, "If-Match", `W/"1"`))
	ok(409, "version 1 now")(s.body(http.MethodPut, "/api/v1/policies/shop?version=7", jsonType, lax))
	ok(200, `"version":2`, "Shop 🦭 🦭 /")(s.body(http.MethodPut, "/api/v1/policies/shop", jsonType, lax, "If-Match", `"1"`))
	review("shop", h.vulnerable, `"allowed":true`)
	ok(409, "by token test")(s.body(http.MethodPut, "/api/v1/policies/shop?version=1", yamlType, shopYAML))

	ok(200, `"action":"replaced"`, `"action":"created"`, `"by":"token test"`, "# ours")(s.body(http.MethodGet, "/api/v1/policies/shop/history", "", ""))
	var decisions struct {
		Decisions []struct {
			ID       string `json:"id"`
			Revision string `json:"policyRevision"`
			Verdict  string `json:"verdict"`
		} `json:"decisions"`
	}
	until(t, "the decision of the second text is stored", func() bool {
		s.get("/api/v1/decisions?policyId=shop&allowed=yes", &decisions)
		return len(decisions.Decisions) == 2
	})
	s.get("/api/v1/decisions?verdict=deny", &decisions)
	if len(decisions.Decisions) != 1 || decisions.Decisions[0].Revision == "" {
		t.Fatalf("%+v", decisions)
	}
	// The text that judged is found by the revision that the decision names, though the policy has another text now.
	ok(200, `"severity":"critical"`, `"policyId":"shop"`)(s.body(http.MethodGet, "/api/v1/policies/shop/revisions/"+decisions.Decisions[0].Revision, "", ""))
	ok(404)(s.body(http.MethodGet, "/api/v1/policies/2/revisions/"+decisions.Decisions[0].Revision, "", ""))
	ok(200, `"policyRevision"`)(s.body(http.MethodGet, "/api/v1/decisions/"+decisions.Decisions[0].ID, "", ""))

	ok(200, `a webhook called policy shop at `)(s.body(http.MethodPost, "/api/v1/policies/shop/preview-deletion", "", ""))
	ok(412)(s.body(http.MethodDelete, "/api/v1/policies/shop", "", "", "If-Match", `"1"`))
	ok(200, `a webhook called policy shop at `)(s.body(http.MethodDelete, "/api/v1/policies/shop", "", "", "If-Match", `"2"`))
	review("shop", h.vulnerable, "there is no policy with the id")
	ok(200, `"action":"deleted"`)(s.body(http.MethodGet, "/api/v1/policies/shop/history", "", ""))
	var audit struct {
		Entries []struct {
			Action string `json:"action"`
		} `json:"entries"`
	}
	s.get("/api/v1/audit?subject=shop", &audit)
	if len(audit.Entries) != 3 || audit.Entries[0].Action != "policy deleted" || audit.Entries[2].Action != "policy created" {
		t.Errorf("%+v", audit)
	}
}

// TestExemptionOverREST helps a denied team tonight, though its policy comes with the program.
func TestExemptionOverREST(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	s := h.serve()
	allowed := func(want bool) {
		t.Helper()
		if _, answer := s.do(http.MethodPost, reviewPath, podReview(h.vulnerable)); !strings.Contains(answer, fmt.Sprintf(`"allowed":%v`, want)) {
			t.Errorf("want allowed %v: %s", want, answer)
		}
	}
	allowed(false)
	s.known(1)
	body := `{"policyId": "2", "ids": ["CVE-2021-3711"], "package": "openssl", "reason": "not reachable", "owner": "shop", "expires": "` + time.Now().UTC().Add(24*time.Hour).Format(time.RFC3339) + `"}`
	if code, answer, _ := s.body(http.MethodPost, "/api/v1/exemptions/preview", jsonType, body); code != 200 || !strings.Contains(answer, `"newlyAllowed":1`) {
		t.Errorf("%d %s", code, answer)
	}
	code, answer, header := s.body(http.MethodPost, "/api/v1/exemptions", jsonType, body)
	var e struct {
		ID        string `json:"id"`
		Status    string `json:"status"`
		CreatedBy string `json:"createdBy"`
	}
	if err := json.Unmarshal([]byte(answer), &e); err != nil || code != 201 || e.Status != "active" || e.CreatedBy != "token test" || header.Get("Location") != "/api/v1/exemptions/"+e.ID {
		t.Fatalf("%d %s %v", code, answer, err)
	}
	allowed(true)
	if _, answer, _ = s.body(http.MethodGet, "/api/v1/policies/2", "", ""); !strings.Contains(answer, `"addedExemptions":["`+e.ID+`"]`) || !strings.Contains(answer, `"readOnly":true`) {
		t.Error(answer)
	}
	for query, want := range map[string]int{"": 1, "?status=active": 1, "?status=expired": 0, "?policyId=2": 1, "?policyId=3": 0, "?status=removed": 0} {
		if _, answer, _ = s.body(http.MethodGet, "/api/v1/exemptions"+query, "", ""); strings.Count(answer, `"id"`) != want {
			t.Errorf("%s: %s", query, answer)
		}
	}
	if code, answer, _ = s.body(http.MethodDelete, "/api/v1/exemptions/"+e.ID, "", ""); code != 204 {
		t.Errorf("%d %s", code, answer)
	}
	allowed(false)
	if _, answer, _ = s.body(http.MethodGet, "/api/v1/exemptions?status=removed", "", ""); !strings.Contains(answer, `"removedBy":"token test"`) {
		t.Error(answer)
	}
	if _, answer, _ = s.body(http.MethodGet, "/api/v1/exemptions/"+e.ID, "", ""); !strings.Contains(answer, `"status":"removed"`) {
		t.Error(answer)
	}
	if code, _, _ = s.body(http.MethodDelete, "/api/v1/exemptions/"+e.ID, "", ""); code != 404 {
		t.Errorf("%d", code)
	}
}

// TestPolicyRefusals wants a problem document that names each mistake with its place.
func TestPolicyRefusals(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	s := h.serve()
	for _, c := range []struct {
		method, path, kind, body string
		code                     int
		texts                    []string
	}{
		{http.MethodPost, "/api/v1/policies/validate", yamlType, "id: a\nname: b\nmode: enforced\nrules:\n  - severty: high\n  - cvss: 11\n", 422, []string{
			`"location":"body.mode"`, `line 3, column 7: \"enforced\" is none of enforce, warn, audit`, `"location":"body.rules[0].severty"`, `"line":5`, `"location":"body.rules[1].cvss"`,
		}},
		{http.MethodPost, "/api/v1/policies", yamlType, "id: [", 422, []string{"is no valid YAML"}},
		{http.MethodPost, "/api/v1/policies", jsonType, "{", 422, []string{"is no valid YAML"}},
		{http.MethodPost, "/api/v1/policies", yamlType, "", 400, []string{"body"}},
		{http.MethodPost, "/api/v1/policies", yamlType, "&a [*a]", 422, []string{"must be a mapping"}},
		{http.MethodPost, "/api/v1/policies", yamlType, strings.Replace(shopYAML, "shop", "2", 1), 409, []string{"is the id of a built-in policy"}},
		{http.MethodPost, "/api/v1/policies", yamlType, strings.Replace(shopYAML, "shop", `"../2"`, 1), 422, []string{"is no policy id"}},
		{http.MethodPost, "/api/v1/policies", yamlType, strings.Repeat("# long\n", 1<<20/7+1) + shopYAML, 413, nil},
		{http.MethodPut, "/api/v1/policies/2?version=1", yamlType, shopYAML, 409, []string{"comes with the program and cannot be changed here"}},
		{http.MethodPut, "/api/v1/policies/none?version=1", yamlType, shopYAML, 404, []string{"there is no policy"}},
		{http.MethodDelete, "/api/v1/policies/2", "", "", 409, []string{"cannot be changed here"}},
		{http.MethodDelete, "/api/v1/policies/a%20%22b", "", "", 404, nil},
		{http.MethodGet, "/api/v1/policies/%3Cscript%3E/history", "", "", 404, []string{"there is and was no policy"}},
		{http.MethodPost, "/api/v1/policies/none/preview-deletion", "", "", 404, nil},
		{http.MethodPost, "/api/v1/policies/preview?days=0", yamlType, shopYAML, 422, []string{"query.days"}},
		{http.MethodPost, "/api/v1/exemptions", jsonType, `{"reason": "r", "owner": "o"}`, 422, []string{"covers too much"}},
		{http.MethodPost, "/api/v1/exemptions", jsonType, `{"reason": "r", "owner": "o", "image": "[", "expires": "tomorrow"}`, 422, []string{"body.image", "body.expires"}},
		{http.MethodPost, "/api/v1/exemptions", jsonType, `{"reason": "r", "owner": "o", "package": "a", "expires": "2001-01-01"}`, 422, []string{"is in the past"}},
		{http.MethodPost, "/api/v1/exemptions", jsonType, `{"reason": "r", "owner": "o", "package": "a", "policyId": "none"}`, 404, []string{"there is no policy"}},
		{http.MethodPost, "/api/v1/exemptions", jsonType, `{"reason": "r", "owner": "o", "package": "a", "onlyOn": "friday"}`, 422, []string{"onlyOn"}},
		{http.MethodGet, "/api/v1/exemptions/none", "", "", 404, nil},
		{http.MethodGet, "/api/v1/decisions?cursor=x", "", "", 422, []string{"query.cursor"}},
		{http.MethodGet, "/api/v1/decisions/none", "", "", 404, nil},
	} {
		code, answer, header := s.body(c.method, c.path, c.kind, c.body)
		if code != c.code || header.Get("Content-Type") != "application/problem+json" {
			t.Errorf("%s %s: %d %s %.300s, want %d", c.method, c.path, code, header.Get("Content-Type"), answer, c.code)
		}
		for _, text := range c.texts {
			if !strings.Contains(answer, text) {
				t.Errorf("%s %s lacks %q: %s", c.method, c.path, text, answer)
			}
		}
	}
	_, review, _ := h.run("token", "create", "--name", "reviews", "--access-type", "Review", "--quiet")
	s.token = strings.TrimSpace(review)
	until(t, "the token is known", func() bool { code, _, _ := s.body(http.MethodGet, "/api/v1/policies", "", ""); return code == 403 })
	for _, c := range [][2]string{
		{http.MethodPost, "/api/v1/policies"},
		{http.MethodPut, "/api/v1/policies/shop"},
		{http.MethodDelete, "/api/v1/policies/shop"},
		{http.MethodPost, "/api/v1/policies/validate"},
		{http.MethodPost, "/api/v1/policies/preview"},
		{http.MethodPost, "/api/v1/policies/2/preview-deletion"},
		{http.MethodGet, "/api/v1/policies/2/history"},
		{http.MethodGet, "/api/v1/policies/2/yaml"},
		{http.MethodGet, "/api/v1/policies/2/revisions/1"},
		{http.MethodGet, "/api/v1/exemptions"},
		{http.MethodGet, "/api/v1/exemptions/1"},
		{http.MethodPost, "/api/v1/exemptions"},
		{http.MethodDelete, "/api/v1/exemptions/1"},
		{http.MethodPost, "/api/v1/exemptions/preview"},
		{http.MethodGet, "/api/v1/decisions"},
		{http.MethodGet, "/api/v1/decisions/1"},
	} {
		if code, answer, _ := s.body(c[0], c[1], yamlType, shopYAML); code != 403 {
			t.Errorf("%s %s with a Review token: %d %s", c[0], c[1], code, answer)
		}
	}
}

// TestTwoReplicas changes policies in one server on a PostgreSQL and asks another.
func TestTwoReplicas(t *testing.T) {
	t.Parallel()
	postgres.Require(t)
	dsn := postgres.NewDatabase(t)
	h := newHome(t)
	one := h.serve("--database", dsn)
	_, token, errOut := h.run("token", "create", "--name", "both", "--quiet", "--database", dsn)
	if token = strings.TrimSpace(token); token == "" {
		t.Fatal(errOut)
	}
	two := h.serve("--database", dsn)
	for _, s := range []*served{one, two} {
		s.token = token
		until(t, "the token is known", func() bool { code, _, _ := s.body(http.MethodGet, "/api/v1/policies", "", ""); return code == 200 })
	}
	begin := time.Now()
	if code, answer, _ := one.body(http.MethodPost, "/api/v1/policies", yamlType, shopYAML); code != 201 {
		t.Fatal(answer)
	}
	until(t, "the other judges by the policy", func() bool {
		_, answer := two.do(http.MethodPost, policyReview("shop"), podReview(h.vulnerable))
		return strings.Contains(answer, "(Rejected by policy shop: 'Shop')")
	})
	t.Logf("the other server judged by it after %s", time.Since(begin))
	if code, answer, _ := two.body(http.MethodPost, "/api/v1/exemptions", jsonType, `{"reason": "r", "owner": "o", "package": "openssl"}`); code != 201 {
		t.Fatal(answer)
	}
	until(t, "the first has the exemption", func() bool {
		_, answer := one.do(http.MethodPost, policyReview("shop"), podReview(h.vulnerable))
		return strings.Contains(answer, `"allowed":true`)
	})
}

// TestPolicyOfAnotherVersion breaks a stored policy below a running server, then its database.
func TestPolicyOfAnotherVersion(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	s := h.serve()
	if code, answer, _ := s.body(http.MethodPost, "/api/v1/policies", yamlType, shopYAML); code != 201 {
		t.Fatal(answer)
	}
	db := storetest.SQLite().Raw(t, h.dir+"/runecast.db")
	exec := func(statement string) {
		t.Helper()
		if _, err := db.ExecContext(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	exec(`UPDATE policies SET document = '{id: shop, name: Shop, rules: [{ofTheFuture: 1}]}'`)
	exec(`UPDATE policy_counter SET changes = changes + 1`)
	until(t, "the policy denies all and says why", func() bool {
		code, answer := s.do(http.MethodPost, policyReview("shop"), podReview(h.fixed))
		return code == 200 && strings.Contains(answer, `"allowed":false`) && strings.Contains(answer, "policy shop cannot be used: rules[0].ofTheFuture: unknown key")
	})
	if _, answer := s.do(http.MethodPost, reviewPath, podReview(h.fixed)); !strings.Contains(answer, `"allowed":true`) {
		t.Errorf("the others do not go on: %s", answer)
	}
	if _, answer := s.do(http.MethodGet, "/readyz", ""); !strings.Contains(answer, "the stored policy shop cannot be used") || !strings.Contains(answer, "degraded") {
		t.Error(answer)
	}
	exec(`ALTER TABLE policy_counter RENAME TO policy_counter_away`)
	until(t, "the fault is told", func() bool {
		_, metrics := s.do(http.MethodGet, "/metrics", "")
		_, ready := s.do(http.MethodGet, "/readyz", "")
		return strings.Contains(metrics, "runecast_policies_current 0") && strings.Contains(metrics, "runecast_policy_problems 1") && strings.Contains(ready, "the last known policies hold")
	})
	if _, answer := s.do(http.MethodPost, policyReview("shop"), podReview(h.fixed)); !strings.Contains(answer, "policy shop cannot be used") {
		t.Error(answer)
	}
	if !strings.Contains(s.log.String(), "the last known ones hold") {
		t.Error("the log does not tell")
	}
	exec(`ALTER TABLE policy_counter_away RENAME TO policy_counter`)
	until(t, "it is well again", func() bool {
		_, metrics := s.do(http.MethodGet, "/metrics", "")
		return strings.Contains(metrics, "runecast_policies_current 1")
	})
}
