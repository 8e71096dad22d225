package image_test

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"

	"github.com/runecast/runecast/pkg/image"
	"github.com/runecast/runecast/pkg/image/imagetest"
)

func TestResolveTag(t *testing.T) {
	t.Parallel()
	reg := newRegistry(t)
	ref, digest, err := reg.Push(t.Context(), "library/nginx:1.19", imagetest.Nginx119())
	if err != nil {
		t.Fatal(err)
	}
	img := resolve(t, newPuller(t), ref)
	if img.Digest != digest || img.Index != "" || img.Platform != "linux/amd64" || img.Reference != ref || len(img.Layers) != 3 {
		t.Errorf("got %+v", img)
	}
	if img.Size() <= 0 || img.Size() != img.Layers[0].Size+img.Layers[1].Size+img.Layers[2].Size {
		t.Errorf("size %d", img.Size())
	}
}

func TestWarmResolveCostsNoRequest(t *testing.T) {
	t.Parallel()
	reg := newRegistry(t)
	ref, digest, err := reg.Push(t.Context(), "app:1", imagetest.Alpine())
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	p := newPuller(t, func(o *image.Options) { o.Now = func() time.Time { return now } })
	resolve(t, p, ref)
	reg.ResetCounts()
	resolve(t, p, ref)
	resolve(t, p, reg.Host()+"/app@"+digest)
	resolve(t, p, reg.Host()+"/app:1@"+digest)
	if n := reg.Requests(); n != 0 {
		t.Errorf("%d requests for what is known", n)
	}
	now = now.Add(31 * time.Second)
	resolve(t, p, ref)
	if head, all := reg.Count("HEAD /v2/app/manifests/1"), reg.Requests(); head != 1 || all != 1 {
		t.Errorf("after the time: %d HEAD, %d requests, want 1 and 1", head, all)
	}
	_, moved, err := reg.Push(t.Context(), "app:1", imagetest.TwoLayer())
	if err != nil {
		t.Fatal(err)
	}
	if img := resolve(t, p, ref); img.Digest != digest {
		t.Errorf("tag asked for within its time")
	}
	now = now.Add(31 * time.Second)
	if img := resolve(t, p, ref); img.Digest != moved {
		t.Errorf("moved tag gives %s, want %s", img.Digest, moved)
	}
}

func TestConcurrentResolvesShareRequests(t *testing.T) {
	t.Parallel()
	reg := newRegistry(t)
	ref := reg.MustPush(t.Context(), "app:1", imagetest.Alpine())
	open := make(chan struct{})
	reg.Inject(imagetest.Manifest, imagetest.Always, reg.Gate(open))
	p := newPuller(t)
	var callers sync.WaitGroup
	for range 50 {
		callers.Go(func() {
			if _, err := p.Resolve(t.Context(), ref, ""); err != nil {
				t.Errorf("resolve: %v", err)
			}
		})
	}
	for reg.Manifests() == 0 {
		time.Sleep(time.Millisecond)
	}
	close(open)
	callers.Wait()
	if n := reg.Manifests(); n != 1 {
		t.Errorf("%d requests for the manifest, want 1", n)
	}
}

