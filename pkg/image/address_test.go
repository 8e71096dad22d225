package image_test

import (
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-containerregistry/pkg/authn"

	"github.com/runecast/runecast/pkg/image"
	"github.com/runecast/runecast/pkg/image/imagetest"
)

// wire is a transport that answers by the address asked for and notes every request that gets as far as it.
type wire struct {
	answer func(*http.Request) (*http.Response, error)

	mu    sync.Mutex
	asked []string
}

func (w *wire) RoundTrip(req *http.Request) (*http.Response, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.asked = append(w.asked, req.URL.String()+" "+req.Header.Get("Authorization"))
	return w.answer(req)
}

// reached tells whether any request for an address with this beginning was made.
func (w *wire) reached(start string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, request := range w.asked {
		if strings.HasPrefix(request, start) {
			return true
		}
	}
	return false
}

func respond(req *http.Request, code int, header, value string) *http.Response {
	return &http.Response{StatusCode: code, Header: http.Header{header: {value}}, Body: http.NoBody, Request: req}
}

// wired is a puller with a password over a wire.
func wired(t *testing.T, w *wire, plain ...string) *image.Puller {
	t.Helper()
	return newPuller(t, func(o *image.Options) {
		o.Transport, o.PlainHTTP, o.Attempts = w, plain, 1
		o.AllowNetworks = []string{"10.1.2.3:5000", "192.168.1.1"}
		o.Keychain = keychain{&authn.Basic{Username: "robot", Password: "correct-horse"}}
	})
}

// TestPasswordsDoNotTravelInTheClear has somebody on the path break TLS and wait for the password without it.
func TestPasswordsDoNotTravelInTheClear(t *testing.T) {
	t.Parallel()
	cut := errors.New("connection reset by peer")
	for host, hint := range map[string]string{
		"10.1.2.3:5000":        "; it is asked without TLS only if the server's setting registryPlainHttp names it",
		"192.168.1.1":          "; it is asked without TLS only if the server's setting registryPlainHttp names it",
		"registry.corp.local":  "",
		"registry.example:443": "",
	} {
		w := &wire{answer: func(req *http.Request) (*http.Response, error) {
			if req.URL.Scheme == "https" {
				return nil, cut
			}
			return respond(req, http.StatusUnauthorized, "Www-Authenticate", `Basic realm="x"`), nil
		}}
		_, err := wired(t, w).Resolve(t.Context(), host+"/a/b:1", "")
		e := wantFault(t, err, image.KindUnreachable, "image "+host+"/a/b:1: registry "+host+" does not answer: connection reset by peer"+hint)
		if w.reached("http://") || !e.Temporary() {
			t.Errorf("%s: asked %q, temporary %v", host, w.asked, e.Temporary())
		}
		w.asked = nil
		if _, err = wired(t, w, host).Resolve(t.Context(), host+"/a/b:1", ""); err == nil || !w.reached("http://"+host+"/v2/a/b/manifests/1 Basic ") {
			t.Errorf("%s as the setting allows: asked %q: %v", host, w.asked, err)
		}
	}
}

// TestPrivateRegistryWithTLS must not lose by it that go-containerregistry would ask it without TLS, too.
func TestPrivateRegistryWithTLS(t *testing.T) {
	t.Parallel()
	w := &wire{answer: func(req *http.Request) (*http.Response, error) {
		if req.URL.Path == "/v2/" {
			return respond(req, http.StatusUnauthorized, "Www-Authenticate", `Basic realm="x"`), nil
		}
		return respond(req, http.StatusNotFound, "X", "y"), nil
	}}
	_, err := wired(t, w).Resolve(t.Context(), "10.1.2.3:5000/a/b:1", "")
	wantError(t, err, image.KindNotFound, "image 10.1.2.3:5000/a/b:1: registry 10.1.2.3:5000 answers 404 Not Found to the request for manifest 1")
	if !w.reached("https://10.1.2.3:5000/v2/a/b/manifests/1 Basic ") || w.reached("http://") {
		t.Errorf("asked %q", w.asked)
	}
}

