package image_test

import (
	"context"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"

	"github.com/runecast/runecast/pkg/image"
	"github.com/runecast/runecast/pkg/image/imagetest"
)

func TestResolveFaults(t *testing.T) {
	t.Parallel()
	type setUp = func(reg *imagetest.Registry)
	inject := func(times int, f imagetest.Fault) setUp {
		return func(reg *imagetest.Registry) { reg.Inject(imagetest.Manifest, times, f) }
	}
	for name, c := range map[string]struct {
		setUp     setUp
		kind      image.Kind
		text      string // after the image's name; REG is the registry
		status    int
		temporary bool
		requests  int // for the manifest
	}{
		"401": {
			inject(imagetest.Always, imagetest.Status(401)), image.KindUnauthorized,
			"registry REG refuses access with 401 Unauthorized to the request for manifest 1: UNAUTHORIZED: injected fault", 401, false, 1,
		},
		"403": {
			inject(imagetest.Always, imagetest.Status(403)), image.KindUnauthorized,
			"registry REG refuses access with 403 Forbidden to the request for manifest 1: DENIED: injected fault", 403, false, 1,
		},
		"404": {
			inject(imagetest.Always, imagetest.Status(404)), image.KindNotFound,
			"registry REG answers 404 Not Found to the request for manifest 1: MANIFEST_UNKNOWN: injected fault", 404, false, 1,
		},
		"500": {
			inject(imagetest.Always, imagetest.Status(500)), image.KindUnreachable,
			"registry REG answers 500 Internal Server Error to the request for manifest 1: UNKNOWN: injected fault", 500, true, 3,
		},
		"503": {
			inject(imagetest.Always, imagetest.Status(503)), image.KindUnreachable,
			"registry REG answers 503 Service Unavailable to the request for manifest 1", 503, true, 3,
		},
		"429 without end": {
			inject(imagetest.Always, imagetest.TooManyRequests(0)), image.KindRateLimited,
			"registry REG answers 429 Too Many Requests to the request for manifest 1", 429, true, 3,
		},
		"429 with a long wait": {
			inject(imagetest.Always, imagetest.TooManyRequests(3600)), image.KindRateLimited,
			"registry REG answers 429 Too Many Requests to the request for manifest 1 and asks to wait 1h0m0s", 429, true, 1,
		},
		"429 at login": {
			func(reg *imagetest.Registry) {
				reg.Inject(imagetest.Any, imagetest.Always, imagetest.TooManyRequests(3600))
			}, image.KindRateLimited,
			"registry REG answers 429 Too Many Requests to the request for manifest 1 and asks to wait 1h0m0s", 429, true, 0,
		},
		"no answer": {
			func(reg *imagetest.Registry) { reg.Inject(imagetest.Manifest, imagetest.Always, reg.Hang()) }, image.KindUnreachable,
			"registry REG does not answer: no answer within 1s", 0, true, 3,
		},
		"trickle": {
			func(reg *imagetest.Registry) {
				reg.Inject(imagetest.Manifest, imagetest.Always, reg.Trickle(0, time.Second))
			}, image.KindUnreachable,
			"registry REG does not answer: less than 1024 bytes a second for 200ms", 0, true, 3,
		},
		"cut": {
			inject(imagetest.Always, imagetest.CutAfter(10)), image.KindUnreachable,
			"registry REG does not answer: unexpected EOF", 0, true, 3,
		},
		"wrong content of the configuration": {
			func(reg *imagetest.Registry) { reg.Inject(imagetest.Blob, imagetest.Always, imagetest.WrongContent()) }, image.KindCorrupt,
			"registry REG sends other content than that of configuration CONFIG", 0, false, 1,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			reg := newRegistry(t)
			img := imagetest.Alpine()
			ref := reg.MustPush(t.Context(), "app:1", img)
			c.setUp(reg)
			p := newPuller(t, func(o *image.Options) {
				if name == "no answer" || name == "trickle" {
					impatient(o)
				}
			})
			_, err := p.Resolve(t.Context(), ref, "")
			config, configErr := img.ConfigName()
			if configErr != nil {
				t.Fatal(configErr)
			}
			text := strings.NewReplacer("REG", reg.Host(), "CONFIG", config.String()).Replace(c.text)
			e := wantFault(t, err, c.kind, "image "+ref+": "+text)
			if e.Status != c.status || e.Temporary() != c.temporary || e.Host != reg.Host() {
				t.Errorf("status %d, temporary %v, host %s", e.Status, e.Temporary(), e.Host)
			}
			if n := reg.Manifests(); n != c.requests {
				t.Errorf("%d requests for the manifest, want %d", n, c.requests)
			}
			reg.Heal()
			if e.RetryAfter > 0 {
				p = newPuller(t) // the first one waits for as long as it was asked to
			}
			resolve(t, p, ref) // no error is kept
		})
	}
}

