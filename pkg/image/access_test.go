package image_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"

	"github.com/runecast/runecast/pkg/image"
	"github.com/runecast/runecast/pkg/image/imagetest"
)

// shown are credentials for every repository of one host.
type shown struct {
	host  string
	pairs [][2]string
}

func (s shown) Credentials(repository string) []authn.AuthConfig {
	var list []authn.AuthConfig
	for _, pair := range s.pairs {
		if strings.HasPrefix(repository, s.host+"/") {
			list = append(list, authn.AuthConfig{Username: pair[0], Password: pair[1]})
		}
	}
	return list
}

func (shown) Unread() []string { return nil }

// TestAccessOfTenants lets only those who may pull an image know what is known of it, whoever asked before.
func TestAccessOfTenants(t *testing.T) {
	t.Parallel()
	for name, require := range map[string]func(*imagetest.Registry){
		"basic":  func(r *imagetest.Registry) { r.RequireBasic("ann", "right") },
		"bearer": func(r *imagetest.Registry) { r.RequireBearer("ann", "right") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			reg := newRegistry(t)
			ref := reg.MustPush(t.Context(), "shop/app:1", imagetest.Alpine())
			require(reg)
			p := newPuller(t)
			right := shown{reg.Host(), [][2]string{{"ann", "right"}}}
			second := shown{reg.Host(), [][2]string{{"ann", "old"}, {"ann", "right"}}}
			var digest string
			for _, access := range []image.Access{right, second, right} {
				img, err := p.ResolveAs(t.Context(), ref, "", access)
				if err != nil {
					t.Fatalf("with %v: %v", access, err)
				}
				digest = img.Digest
				if content, err := readLayer(t.Context(), p, img); err != nil || len(content) == 0 {
					t.Errorf("with %v: a layer of %d bytes, %v", access, len(content), err)
				}
			}
			byDigest := reg.Host() + "/shop/app@" + digest
			if _, err := p.ResolveAs(t.Context(), byDigest, "", right); err != nil {
				t.Fatal(err)
			}
			for _, asked := range []string{ref, byDigest} {
				for who, access := range map[string]image.Access{
					"wrong": shown{reg.Host(), [][2]string{{"ann", "wrong"}}}, "none": nil, "other": shown{"other.example", [][2]string{{"ann", "right"}}},
				} {
					if img, err := p.ResolveAs(t.Context(), asked, "", access); err == nil {
						t.Errorf("%s credentials give %s", who, img.Digest)
					} else if e, ok := errors.AsType[*image.Error](err); !ok || e.Kind != image.KindUnauthorized || strings.Contains(e.Error(), "wrong") {
						t.Errorf("%s credentials: %v", who, err)
					}
				}
			}
		})
	}
}

// TestAccessComesBeforeOwn tries the caller's credentials first and the server's own last.
func TestAccessComesBeforeOwn(t *testing.T) {
	t.Parallel()
	reg := newRegistry(t)
	ref := reg.MustPush(t.Context(), "shop/app:1", imagetest.Alpine())
	reg.RequireBasic("server", "own")
	now := time.Now()
	p := newPuller(t, func(o *image.Options) {
		o.Keychain = keychain{authn.FromConfig(authn.AuthConfig{Username: "server", Password: "own"})}
		o.Now = func() time.Time { return now }
	})
	caller := shown{reg.Host(), [][2]string{{"ann", "right"}}}
	if _, err := p.ResolveAs(t.Context(), ref, "", caller); err != nil {
		t.Fatalf("the server's own credentials do not help: %v", err)
	}
	reg.RequireBasic("ann", "right")
	now = now.Add(time.Hour)
	if _, err := p.ResolveAs(t.Context(), ref, "", caller); err != nil {
		t.Errorf("the caller's credentials are not tried again: %v", err)
	}
	if _, err := p.Resolve(t.Context(), ref, ""); err == nil {
		t.Error("the server's own credentials pass though the registry refuses them")
	}
}
