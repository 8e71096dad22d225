package image_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/authn"

	"github.com/runecast/runecast/pkg/image"
	"github.com/runecast/runecast/pkg/image/imagetest"
)

// TestRealms looks at where a registry can have its password sent.
func TestRealms(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		registry, realm string
		allow           []string
		given           bool
	}{
		{"index.docker.io", "https://auth.docker.io/token", nil, true},
		{"registry.gitlab.com", "https://gitlab.com/jwt/auth", nil, true},
		{"registry.example.org", "https://registry.example.org/token", nil, true},
		{"registry.example.org", "https://registry.example.org:8443/token", nil, true},
		{"registry.example.org", "https://evil.com/token", nil, false},
		{"registry.example.org", "https://example.org.evil.com/token", nil, false},
		{"registry.example.org", "http://auth.example.org/token", nil, false},
		{"index.docker.io", "https://docker.io.evil.com/token", nil, false},
		{"one.azurecr.io", "https://two.azurecr.io/oauth2/token", nil, false},
		{"registry.team-a.svc.cluster.local", "https://collector.team-b.svc.cluster.local/token", nil, false},
		{"registry.example.org", "https://tokens.example.net/token", []string{"registry.example.org=tokens.example.net"}, true},
		{"other.example.org", "https://tokens.example.net/token", []string{"registry.example.org=tokens.example.net"}, false},
		{"registry.example.org", "https://8.8.8.8/token", nil, false},
	} {
		w := &wire{answer: func(req *http.Request) (*http.Response, error) {
			return respond(req, http.StatusUnauthorized, "Www-Authenticate", `Bearer realm="`+c.realm+`",service="x"`), nil
		}}
		p := newPuller(t, func(o *image.Options) {
			o.Transport, o.Attempts, o.TokenHosts = w, 1, c.allow
			o.Keychain = keychain{&authn.Basic{Username: "robot", Password: "correct-horse"}}
		})
		_, err := p.Resolve(t.Context(), c.registry+"/a/b:1", "")
		if given := w.reached(c.realm); err == nil || given != c.given {
			t.Errorf("%s names %s: asked %v: %v", c.registry, c.realm, given, err)
		}
		if !c.given && strings.HasPrefix(c.realm, "https://evil") {
			wantError(t, err, image.KindUnreachable, "image "+c.registry+"/a/b:1: the request for manifest 1 to registry "+c.registry+
				" is not made: it wants its credentials sent to evil.com; if that is right, write registry.example.org=evil.com into the setting registryTokenHosts")
		}
		anonymous := newPuller(t, func(o *image.Options) { o.Transport, o.Attempts = w, 1 })
		w.asked = nil
		_, err = anonymous.Resolve(t.Context(), c.registry+"/a/b:1", "")
		if given := w.reached(c.realm); err == nil || given != strings.HasPrefix(c.realm, "https://") {
			t.Errorf("%s names %s without a password: asked %v: %v", c.registry, c.realm, given, err)
		}
	}
	if _, err := image.NewPuller(image.Options{TokenHosts: []string{"registry.example"}}); err == nil || !strings.Contains(err.Error(), "registryTokenHosts: ") {
		t.Error(err)
	}
}

// TestIdentityTokenIsNotLedOn has the right server for tokens redirect the request whose body is the token.
func TestIdentityTokenIsNotLedOn(t *testing.T) {
	t.Parallel()
	w := &wire{answer: func(req *http.Request) (*http.Response, error) {
		if req.Method == http.MethodPost {
			return respond(req, http.StatusTemporaryRedirect, "Location", "https://evil.com/collect"), nil
		}
		return respond(req, http.StatusUnauthorized, "Www-Authenticate", `Bearer realm="https://auth.docker.io/token",service="x"`), nil
	}}
	p := newPuller(t, func(o *image.Options) {
		o.Transport, o.Attempts = w, 1
		o.Keychain = keychain{authn.FromConfig(authn.AuthConfig{IdentityToken: "identity"})}
	})
	_, err := p.Resolve(t.Context(), "nginx:1.19", "")
	if err == nil || !w.reached("https://auth.docker.io/token") || w.reached("https://evil.com") {
		t.Errorf("asked %q: %v", w.asked, err)
	}
}

// TestBlobStoresGetNoCredentials follows redirects of a basic and of a bearer registry to another one.
func TestBlobStoresGetNoCredentials(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"basic", "bearer"} {
		reg, blobs := newRegistry(t), newRegistry(t)
		ref := reg.MustPush(t.Context(), "private/app:1", imagetest.Alpine())
		blobs.MustPush(t.Context(), "private/app:1", imagetest.Alpine())
		if kind == "basic" {
			reg.RequireBasic("robot", "correct-horse")
		} else {
			reg.RequireBearer("robot", "correct-horse")
		}
		carried := make(chan string, 100)
		blobs.Inject(imagetest.Any, imagetest.Always, func(w http.ResponseWriter, req *http.Request, next http.Handler) {
			carried <- req.Header.Get("Authorization") + req.Header.Get("Cookie")
			next.ServeHTTP(w, req)
		})
		reg.Inject(imagetest.Blob, imagetest.Always, func(w http.ResponseWriter, req *http.Request, _ http.Handler) {
			http.Redirect(w, req, "http://"+blobs.Host()+req.URL.Path, http.StatusTemporaryRedirect)
		})
		p := newPuller(t, func(o *image.Options) {
			o.Keychain = keychain{&authn.Basic{Username: "robot", Password: "correct-horse"}}
		})
		if _, err := readLayer(t.Context(), p, resolve(t, p, ref)); err != nil {
			t.Error(err)
		}
		if n := len(carried); n < 2 {
			t.Fatalf("%s: %d requests", kind, n)
		}
		for range len(carried) {
			if got := <-carried; got != "" {
				t.Errorf("%s: the blob store got %q", kind, got)
			}
		}
	}
}