func TestTemporaryFaultsAreOvercome(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]imagetest.Fault{
		"500": imagetest.Status(500), "429": imagetest.TooManyRequests(0), "cut": imagetest.CutAfter(10),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			reg := newRegistry(t)
			ref := reg.MustPush(t.Context(), "app:1", imagetest.Alpine())
			reg.Inject(imagetest.Manifest, 2, fault)
			resolve(t, newPuller(t), ref)
			if n := reg.Manifests(); n != 3 {
				t.Errorf("%d requests, want 3", n)
			}
		})
	}
}

func TestRetryAfterIsHonouredUpToTheDeadline(t *testing.T) {
	t.Parallel()
	reg := newRegistry(t)
	ref := reg.MustPush(t.Context(), "app:1", imagetest.Alpine())
	reg.Inject(imagetest.Manifest, 1, imagetest.TooManyRequests(1))
	begin := time.Now()
	resolve(t, newPuller(t), ref)
	if waited := time.Since(begin); waited < time.Second {
		t.Errorf("asked again after %s, not 1s", waited)
	}
	reg.Inject(imagetest.Manifest, 1, imagetest.TooManyRequests(5))
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	_, err := newPuller(t, func(o *image.Options) { o.ResolveTimeout = 20 * time.Second }).Resolve(ctx, ref, "")
	e := wantFault(t, err, image.KindRateLimited, "image "+ref+": registry "+reg.Host()+
		" answers 429 Too Many Requests to the request for manifest 1 and asks to wait 5s")
	if e.RetryAfter != 5*time.Second {
		t.Errorf("retry after %s", e.RetryAfter)
	}
}

func TestRegistryThatIsNotThere(t *testing.T) {
	t.Parallel()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	host := l.Addr().String()
	_ = l.Close()
	_, err = newPuller(t).Resolve(t.Context(), host+"/app:1", "")
	wantError(t, err, image.KindUnreachable,
		"image "+host+"/app:1: registry "+host+" does not answer: dial tcp "+host+": connect: connection refused")
}

func TestRegistryWithoutTLS(t *testing.T) {
	t.Parallel()
	reg := newRegistry(t)
	reg.MustPush(t.Context(), "app:1", imagetest.Alpine())
	dial := &http.Transport{DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, reg.Host())
	}}
	t.Cleanup(dial.CloseIdleConnections)
	p := newPuller(t, func(o *image.Options) { o.Transport = dial })
	_, err := p.Resolve(t.Context(), "registry.example/app:1", "")
	wantError(t, err, image.KindUnreachable,
		"image registry.example/app:1: registry registry.example does not answer: it does not speak TLS; "+
			"it is asked without TLS only if the server's setting registryPlainHttp names it")
	p = newPuller(t, func(o *image.Options) { o.Transport, o.PlainHTTP = dial, []string{"registry.example"} })
	resolve(t, p, "registry.example/app:1")
}