func TestResolvePlatforms(t *testing.T) {
	t.Parallel()
	layer := imagetest.Layer(imagetest.Text("a", "b"))
	images := map[string]v1.Image{}
	var list []v1.Image
	for _, platform := range []string{"linux/amd64", "linux/arm64/v8", "linux/arm/v6", "linux/arm/v7", "windows/amd64", "linux/s390x"} {
		img := imagetest.ImageFor(platform, layer, imagetest.Layer(imagetest.Text("platform", platform)))
		images[platform] = img
		list = append(list, img)
	}
	reg := newRegistry(t)
	ref, indexDigest, err := reg.Push(t.Context(), "multi:1", imagetest.WithAttestation(imagetest.Index(list...)))
	if err != nil {
		t.Fatal(err)
	}
	p := newPuller(t)
	for asked, want := range map[string]string{
		"": "linux/amd64", "linux/amd64": "linux/amd64", "linux/amd64/v3": "linux/amd64", "linux/x86_64": "linux/amd64",
		"linux/arm64": "linux/arm64/v8", "linux/arm64/v8": "linux/arm64/v8", "linux/aarch64": "linux/arm64/v8",
		"linux/arm": "linux/arm/v7", "linux/arm/v6": "linux/arm/v6", "linux/arm/v7": "linux/arm/v7", "linux/arm/v5": "linux/arm/v6",
		"windows/amd64": "windows/amd64", "linux/s390x": "linux/s390x",
	} {
		img, failure := p.Resolve(t.Context(), ref, asked)
		if failure != nil {
			t.Errorf("%s: %v", asked, failure)
			continue
		}
		digest, failure := images[want].Digest()
		if failure != nil {
			t.Fatal(failure)
		}
		if img.Digest != digest.String() || img.Index != indexDigest {
			t.Errorf("%q gives %s of index %s, want %s of %s", asked, img.Platform, img.Index, want, indexDigest)
		}
	}
	_, err = p.Resolve(t.Context(), ref, "linux/riscv64")
	e := wantFault(t, err, image.KindNoPlatform, "image "+ref+": its index has no manifest for linux/riscv64, only for "+
		"linux/amd64, linux/arm/v6, linux/arm/v7, linux/arm64, linux/s390x, windows/amd64")
	if len(e.Platforms) != 6 || e.Temporary() {
		t.Errorf("platforms %v, temporary %v", e.Platforms, e.Temporary())
	}
	_, err = p.Resolve(t.Context(), ref, "linux")
	wantError(t, err, image.KindBadReference, "image "+ref+`: platform "linux" is not os/arch[/variant]`)
}

func TestResolveLooksIntoEntriesWithoutPlatform(t *testing.T) {
	t.Parallel()
	arm, amd := imagetest.ImageFor("linux/arm64"), imagetest.ImageFor("linux/amd64")
	index := mutate.AppendManifests(empty.Index, mutate.IndexAddendum{Add: arm}, mutate.IndexAddendum{Add: amd})
	reg := newRegistry(t)
	ref := reg.MustPush(t.Context(), "bare:1", index)
	if img := resolve(t, newPuller(t), ref); img.Platform != "linux/amd64" {
		t.Errorf("platform %s", img.Platform)
	}
}

func TestResolveRefusesWhatIsNoImage(t *testing.T) {
	t.Parallel()
	reg := newRegistry(t)
	chart := reg.MustPush(t.Context(), "chart:1", imagetest.HelmChart())
	empty := reg.MustPush(t.Context(), "empty:1", imagetest.WithAttestation(imagetest.Index()))
	p := newPuller(t)
	_, err := p.Resolve(t.Context(), chart, "")
	wantError(t, err, image.KindNotAnImage, "image "+chart+": it is an artifact of type application/vnd.cncf.helm.config.v1+json, not a container image")
	_, err = p.Resolve(t.Context(), empty, "")
	wantError(t, err, image.KindNoPlatform, "image "+empty+": its index has no manifest for linux/amd64 nor for any other platform")

	for tag, c := range map[string]struct{ contentType, body, want string }{
		"schema1": {"application/vnd.docker.distribution.manifest.v1+prettyjws", `{"schemaVersion":1}`, "it has a manifest of Docker's schema 1, which container runtimes no longer pull"},
		"html":    {"text/html; charset=utf-8", "<html>login</html>", "it has a manifest of type text/html"},
		"broken":  {"application/vnd.oci.image.manifest.v1+json", `{"config":`, "manifest sha256:3f0a60ec57e3ad8ecfcdb0cd8d8e7d1d6e2a2a9a1b8e0f1d2c3b4a5968778695 cannot be read: unexpected end of JSON input"},
		"huge":    {"application/vnd.oci.image.manifest.v1+json", strings.Repeat(" ", 5<<20), "manifest huge has more than 4194304 bytes"},
		"cut":     {"application/vnd.oci.image.index.v1+json", `[`, "index sha256:245843abef9e72e7efac30138a994bf6301e7e1d7d7042a33d42e863d2638811 cannot be read: unexpected end of JSON input"},
	} {
		reg.Inject(imagetest.Path("/manifests/"+tag), imagetest.Always, imagetest.Content(c.contentType, []byte(c.body)))
		ref := reg.Host() + "/x:" + tag
		_, err := p.Resolve(t.Context(), ref, "")
		if tag == "broken" {
			if err == nil || !strings.Contains(err.Error(), "cannot be read: unexpected end of JSON input") {
				t.Errorf("%s: %v", tag, err)
			}
			continue
		}
		wantError(t, err, image.KindNotAnImage, "image "+ref+": "+c.want)
	}
}

