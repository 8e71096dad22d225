package app_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/runecast/runecast/cmd/runecast/app"
)

// TestUserCommands gets somebody in again when nobody can log in any more, while the server runs.
func TestUserCommands(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	s := h.serve()
	lost := s.logIn("admin", s.oneTime())
	code, out, _ := h.run("user", "reset-password", "admin", "-o", "json")
	var reset struct {
		Name     string `json:"name"`
		Password string `json:"oneTimePassword"`
	}
	decode(t, out, &reset)
	if code != app.ExitOK || reset.Name != "admin" || len(reset.Password) != 22 {
		t.Fatalf("%d %s", code, out)
	}
	lost.get("/scans", http.StatusSeeOther) // the session ended with the password
	s.open().post("/login", url.Values{"name": {"admin"}, "password": {ownPassword}}, http.StatusUnauthorized)
	admin := s.logIn("admin", reset.Password)

	code, out, _ = h.run("user", "create", "alice")
	want(t, code, out, app.ExitOK, "one-time password", "cannot be shown again")
	_, rest, _ := strings.Cut(out, "one-time password  ")
	alice := s.logIn("alice", strings.Fields(rest)[0])
	alice.get("/scans", http.StatusOK)
	alice.get("/users", http.StatusForbidden)
	code, out, _ = h.run("user", "list")
	want(t, code, out, app.ExitOK, "NAME   ROLE           SOURCE  PASSWORD  CREATED", "admin  Administrator  local   own", "alice  Read-only      local   own")
	code, out, _ = h.run("user", "list", "-o", "json")
	if code != app.ExitOK || strings.Contains(out, "argon2id") || !strings.Contains(out, `"oneTimePassword": false`) {
		t.Errorf("%d %s", code, out)
	}
	for _, c := range []struct {
		args string
		want string
	}{
		{"user delete admin", "error: delete user admin: this is the last administrator with a password here: make another one first"},
		{"user delete nobody", `error: there is no user "nobody": see runecast user list`},
		{"user reset-password nobody", `see runecast user list`},
		{"user create alice", "error: add user alice: there is a user of that name already"},
		{"user create a/b", "error: add user: a user's name has 1 to 63 letters"},
		{"user create bob --role root", `error: the role "root" is none of "Administrator", "Read-only"`},
		{"user create bob -o yaml", `error: output format "yaml" is not known`},
		{"user reset-password alice -o yaml", `error: output format "yaml" is not known`},
	} {
		got, _, errOut := h.run(strings.Fields(c.args)...)
		want(t, got, errOut, app.ExitError, c.want)
	}
	alice.get("/scans", http.StatusOK) // what was refused changed nothing
	code, out, _ = h.run("user", "delete", "alice")
	want(t, code, out, app.ExitOK, "user alice is deleted")
	alice.get("/scans", http.StatusSeeOther)
	admin.get("/audit?kind=system", http.StatusOK, "<td>user deleted</td><td>alice</td>", "<td>password reset</td><td>admin</td>", "<td>user created</td><td>alice</td>")
	if log := s.log.String(); strings.Contains(log, reset.Password) || strings.Contains(log, ownPassword) {
		t.Error("the log has a password")
	}
}

// TestUsersPage changes roles and resets passwords by the page, and leaves an administrator in any case.
func TestUsersPage(t *testing.T) {
	t.Parallel()
	s := newHome(t).serve()
	admin := s.logIn("admin", s.oneTime())
	reader := admin.addReader()
	reader.get("/tokens", http.StatusForbidden)
	admin.post("/users/admin/role", url.Values{"role": {"Read-only"}}, http.StatusConflict)
	admin.post("/users/reader/role", url.Values{"role": {"Root"}}, http.StatusUnprocessableEntity)
	admin.post("/users/nobody/role", url.Values{"role": {"Read-only"}}, http.StatusNotFound)
	admin.post("/users/reader/role", url.Values{"role": {"Administrator"}}, http.StatusSeeOther)
	reader.get("/tokens", http.StatusOK) // at once
	reader.post("/users/admin/role", url.Values{"role": {"Read-only"}}, http.StatusSeeOther)
	admin.get("/users", http.StatusForbidden)
	reader.post("/users/reader/role", url.Values{"role": {"Read-only"}}, http.StatusConflict)
	reader.post("/users/admin/role", url.Values{"role": {"Administrator"}}, http.StatusSeeOther)
	admin.post("/users/admin/delete", nil, http.StatusUnprocessableEntity)
	admin.post("/users/admin/password", nil, http.StatusUnprocessableEntity)
	admin.post("/users/nobody/password", nil, http.StatusNotFound)
	password := secretOf(t, admin.post("/users/reader/password", nil, http.StatusOK))
	reader.get("/scans", http.StatusSeeOther)
	again := s.logIn("reader", password)
	again.get("/users", http.StatusOK, `id="users"`, `aria-label="Reset the password of admin"`)
	admin.post("/users/reader/delete", nil, http.StatusSeeOther)
	again.get("/scans", http.StatusSeeOther)
	admin.post("/users", url.Values{"name": {"admin"}, "role": {"Read-only"}}, http.StatusConflict)
	admin.post("/users", url.Values{"name": {"<b>"}, "role": {"Read-only"}}, http.StatusUnprocessableEntity)
	admin.get("/audit", http.StatusOK, "<td>role changed</td><td>admin</td>", "<td>password reset</td><td>reader</td>", "<td>user deleted</td><td>reader</td>")
}
