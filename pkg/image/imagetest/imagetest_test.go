package imagetest_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/runecast/runecast/pkg/image/imagetest"
)

func TestCannedImagesAreValidAndServed(t *testing.T) {
	t.Parallel()
	reg := imagetest.NewRegistry()
	t.Cleanup(reg.Close)
	images := map[string]remote.Taggable{
		"nginx:1.19": imagetest.Nginx119(), "nginx:fixed": imagetest.Nginx119Fixed(), "alpine:3.8": imagetest.Alpine(),
		"two:1": imagetest.TwoLayer(), "docker:1": imagetest.DockerImage(imagetest.Alpine()),
	}
	for tag, img := range images {
		ref, digest, err := reg.Push(t.Context(), tag, img)
		if err != nil {
			t.Fatal(err)
		}
		parsed, err := name.ParseReference(ref)
		if err != nil {
			t.Fatal(err)
		}
		pulled, err := remote.Image(parsed, remote.WithContext(t.Context()))
		if err != nil {
			t.Fatalf("%s: %v", tag, err)
		}
		layers, err := pulled.Layers()
		if err != nil {
			t.Fatal(err)
		}
		for _, layer := range layers {
			checkLayer(t, tag, layer)
		}
		if got, err := pulled.Digest(); err != nil || got.String() != digest {
			t.Errorf("%s: digest %v %v, want %s", tag, got, err, digest)
		}
	}
	if reg.Manifests() < len(images) || reg.Blobs() == 0 || reg.Count("/two/blobs/") == 0 {
		t.Errorf("requests are not counted: %d manifests, %d blobs", reg.Manifests(), reg.Blobs())
	}
}

// checkLayer reads a layer to its end, which verifies its digest, and compares its tar with the diff id.
func checkLayer(t *testing.T, tag string, layer v1.Layer) {
	t.Helper()
	want, err := layer.DiffID()
	if err != nil {
		t.Fatal(err)
	}
	body, err := layer.Uncompressed()
	if err != nil {
		t.Fatal(err)
	}
	got, _, err := v1.SHA256(body)
	if err != nil || got != want {
		t.Errorf("%s: layer has diff id %v (%v), want %v", tag, got, err, want)
	}
}

func TestFixedImageDiffersFromNginxOnlyInVersions(t *testing.T) {
	t.Parallel()
	before, after := imagetest.Nginx119Packages(), imagetest.Nginx119FixedPackages()
	if len(before) < 130 || len(before) != len(after) {
		t.Fatalf("%d and %d packages", len(before), len(after))
	}
	status := imagetest.DpkgStatus(before...)
	if !strings.Contains(status, "Package: libssl1.1\n") || !strings.Contains(status, "Source: openssl\nVersion: 1.1.1d-0+deb10u6\n") {
		t.Error("libssl1.1 of openssl 1.1.1d-0+deb10u6 is missing")
	}
	if fixed := imagetest.DpkgStatus(after...); strings.Contains(fixed, "deb10u6\nDescription: openssl") ||
		!strings.Contains(fixed, "Source: openssl\nVersion: 1.1.1n-0+deb10u4\n") {
		t.Error("openssl is not fixed")
	}
}

func TestLoginAsksForCredentials(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"basic", "bearer"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			reg := imagetest.NewRegistry()
			t.Cleanup(reg.Close)
			ref := reg.MustPush(t.Context(), "private/app:1", imagetest.Alpine())
			if kind == "basic" {
				reg.RequireBasic("robot", "secret")
			} else {
				reg.RequireBearer("robot", "secret")
			}
			parsed, err := name.ParseReference(ref)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := remote.Image(parsed, remote.WithContext(t.Context())); err == nil {
				t.Error("anonymous access is allowed")
			}
			auth := &authn.Basic{Username: "robot", Password: "secret"}
			if _, err := remote.Image(parsed, remote.WithContext(t.Context()), remote.WithAuth(auth)); err != nil {
				t.Errorf("with the right credential: %v", err)
			}
		})
	}
}

func TestFaultsEndAfterTheirTimes(t *testing.T) {
	t.Parallel()
	reg := imagetest.NewRegistry()
	t.Cleanup(reg.Close)
	reg.Inject(imagetest.Any, 2, imagetest.Status(http.StatusInternalServerError))
	var codes []int
	for range 3 {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+reg.Host()+"/v2/", http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		codes = append(codes, resp.StatusCode)
	}
	if codes[0] != 500 || codes[1] != 500 || codes[2] != 200 {
		t.Errorf("codes %v", codes)
	}
}