func TestResolveRefusesBadNames(t *testing.T) {
	t.Parallel()
	p := newPuller(t)
	for ref, want := range map[string]string{
		"":                     "a repository name must be specified",
		"UPPER/case":           "repository can only contain the characters `abcdefghijklmnopqrstuvwxyz0123456789_-./`: UPPER/case",
		"nginx:tag with space": "tag can only contain the characters `abcdefghijklmnopqrstuvwxyz0123456789_-.ABCDEFGHIJKLMNOPQRSTUVWXYZ`: tag with space",
		"nginx@sha256:1234":    "invalid checksum digest length: sha256:1234",
		"nginx@md5:1234":       "unsupported digest algorithm: md5:1234",
		"r.example/../a:1":     "could not parse reference: r.example/../a:1: an empty part, . or .. is in its repository",
		"a//b":                 "could not parse reference: a//b: an empty part, . or .. is in its repository",
	} {
		_, err := p.Resolve(t.Context(), ref, "")
		wantError(t, err, image.KindBadReference, "image "+ref+": it is no image reference: "+want)
	}
}

// TestReferencesMeanWhatTheKubeletMeans looks at where requests go.
func TestReferencesMeanWhatTheKubeletMeans(t *testing.T) {
	t.Parallel()
	for ref, want := range map[string]string{
		"nginx:1.19":          "index.docker.io/v2/library/nginx/manifests/1.19",
		"nginx":               "index.docker.io/v2/library/nginx/manifests/latest",
		"docker.io/nginx":     "index.docker.io/v2/library/nginx/manifests/latest",
		"bitnami/nginx:1":     "index.docker.io/v2/bitnami/nginx/manifests/1",
		"quay.io/a/b/c:1":     "quay.io/v2/a/b/c/manifests/1",
		"localhost/app:1":     "localhost/v2/app/manifests/1",
		"registry:5000/app":   "registry:5000/v2/app/manifests/latest",
		"plain.example/app:1": "plain.example/v2/app/manifests/1",
		"ghcr.io/a/b:1@sha256:" + strings.Repeat("a", 64): "ghcr.io/v2/a/b/manifests/sha256:" + strings.Repeat("a", 64),
	} {
		var mu sync.Mutex
		var asked []string
		agents := map[string]bool{}
		p := newPuller(t, func(o *image.Options) {
			o.UserAgent, o.PlainHTTP = "runecast/1.2.3", []string{"plain.example"}
			o.Transport = roundTripper(func(req *http.Request) (*http.Response, error) {
				mu.Lock()
				defer mu.Unlock()
				asked = append(asked, req.URL.Host+req.URL.Path)
				agents[req.Header.Get("User-Agent")] = true
				code := http.StatusNotFound
				if req.URL.Path == "/v2/" {
					code = http.StatusOK
				}
				return &http.Response{StatusCode: code, Header: http.Header{}, Body: http.NoBody, Request: req}, nil
			})
		})
		_, err := p.Resolve(t.Context(), ref, "")
		mu.Lock()
		if err == nil || asked[len(asked)-1] != want || len(agents) != 1 || !agents["runecast/1.2.3"] {
			t.Errorf("%s asks %v as %v (%v), want %s", ref, asked, agents, err, want)
		}
		mu.Unlock()
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

func TestNewPullerChecksOptions(t *testing.T) {
	t.Parallel()
	_, err := image.NewPuller(image.Options{ResolveTTL: -time.Second, MaxRatio: -1})
	const want = "image options: ResolveTTL is -1s, less than zero\nMaxRatio is -1, less than zero"
	if err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestResolveLeavesAtTheCallersDeadline(t *testing.T) {
	t.Parallel()
	reg := newRegistry(t)
	ref := reg.MustPush(t.Context(), "app:1", imagetest.Alpine())
	open := make(chan struct{})
	reg.Inject(imagetest.Manifest, 1, reg.Gate(open))
	p := newPuller(t)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err := p.Resolve(ctx, ref, "")
	wantError(t, err, image.KindUnreachable, "image "+ref+": registry "+reg.Host()+" does not answer: the time for it is over")
	close(open) // the request went on, and its answer is there for the next caller
	resolve(t, p, ref)
	if n := reg.Manifests(); n != 1 {
		t.Errorf("%d requests, want 1", n)
	}
}
