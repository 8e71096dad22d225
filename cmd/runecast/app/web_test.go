package app_test

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
)

// ask sends a request with an Authorization header as it stands and gives the status, the answer's type and the answer.
func (s *served) ask(method, path, body, authorization string) (int, string, string) {
	s.t.Helper()
	request, err := http.NewRequestWithContext(s.t.Context(), method, s.address+path, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	if body != "" {
		request.Header.Set("Content-Type", "application/json")
	}
	if authorization != "" {
		request.Header.Set("Authorization", authorization)
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
	return response.StatusCode, response.Header.Get("Content-Type"), string(answer)
}

// get reads JSON.
func (s *served) get(path string, into any) {
	s.t.Helper()
	code, _, answer := s.ask(http.MethodGet, path, "", s.token)
	if code != http.StatusOK {
		s.t.Fatalf("GET %s: %d %s", path, code, answer)
	}
	if err := json.Unmarshal([]byte(answer), into); err != nil {
		s.t.Fatalf("GET %s: %v in %s", path, err, answer)
	}
}

type scanResult struct {
	ID       string `json:"id"`
	Complies *bool  `json:"scanResultCompliesWithPolicy"`
	Status   string `json:"status"`
	PolicyID string `json:"policyId"`
	Results  []struct {
		ImageName       string `json:"imageName"`
		Digest          string `json:"digest"`
		Status          string `json:"status"`
		Complies        bool   `json:"compliesWithPolicy"`
		Cause           string `json:"cause"`
		Vulnerabilities *struct {
			Critical int `json:"critical"`
		} `json:"vulnerabilities"`
		Violations []struct {
			ID       string `json:"id"`
			Package  string `json:"package"`
			Fixed    string `json:"fixedVersion"`
			Severity string `json:"severity"`
		} `json:"violations"`
	} `json:"results"`
}

// TestScanRequest is the call that pipelines make, in every form that clients in the field send.
func TestScanRequest(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	s := h.serve()
	send := func(path, body, authorization string) scanResult {
		t.Helper()
		code, kind, answer := s.ask(http.MethodPost, path, body, authorization)
		var out scanResult
		if err := json.Unmarshal([]byte(answer), &out); code != http.StatusOK || kind != "application/json" || err != nil || out.Complies == nil {
			t.Fatalf("%s %s: %d %s %s %v", path, body, code, kind, answer, err)
		}
		return out
	}
	const path, alias = "/rc2/api/v2/images-scan-requests", "/rca/api/v2/images-scan-requests"
	vulnerable, fixed := `"`+h.vulnerable+`"`, `"`+h.fixed+`"`
	for _, c := range []struct {
		path, body, authorization string
		complies                  bool
	}{
		{path, `{"imageNames": [` + vulnerable + `], "policyId": "2"}`, s.token, false},
		{path, `{"imageNames": [` + vulnerable + `], "policyId": 2}`, "Bearer " + s.token, false},
		{alias, `{"imageNames": [` + fixed + `], "policyId": "2", "somethingElse": true}`, s.token, true},
		{"/api/v1/scan-requests", `{"imageNames": [` + fixed + `]}`, s.token, true},
		{path, `{"imageNames": [` + fixed + `, ` + vulnerable + `], "policyId": "2"}`, s.token, false},
	} {
		if out := send(c.path, c.body, c.authorization); *out.Complies != c.complies || out.Status != "Success" || out.PolicyID != "2" {
			t.Errorf("%+v: %+v", c, out)
		}
	}
	out := send(path, `{"imageNames": [`+fixed+`, `+vulnerable+`]}`, s.token)
	if len(out.Results) != 2 || !out.Results[0].Complies || out.Results[1].Complies || out.Results[1].Vulnerabilities == nil || out.Results[1].Vulnerabilities.Critical == 0 ||
		len(out.Results[1].Violations) == 0 || out.Results[1].Violations[0].Fixed == "" || out.Results[1].Violations[0].Severity != "critical" || out.Results[1].ImageName != h.vulnerable {
		t.Errorf("%+v", out)
	}
	// What cannot be scanned is a usable answer, and does not comply.
	out = send(path, `{"imageNames": ["127.0.0.1:1/nowhere:1", "!!"]}`, s.token)
	if *out.Complies || out.Status != "Failed" || out.Results[0].Cause == "" || out.Results[1].Cause == "" || out.Results[0].Status != "Failed" {
		t.Errorf("%+v", out)
	}
}

// TestScanRequestRefusals wants a problem document that names the mistake.
func TestScanRequestRefusals(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	s := h.serve()
	_, review, _ := h.run("token", "create", "--name", "reviews", "--access-type", "Review", "--quiet")
	review = strings.TrimSpace(review)
	until(t, "the token is known", func() bool {
		code, _, _ := s.ask(http.MethodGet, "/api/v1/scans", "", review)
		return code == http.StatusForbidden
	})
	image := `{"imageNames": ["` + h.fixed + `"]`
	for _, c := range []struct {
		method, path, body, authorization string
		code                              int
		text                              string
	}{
		{http.MethodPost, "/rc2/api/v2/images-scan-requests", image + "}", "", 401, "show an API token"},
		{http.MethodPost, "/rc2/api/v2/images-scan-requests", image + "}", "Bearer nonsense", 401, "show an API token"},
		{http.MethodPost, "/rc2/api/v2/images-scan-requests", image + "}", review, 403, "may not request image scans"},
		{http.MethodGet, "/api/v1/nothing", "", s.token, 404, "there is no such endpoint"},
		{http.MethodGet, "/api/v1/scans/1", "", review, 403, "may not read decisions"},
		{http.MethodGet, "/api/v1/scans/1/images/0/findings", "", review, 403, "may not read decisions"},
		{http.MethodGet, "/api/v1/scans/1/images/0/inventory", "", review, 403, "may not read decisions"},
		{http.MethodGet, "/api/v1/policies", "", review, 403, "may not read decisions"},
		{http.MethodGet, "/api/v1/policies/2", "", review, 403, "may not read decisions"},
		{http.MethodGet, "/api/v1/feed", "", review, 403, "may not read decisions"},
		{http.MethodGet, "/api/v1/vulnerabilities", "", review, 403, "may not read decisions"},
		{http.MethodGet, "/api/v1/vulnerabilities/CVE-2021-3711", "", review, 403, "may not read decisions"},
		{http.MethodGet, "/api/v1/overview", "", review, 403, "may not read decisions"},
		{http.MethodGet, "/api/v1/images-at-risk", "", review, 403, "may not read decisions"},
		{http.MethodGet, "/api/v1/tokens", "", review, 403, "may not manage tokens"},
		{http.MethodPost, "/api/v1/tokens", `{"name": "x", "accessType": "Global Admin"}`, review, 403, "may not manage tokens"},
		{http.MethodDelete, "/api/v1/tokens/1", "", review, 403, "may not manage tokens"},
		{http.MethodPost, "/rc2/api/v2/images-scan-requests", image + `, "policyId": "nowhere"}`, s.token, 404, `there is no policy`},
		{http.MethodPost, "/rc2/api/v2/images-scan-requests", `{"imageNames": []}`, s.token, 422, "body.imageNames"},
		{http.MethodPost, "/rc2/api/v2/images-scan-requests", `{"policyId": "2"}`, s.token, 422, "imageNames"},
		{http.MethodPost, "/rc2/api/v2/images-scan-requests", `{"imageNames": ["` + strings.Repeat("x", 600) + `"]}`, s.token, 422, "1 to 512 characters"},
		{http.MethodPost, "/rc2/api/v2/images-scan-requests", `{"imageNames": ["` + strings.Repeat("x", 2<<20) + `"]}`, s.token, 413, "too large"},
		{http.MethodPost, "/rc2/api/v2/images-scan-requests?timeout=9999", image + "}", s.token, 422, "query.timeout"},
		{http.MethodPost, "/rc2/api/v2/images-scan-requests", `nonsense`, s.token, 400, ""},
		{http.MethodGet, "/api/v1/scans?limit=0", "", s.token, 422, "query.limit"},
		{http.MethodGet, "/api/v1/scans?cursor=x", "", s.token, 422, "query.cursor"},
		{http.MethodGet, "/api/v1/scans?verdict=maybe", "", s.token, 422, "query.verdict"},
		{http.MethodGet, "/api/v1/scans?sort=name", "", s.token, 422, "query.sort"},
		{http.MethodGet, "/api/v1/vulnerabilities?cursor=x", "", s.token, 422, "query.cursor"},
		{http.MethodGet, "/api/v1/vulnerabilities?severity=worse", "", s.token, 422, "query.severity"},
		{http.MethodGet, "/api/v1/vulnerabilities/CVE-1999-0001", "", s.token, 404, "no image that is kept"},
		{http.MethodGet, "/api/v1/overview?hours=5", "", s.token, 422, "query.hours"},
		{http.MethodGet, "/api/v1/images-at-risk?cursor=x", "", s.token, 422, "query.cursor"},
		{http.MethodGet, "/api/v1/scans/nowhere", "", s.token, 404, "there is no scan of that id"},
		{http.MethodGet, "/api/v1/policies/nowhere", "", s.token, 404, "there is no policy"},
		{http.MethodDelete, "/api/v1/tokens/nowhere", "", s.token, 404, "there is no live token"},
		{http.MethodPost, "/api/v1/tokens", `{"name": "x", "accessType": "Everything"}`, s.token, 422, "body.accessType"},
		{http.MethodPost, "/api/v1/tokens", `{"name": "x", "accessType": "Review", "expiresAt": "2001-01-01T00:00:00Z"}`, s.token, 422, "is in the past"},
	} {
		code, kind, answer := s.ask(c.method, c.path, c.body, c.authorization)
		if code != c.code || kind != "application/problem+json" || !strings.Contains(answer, c.text) {
			t.Errorf("%s %s: %d %s %.300s, want %d %q", c.method, c.path, code, kind, answer, c.code, c.text)
		}
	}
}

// TestScansOverREST posts a review and reads what became of it.
func TestScansOverREST(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	s := h.serve()
	if code, answer := s.do(http.MethodPost, reviewPath, podReview(h.vulnerable)); code != http.StatusOK {
		t.Fatalf("%d %s", code, answer)
	}
	if code, _, answer := s.ask(http.MethodPost, "/rc2/api/v2/images-scan-requests", `{"imageNames": ["`+h.fixed+`"]}`, s.token); code != http.StatusOK {
		t.Fatalf("%d %s", code, answer)
	}
	type row struct {
		ID        string         `json:"id"`
		Trigger   string         `json:"triggerType"`
		Complies  bool           `json:"compliesWithPolicy"`
		Images    []string       `json:"images"`
		Namespace string         `json:"namespace"`
		Counts    map[string]int `json:"vulnerabilities"`
	}
	type page struct {
		Scans []row  `json:"scans"`
		Next  string `json:"nextCursor"`
	}
	var all page
	until(t, "both scans are stored", func() bool {
		all = page{}
		s.get("/api/v1/scans", &all)
		return len(all.Scans) == 2
	})
	denied, asked := all.Scans[1], all.Scans[0]
	if denied.Trigger != "K8s admission controller" || denied.Complies || denied.Namespace != "shop" || denied.Images[0] != h.vulnerable || denied.Counts["critical"] == 0 || asked.Trigger != "API" || !asked.Complies {
		t.Errorf("%+v", all)
	}
	for query, want := range map[string]string{
		"triggerType=API": asked.ID, "namespace=shop": denied.ID, "verdict=deny": denied.ID, "image=1.19-fixed": asked.ID,
		"policyId=2&verdict=allow": asked.ID, "image=%25": "", "policyId=3": "", "to=2001-01-01T00:00:00Z": "",
		"severity=critical": denied.ID, "compliesWithPolicy=yes": asked.ID, "status=Success&sort=worst&limit=1": denied.ID, "sort=oldest&limit=1": denied.ID,
		"status=Running": "", "user=nobody": "",
	} {
		var found page
		s.get("/api/v1/scans?"+query, &found)
		if (want == "") != (len(found.Scans) == 0) || want != "" && (len(found.Scans) != 1 || found.Scans[0].ID != want) {
			t.Errorf("%s: %+v", query, found)
		}
	}
	var first, second page
	s.get("/api/v1/scans?limit=1", &first)
	s.get("/api/v1/scans?limit=1&cursor="+first.Next, &second)
	if len(first.Scans) != 1 || len(second.Scans) != 1 || first.Scans[0].ID == second.Scans[0].ID || second.Next != "" {
		t.Errorf("pages: %+v %+v", first, second)
	}
	var one struct {
		Verdict string `json:"verdict"`
		Message string `json:"message"`
		Results []struct {
			Violated int `json:"violated"`
		} `json:"results"`
	}
	s.get("/api/v1/scans/"+denied.ID, &one)
	if one.Verdict != "deny" || !strings.HasPrefix(one.Message, deniedLine) || len(one.Results) != 1 || one.Results[0].Violated == 0 {
		t.Errorf("%+v", one)
	}
	var report struct {
		Findings []struct {
			ID string `json:"id"`
		} `json:"findings"`
		Packages int `json:"packages"`
	}
	s.get("/api/v1/scans/"+denied.ID+"/images/0/findings", &report)
	if len(report.Findings) == 0 || report.Packages == 0 {
		t.Errorf("%+v", report)
	}
	var bill struct {
		Format  string `json:"bomFormat"`
		Version string `json:"specVersion"`
		Parts   []any  `json:"components"`
	}
	s.get("/api/v1/scans/"+denied.ID+"/images/0/inventory", &bill)
	if bill.Format != "CycloneDX" || bill.Version != "1.6" || len(bill.Parts) == 0 {
		t.Errorf("%+v", bill)
	}
	if code, _, answer := s.ask(http.MethodGet, "/api/v1/scans/"+denied.ID+"/images/7/findings", "", s.token); code != http.StatusNotFound {
		t.Errorf("an image that is not there: %d %s", code, answer)
	}
}

// TestTokensPoliciesAndFeedOverREST makes a token, uses it and takes it back.
func TestTokensPoliciesAndFeedOverREST(t *testing.T) {
	t.Parallel()
	s := newHome(t).serve()
	code, _, answer := s.ask(http.MethodPost, "/api/v1/tokens", `{"name": "pipeline", "accessType": "Global Admin"}`, s.token)
	var issued struct {
		Token struct {
			ID string `json:"id"`
		} `json:"token"`
		Secret string `json:"secret"`
	}
	if err := json.Unmarshal([]byte(answer), &issued); code != http.StatusCreated || err != nil || issued.Secret == "" {
		t.Fatalf("%d %s %v", code, answer, err)
	}
	until(t, "the new token works", func() bool {
		got, _, _ := s.ask(http.MethodGet, "/api/v1/feed", "", issued.Secret)
		return got == http.StatusOK
	})
	code, _, answer = s.ask(http.MethodGet, "/api/v1/tokens", "", s.token)
	if code != http.StatusOK || strings.Contains(answer, issued.Secret) || strings.Contains(answer, "hash") || !strings.Contains(answer, `"pipeline"`) {
		t.Errorf("%d %s", code, answer)
	}
	if code, _, answer = s.ask(http.MethodDelete, "/api/v1/tokens/"+issued.Token.ID, "", s.token); code != http.StatusNoContent {
		t.Errorf("%d %s", code, answer)
	}
	until(t, "the token is refused", func() bool {
		got, _, _ := s.ask(http.MethodGet, "/api/v1/feed", "", issued.Secret)
		return got == http.StatusUnauthorized
	})
	if strings.Contains(s.log.String(), issued.Secret) {
		t.Error("the log has the token")
	}
	var policies struct {
		Policies []struct {
			ID       string `json:"id"`
			ReadOnly bool   `json:"readOnly"`
		} `json:"policies"`
	}
	s.get("/api/v1/policies", &policies)
	if len(policies.Policies) != 5 || policies.Policies[1].ID != "2" || !policies.Policies[1].ReadOnly {
		t.Errorf("%+v", policies)
	}
	var one struct {
		Policy struct {
			OnPending string `json:"onPending"`
		} `json:"policy"`
	}
	s.get("/api/v1/policies/2", &one)
	if one.Policy.OnPending != "deny" {
		t.Errorf("%+v", one)
	}
	var feed struct {
		Available bool `json:"available"`
		Feed      struct {
			Advisories int `json:"advisories"`
		} `json:"feed"`
	}
	s.get("/api/v1/feed", &feed)
	if !feed.Available || feed.Feed.Advisories == 0 {
		t.Errorf("%+v", feed)
	}
	code, kind, answer := s.ask(http.MethodGet, "/api/v1/openapi.json", "", "")
	if code != http.StatusOK || !strings.Contains(kind, "json") || !strings.Contains(answer, `"openapi":"3.1`) || !strings.Contains(answer, "/rc2/api/v2/images-scan-requests") {
		t.Errorf("%d %s %.200s", code, kind, answer)
	}
}