func TestLogin(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"basic", "bearer"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			reg := newRegistry(t)
			ref := reg.MustPush(t.Context(), "private/app:1", imagetest.Alpine())
			if kind == "basic" {
				reg.RequireBasic("robot", "correct-horse")
			} else {
				reg.RequireBearer("robot", "correct-horse")
			}
			with := func(password string) *image.Puller {
				return newPuller(t, func(o *image.Options) { o.Keychain = keychain{&authn.Basic{Username: "robot", Password: password}} })
			}
			for name, p := range map[string]*image.Puller{"none": newPuller(t), "wrong": with("battery-staple")} {
				_, err := p.Resolve(t.Context(), ref, "")
				e := wantFault(t, err, image.KindUnauthorized, "image "+ref+": registry "+reg.Host()+
					" refuses access with 401 Unauthorized to the request for manifest 1: UNAUTHORIZED: injected fault")
				if e.Temporary() || strings.Contains(e.Error(), "battery") {
					t.Errorf("%s: %v", name, e)
				}
			}
			p := with("correct-horse")
			if _, err := readLayer(t.Context(), p, resolve(t, p, ref)); err != nil {
				t.Error(err)
			}
		})
	}
}

type keychain struct{ authn.Authenticator }

func (k keychain) Resolve(authn.Resource) (authn.Authenticator, error) { return k.Authenticator, nil }

// TestRotatedCredentialsTakeEffect changes the password behind a login that is in use.
func TestRotatedCredentialsTakeEffect(t *testing.T) {
	t.Parallel()
	reg := newRegistry(t)
	first := reg.MustPush(t.Context(), "private/app:1", imagetest.Alpine())
	second := reg.MustPush(t.Context(), "private/app:2", imagetest.TwoLayer())
	password := "old-password"
	reg.RequireBasic("robot", password)
	p := newPuller(t, func(o *image.Options) { o.Keychain = keychainFunc(func() string { return password }) })
	resolve(t, p, first)
	password = "new-password"
	reg.RequireBasic("robot", password)
	resolve(t, p, second)
}

type keychainFunc func() string

func (f keychainFunc) Resolve(authn.Resource) (authn.Authenticator, error) {
	return &authn.Basic{Username: "robot", Password: f()}, nil
}

// TestAddressesAreCleaned sends the puller to a signed address that fails.
func TestAddressesAreCleaned(t *testing.T) {
	t.Parallel()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	gone := l.Addr().String()
	_ = l.Close()
	reg := newRegistry(t)
	ref := reg.MustPush(t.Context(), "app:1", imagetest.Alpine())
	reg.Inject(imagetest.Blob, imagetest.Always, imagetest.Redirect("http://user:hunter2@"+gone+"/blob?X-Amz-Signature=topsecret"))
	_, err = newPuller(t).Resolve(t.Context(), ref, "")
	wantError(t, err, image.KindUnreachable,
		"image "+ref+": registry "+reg.Host()+" does not answer: dial tcp "+gone+": connect: connection refused")
	for cause := err; cause != nil; {
		if _, ours := cause.(*image.Error); ours && (strings.Contains(cause.Error(), "topsecret") || strings.Contains(cause.Error(), "hunter2")) { //nolint:errorlint // each level is looked at
			t.Errorf("secret in %q", cause.Error())
		}
		unwrapper, ok := cause.(interface{ Unwrap() error })
		if !ok {
			break
		}
		cause = unwrapper.Unwrap()
	}

	reg.Heal()
	reg.Inject(imagetest.Manifest, imagetest.Always, func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
		w.WriteHeader(http.StatusForbidden)
		_, _ = w.Write([]byte(`{"errors":[{"code":"DENIED","message":"see\nhttps://u:p@auth.example/x?token=topsecret with Bearer abcdefghijklmnop"}]}`))
	})
	_, err = newPuller(t).Resolve(t.Context(), ref, "")
	wantError(t, err, image.KindUnauthorized, "image "+ref+": registry "+reg.Host()+
		" refuses access with 403 Forbidden to the request for manifest 1: DENIED: see https://auth.example/x?… with Bearer …")
}
