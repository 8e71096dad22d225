package image

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"

	"github.com/google/go-containerregistry/pkg/authn"
)

// Access is what one caller may show to registries, such as the pull secrets of a workload.
type Access interface {
	// Credentials gives those that may be tried for a repository (docker.io/library/nginx), in the order of trying. It does no I/O.
	Credentials(repository string) []authn.AuthConfig
	// Unread says, one clause each, which credentials could not be read and what to do about it.
	Unread() []string
}

// maxCredentials is how many credentials of a caller are tried for one repository.
const maxCredentials = 8

// login is a caller's credentials for one repository. It is immutable.
type login struct {
	credentials []authn.AuthConfig
	marks       []string // fingerprint of each
	fingerprint string   // of all; empty where there are none
}

// newSecret makes the key of a process's fingerprints, so that they tell nobody anything about short passwords.
func newSecret() []byte {
	secret := make([]byte, sha256.Size)
	_, _ = rand.Read(secret) // never fails, as its documentation has it
	return secret
}

// loginOf takes the caller's credentials for a target.
func (p *Puller) loginOf(t target, access Access) *login {
	if access == nil {
		return &login{}
	}
	l := &login{credentials: access.Credentials(t.repo.Name())}
	if len(l.credentials) == 0 {
		return &login{}
	}
	l.credentials = l.credentials[:min(len(l.credentials), maxCredentials)]
	all := hmac.New(sha256.New, p.secret)
	for i := range l.credentials {
		c := &l.credentials[i]
		// A list of strings in JSON is unambiguous whatever they contain. It cannot fail to be written.
		text, _ := json.Marshal([]string{c.Username, c.Password, c.Auth, c.IdentityToken, c.RegistryToken}) //nolint:errchkjson // as said
		one := hmac.New(sha256.New, p.secret)
		one.Write(text)
		mark := one.Sum(nil)
		all.Write(mark)
		l.marks = append(l.marks, hex.EncodeToString(mark))
	}
	l.fingerprint = hex.EncodeToString(all.Sum(nil))
	return l
}

// authenticator gives the credentials whose turn it is.
func (t target) authenticator(ctx context.Context, own authn.Keychain) (authn.Authenticator, error) {
	if t.turn < len(t.caller.credentials) {
		return authn.FromConfig(t.caller.credentials[t.turn]), nil
	}
	return authn.Resolve(ctx, own, t.at())
}

// key begins the key of everything that is kept of a repository: what one caller's credentials brought serves no other caller.
func (t target) key() string {
	if t.caller.fingerprint == "" {
		return t.repo.Name()
	}
	return t.repo.Name() + "#" + t.caller.fingerprint
}

// sessionKey is the key of a login with the credentials whose turn it is.
func (t target) sessionKey() string {
	if t.turn < len(t.caller.marks) {
		return t.repo.Name() + "#" + t.caller.marks[t.turn]
	}
	return t.repo.Name()
}

// ask makes one request with the caller's credentials in turn, then with the server's own, until one is not refused. Those that
// were taken last are tried first. A registry may hide with "not found" what it does not give, so that is a refusal too.
func (p *Puller) ask(ctx context.Context, t target, req *request) (*http.Response, error) {
	n := len(t.caller.credentials) + 1
	if t.via != nil { // a mirror, which has no right to credentials that were given for the registry
		t.turn = n - 1
		return p.askOnce(ctx, t, req)
	}
	first, _ := p.turns.get(t.key())
	var (
		refused error // the first refusal, or the first that is more than "not found"
		hidden  bool  // it is "not found"
	)
	for i := range n {
		t.turn = (first + i) % n
		resp, err := p.askOnce(ctx, t, req)
		if err == nil {
			if i > 0 {
				p.turns.put(t.key(), t.turn, 1)
			}
			return resp, nil
		}
		kind := describe(ctx, t, req.what, err).Kind
		if kind != KindUnauthorized && kind != KindNotFound {
			return nil, err
		}
		if refused == nil || hidden && kind == KindUnauthorized {
			refused, hidden = err, kind == KindNotFound
		}
	}
	return nil, refused
}