// TestRegistriesLeadNowhere has a registry lead on with its first answer, with its server for tokens and with a blob store.
func TestRegistriesLeadNowhere(t *testing.T) {
	t.Parallel()
	const (
		ref      = "evil.example/a/b:1"
		notMade  = "image " + ref + ": the request for manifest 1 to registry evil.example is not made: "
		reserved = " is a link-local address or one of a cloud's metadata service, where no registry is"
		unlisted = " address; if it may be asked, name it in the setting registryAllowNetworks"
		noTLS    = " is asked without TLS only if the server's setting registryPlainHttp names it"
	)
	for to, want := range map[string]string{
		"http://169.254.169.254/latest/meta-data/": notMade + "169.254.169.254" + reserved,
		"https://169.254.169.254/latest/":          notMade + "169.254.169.254" + reserved,
		"https://[::ffff:169.254.169.254]/":        notMade + "::ffff:169.254.169.254" + reserved,
		"https://[64:ff9b::a9fe:a9fe]/":            notMade + "64:ff9b::a9fe:a9fe" + reserved,
		"https://[fd00:ec2::254]/latest/":          notMade + "fd00:ec2::254" + reserved,
		"https://100.100.100.200/latest/":          notMade + "100.100.100.200" + reserved,
		"https://[fe80::1%25eth0]/":                notMade + "fe80::1%eth0" + reserved,
		"https://[2002:a9fe:a9fe::1]/":             notMade + "2002:a9fe:a9fe::1" + reserved,
		"https://10.1.2.3:6443/":                   notMade + "10.1.2.3:6443 is at a private" + unlisted,
		"https://[::ffff:192.168.7.7]/":            notMade + "[::ffff:192.168.7.7]:443 is at a private" + unlisted,
		"https://[64:ff9b::a01:203]/":              notMade + "[64:ff9b::a01:203]:443 is at a private" + unlisted,
		"https://[2002:c0a8:707::]/":               notMade + "[2002:c0a8:707::]:443 is at a private" + unlisted,
		"https://[fd12::1]/":                       notMade + "[fd12::1]:443 is at a private" + unlisted,
		"https://0x7f.1/":                          notMade + "0x7f.1 is no name of a host",
		"https://2130706433/":                      notMade + "2130706433 is no name of a host",
		"http://intranet.example/":                 notMade + "intranet.example" + noTLS,
		"http://127.0.0.1:6443/api":                notMade + "it leads to the local address 127.0.0.1:6443",
		"https://LocalHost.:6443/api":              notMade + "it leads to the local address LocalHost.:6443",
		"https://0.0.0.0/":                         notMade + "it leads to the local address 0.0.0.0",
		"https://x.localhost/":                     notMade + "it leads to the local address x.localhost",
	} {
		forbidden := to[:strings.LastIndex(to, "/")]
		for name, answer := range map[string]func(*http.Request) *http.Response{
			"ping": func(req *http.Request) *http.Response { return respond(req, http.StatusFound, "Location", to) },
			"token": func(req *http.Request) *http.Response {
				if req.URL.Path == "/v2/" {
					return respond(req, http.StatusUnauthorized, "Www-Authenticate", `Bearer realm="https://auth.example/token",service="x"`)
				}
				return respond(req, http.StatusFound, "Location", to)
			},
			"realm": func(req *http.Request) *http.Response {
				return respond(req, http.StatusUnauthorized, "Www-Authenticate", `Bearer realm="`+to+`",service="x"`)
			},
			"manifest": func(req *http.Request) *http.Response {
				if req.URL.Path == "/v2/" {
					return respond(req, http.StatusOK, "X", "y")
				}
				return respond(req, http.StatusTemporaryRedirect, "Location", to)
			},
		} {
			w := &wire{answer: func(req *http.Request) (*http.Response, error) { return answer(req), nil }}
			_, err := wired(t, w).Resolve(t.Context(), ref, "")
			var e *image.Error
			if !errors.As(err, &e) || e.Kind != image.KindUnreachable && e.Kind != image.KindUnauthorized || w.reached(forbidden) {
				t.Errorf("%s to %s: asked %q: %v", name, to, w.asked, err)
			}
			if name == "ping" {
				if e := wantFault(t, err, image.KindUnreachable, want); e.Temporary() {
					t.Errorf("%s to %s is temporary", name, to)
				}
			}
		}
	}
}

// TestRegistryAtTheLink names the address itself.
func TestRegistryAtTheLink(t *testing.T) {
	t.Parallel()
	w := &wire{answer: func(req *http.Request) (*http.Response, error) { return respond(req, http.StatusOK, "X", "y"), nil }}
	_, err := wired(t, w, "169.254.169.254").Resolve(t.Context(), "169.254.169.254/a:1", "")
	wantError(t, err, image.KindUnreachable, "image 169.254.169.254/a:1: the request for manifest 1 to registry 169.254.169.254 is not made: "+
		"169.254.169.254 is a link-local address or one of a cloud's metadata service, where no registry is")
	if len(w.asked) != 0 {
		t.Errorf("asked %q", w.asked)
	}
}

// TestLoopbackRegistries stay what tests and developers use.
func TestLoopbackRegistries(t *testing.T) {
	t.Parallel()
	reg := newRegistry(t)
	reg.RequireBearer("robot", "correct-horse")
	reg.MustPush(t.Context(), "app:1", imagetest.Alpine())
	p := newPuller(t, func(o *image.Options) {
		o.Keychain = keychain{&authn.Basic{Username: "robot", Password: "correct-horse"}}
	})
	resolve(t, p, reg.Host()+"/app:1")
}
