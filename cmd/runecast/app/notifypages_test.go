package app_test

import (
	"net/http"
	"strings"
	"testing"
)

type notificationList struct {
	Notifications []struct {
		ID       string `json:"id"`
		State    string `json:"state"`
		Error    string `json:"error"`
		Attempts int    `json:"attempts"`
	} `json:"notifications"`
	Counts       map[string]int `json:"counts"`
	Destinations []struct {
		Name   string   `json:"name"`
		Type   string   `json:"type"`
		Events []string `json:"events"`
	} `json:"destinations"`
}

// TestDeadNotifications gives one up, looks at it by REST and on the page, and sends and discards it in both ways.
func TestDeadNotifications(t *testing.T) {
	t.Parallel()
	h, r := newHome(t), newTold(t)
	r.answer(http.StatusGone)
	s := h.serve("--config", r.settings(t))
	dead := func() (list notificationList) {
		t.Helper()
		s.get("/api/v1/notifications?state=dead", &list)
		return list
	}
	b := s.logIn("admin", s.oneTime())
	reader := b.addReader()
	s.do(http.MethodPost, reviewPath, podReview(h.vulnerable))
	until(t, "it is dead", func() bool { return len(dead().Notifications) == 1 })
	list := dead()
	n := list.Notifications[0]
	if n.Error != "410 Gone" || n.Attempts != 1 || list.Counts["dead"] != 1 || len(list.Destinations) != 1 || list.Destinations[0].Name != "team" || strings.Join(list.Destinations[0].Events, " ") != "deny flip" {
		t.Errorf("%+v", list)
	}
	_, _, answer := s.ask(http.MethodGet, "/api/v1/notifications", "", s.token)
	if strings.Contains(answer, r.URL) || strings.Contains(answer, "secret") {
		t.Errorf("the answer tells where notifications go: %s", answer)
	}
	b.get("/notifications?state=dead", 200, "Denied: Pod shop/web by policy 2", "410 Gone", "Send again", "team")
	if page := reader.get("/notifications", 200, "410 Gone"); strings.Contains(page, "Send again") {
		t.Error("somebody who only reads is offered to send again")
	}
	reader.post("/notifications/"+n.ID+"/retry", nil, http.StatusForbidden)
	reader.post("/notifications/"+n.ID+"/discard", nil, http.StatusForbidden)
	b.post("/notifications/"+n.ID+"/retry", nil, http.StatusSeeOther)
	until(t, "it was sent again and is dead again", func() bool { return len(r.all()) == 2 && len(dead().Notifications) == 1 })
	b.post("/notifications/nothing/retry", nil, http.StatusNotFound)
	b.get("/notifications?state=nonsense", http.StatusUnprocessableEntity)
	b.get("/notifications?before=nonsense", http.StatusUnprocessableEntity)

	_, review, _ := h.run("token", "create", "--name", "reviews", "--access-type", "Review", "--quiet")
	review = strings.TrimSpace(review)
	until(t, "a token for reviews is refused", func() bool {
		code, _, _ := s.ask(http.MethodGet, "/api/v1/notifications", "", review)
		return code == http.StatusForbidden
	})
	for _, c := range []struct {
		method, path, token string
		code                int
	}{
		{http.MethodPost, "/api/v1/notifications/" + n.ID + "/retry", review, http.StatusForbidden},
		{http.MethodDelete, "/api/v1/notifications/" + n.ID, review, http.StatusForbidden},
		{http.MethodGet, "/api/v1/webhooks", review, http.StatusForbidden},
		{http.MethodGet, "/api/v1/notifications?cursor=nonsense", s.token, http.StatusUnprocessableEntity},
		{http.MethodPost, "/api/v1/notifications/nothing/retry", s.token, http.StatusNotFound},
		{http.MethodDelete, "/api/v1/notifications/nothing", s.token, http.StatusNotFound},
		{http.MethodDelete, "/api/v1/notifications/" + n.ID, s.token, http.StatusNoContent},
		{http.MethodDelete, "/api/v1/notifications/" + n.ID, s.token, http.StatusNotFound},
	} {
		code, kind, answer := s.ask(c.method, c.path, "", c.token)
		if code != c.code || (code >= 400 && kind != "application/problem+json") {
			t.Errorf("%s %s: %d %s %s", c.method, c.path, code, kind, answer)
		}
	}
	if len(dead().Notifications) != 0 {
		t.Errorf("%+v", dead())
	}
	var log auditEntries
	s.get("/api/v1/audit", &log)
	var lines []string
	for _, e := range log.Entries {
		lines = append(lines, e.Actor.Kind+" "+e.Action+";")
	}
	text := strings.Join(lines, "")
	if !strings.Contains(text, "token notification discarded;") || !strings.Contains(text, "user notification retried;") {
		t.Errorf("the audit log has %s", text)
	}
}

// TestWebhooksWithoutCluster says why nothing is known, and what to do; e2e/webhook has a cluster.
func TestWebhooksWithoutCluster(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		args []string
		text string
	}{{nil, "does not run in a pod"}, {[]string{"--webhook-status=false"}, "it is switched off"}} {
		s := newHome(t).serve(c.args...)
		code, kind, answer := s.ask(http.MethodGet, "/api/v1/webhooks", "", s.token)
		if code != http.StatusServiceUnavailable || kind != "application/problem+json" || !strings.Contains(answer, c.text) || !strings.Contains(answer, "runecast webhook status") {
			t.Errorf("%d %s %s", code, kind, answer)
		}
		s.logIn("admin", s.oneTime()).get("/webhooks", 200, c.text, "What to do: ")
	}
}
