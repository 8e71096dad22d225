package app_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
)

type auditEntries struct {
	Entries []struct {
		ID    string `json:"id"`
		Actor struct {
			Kind string `json:"kind"`
			Name string `json:"name"`
			ID   string `json:"id"`
		} `json:"actor"`
		Address string         `json:"address"`
		Action  string         `json:"action"`
		Subject string         `json:"subject"`
		Details map[string]any `json:"details"`
	} `json:"entries"`
	Next string `json:"nextCursor"`
}

// TestAudit makes changes by the command line, by REST and by the pages, and finds each of them in the audit log.
func TestAudit(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	s := h.serve()
	code, _, answer := s.ask(http.MethodPost, "/api/v1/tokens", `{"name": "pipe <b>", "accessType": "Review"}`, s.token)
	if code != http.StatusCreated {
		t.Fatalf("%d %s", code, answer)
	}
	var issued struct {
		Token  struct{ ID string } `json:"token"`
		Secret string              `json:"secret"`
	}
	decode(t, answer, &issued)
	b := s.logIn("admin", s.oneTime())
	b.post("/users", url.Values{"name": {"reader"}, "role": {"Read-only"}}, http.StatusOK)
	b.post("/tokens/"+issued.Token.ID+"/revoke", nil, http.StatusSeeOther)
	var log auditEntries
	s.get("/api/v1/audit", &log)
	var lines []string
	for _, e := range log.Entries {
		lines = append(lines, e.Actor.Kind+" "+e.Actor.Name+": "+e.Action)
		if (e.Address == "127.0.0.1") != (e.Actor.Kind != "system") {
			t.Errorf("%+v", e)
		}
	}
	// The command's own entries come first and last: the token of the test, and who was there at the first start.
	want := []string{"user admin: token revoked", "user admin: user created", "user admin: password changed", "user admin: logged in", "token test: token created", "system first start: user created", "system command line: token created"}
	if got := strings.Join(lines, "; "); got != strings.Join(want, "; ") {
		t.Errorf("the log has %s", got)
	}
	if e := log.Entries[4]; e.Subject != issued.Token.ID || e.Details["name"] != "pipe <b>" || e.Actor.ID == "" {
		t.Errorf("%+v", e)
	}
	var first, second auditEntries
	s.get("/api/v1/audit?limit=1&actorKind=user", &first)
	s.get("/api/v1/audit?limit=1&actorKind=user&cursor="+first.Next, &second)
	if len(second.Entries) != 1 || second.Entries[0].Action != "user created" || second.Entries[0].Subject != "reader" {
		t.Errorf("%+v %+v", first, second)
	}
	if code, _, answer := s.ask(http.MethodGet, "/api/v1/audit?cursor=x", "", s.token); code != http.StatusUnprocessableEntity {
		t.Errorf("%d %s", code, answer)
	}
	page := b.get("/audit", http.StatusOK, "<td>token created</td>", "pipe \\u003cb\\u003e", "<td>127.0.0.1</td>")
	if strings.Contains(page, issued.Secret) || strings.Contains(page, "pipe <b>") {
		t.Errorf("%s", page)
	}
	b.get("/audit?action=user+created&kind=user", http.StatusOK, "<td>reader</td>")
	b.get("/audit?subject=nobody", http.StatusOK, "No entry is like that.")
	b.get("/audit?from=x", http.StatusUnprocessableEntity, "A day is written as 2006-01-31.")
	b.get("/audit?before=x", http.StatusUnprocessableEntity, "There is no such page")
}
