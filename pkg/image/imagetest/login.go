package imagetest

import (
	"crypto/subtle"
	"fmt"
	"io"
	"net/http"
)

// login guards a registry by a user and password, asked for at once (basic) or exchanged for a token (bearer).
type login struct {
	user, password string
	realm          string // where tokens are given; empty: basic
}

const token = "imagetest-token"

// RequireBasic lets only requests in that carry this user and password.
func (r *Registry) RequireBasic(user, password string) {
	r.setLogin(&login{user: user, password: password})
}

// RequireBearer lets only requests in that carry a token, which the registry's /token gives for this user and password. It is
// how Docker Hub and most large registries work.
func (r *Registry) RequireBearer(user, password string) {
	r.setLogin(&login{user: user, password: password, realm: r.server.URL + "/token"})
}

func (r *Registry) setLogin(l *login) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.login = l
}

// handled answers the request where the login does so: with a token, or with 401.
func (l *login) handled(w http.ResponseWriter, req *http.Request) bool {
	if l.realm != "" && req.URL.Path == "/token" {
		if !l.basic(req) {
			writeError(w, http.StatusUnauthorized)
			return true
		}
		_, _ = io.WriteString(w, `{"token":"`+token+`","expires_in":300}`)
		return true
	}
	if l.realm == "" && l.basic(req) || l.realm != "" && req.Header.Get("Authorization") == "Bearer "+token {
		return false
	}
	challenge := `Basic realm="imagetest"`
	if l.realm != "" {
		challenge = fmt.Sprintf(`Bearer realm=%q,service="imagetest"`, l.realm)
	}
	w.Header().Set("WWW-Authenticate", challenge)
	writeError(w, http.StatusUnauthorized)
	return true
}

func (l *login) basic(req *http.Request) bool {
	user, password, ok := req.BasicAuth()
	return ok && user == l.user && subtle.ConstantTimeCompare([]byte(password), []byte(l.password)) == 1
}
