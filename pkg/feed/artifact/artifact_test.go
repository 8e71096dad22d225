package artifact_test

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/runecast/runecast/pkg/advisory"
	"github.com/runecast/runecast/pkg/feed"
	"github.com/runecast/runecast/pkg/feed/artifact"
	"github.com/runecast/runecast/pkg/image/imagetest"
)

// index builds an index of one record and gives its path.
func index(t *testing.T, id string) string {
	t.Helper()
	osv := t.TempDir()
	if err := os.Mkdir(filepath.Join(osv, "Go"), 0o700); err != nil {
		t.Fatal(err)
	}
	var body bytes.Buffer
	z := zip.NewWriter(&body)
	w, err := z.Create(id + ".json")
	if err == nil {
		_, err = w.Write([]byte(`{"schema_version":"1.7.0","id":"` + id + `","modified":"2026-08-01T00:00:00Z","affected":[
			{"package":{"ecosystem":"Go","name":"m"},"ranges":[{"type":"SEMVER","events":[{"introduced":"0"}]}]}]}`))
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(osv, "Go", "all.zip"), body.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "feed.index")
	now := func() time.Time { return time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC) }
	if _, err := feed.Build(t.Context(), feed.Sources{OSVDir: osv, Now: now}, path, nil); err != nil {
		t.Fatal(err)
	}
	return path
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func registry(t *testing.T) *imagetest.Registry {
	t.Helper()
	r := imagetest.NewRegistry()
	t.Cleanup(r.Close)
	return r
}

func TestPushAndPull(t *testing.T) {
	t.Parallel()
	r := registry(t)
	reference := artifact.Scheme + r.Host() + "/runecast/feed:latest"
	first := index(t, "GO-1")
	pushed, err := artifact.Push(t.Context(), first, reference, artifact.Options{})
	if err != nil || pushed.Info.Advisories != 1 || !strings.HasPrefix(pushed.Digest, "sha256:") {
		t.Fatalf("%+v, %v", pushed, err)
	}
	again, err := artifact.Push(t.Context(), first, reference, artifact.Options{})
	if err != nil || again.Digest != pushed.Digest {
		t.Errorf("the same index made another manifest: %+v, %v", again, err)
	}
	target := filepath.Join(t.TempDir(), "feed.index")
	var moved int64
	options := artifact.Options{Progress: func(_ string, done, _ int64) { moved = done }}
	pulled, err := artifact.Pull(t.Context(), reference, target, options)
	if err != nil || pulled.Unchanged || pulled.Digest != pushed.Digest || pulled.Info.Revision != pushed.Info.Revision || moved == 0 {
		t.Fatalf("%+v, %v, %d bytes", pulled, err, moved)
	}
	if !bytes.Equal(read(t, target), read(t, first)) {
		t.Error("what came out is not what went in")
	}
	r.ResetCounts()
	same, err := artifact.Pull(t.Context(), reference, target, options)
	if err != nil || !same.Unchanged || same.Info.Revision != pushed.Info.Revision || r.Blobs() != 0 {
		t.Errorf("%+v, %v, %d blobs", same, err, r.Blobs())
	}
	second := index(t, "GO-2")
	if _, err = artifact.Push(t.Context(), second, reference, artifact.Options{}); err != nil {
		t.Fatal(err)
	}
	newer, err := artifact.Pull(t.Context(), reference, target, options)
	if err != nil || newer.Unchanged || !bytes.Equal(read(t, target), read(t, second)) {
		t.Errorf("%+v, %v", newer, err)
	}
	if files, err := os.ReadDir(filepath.Dir(target)); err != nil || len(files) != 1 {
		t.Errorf("the directory has %v, %v", files, err)
	}
}

func TestManifest(t *testing.T) {
	t.Parallel()
	r := registry(t)
	reference := artifact.Scheme + r.Host() + "/feed:1"
	pushed, err := artifact.Push(t.Context(), index(t, "GO-1"), reference, artifact.Options{})
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+r.Host()+"/v2/feed/manifests/1", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	var m struct {
		ArtifactType string `json:"artifactType"`
		Layers       []struct {
			MediaType string `json:"mediaType"`
		} `json:"layers"`
		Annotations map[string]string `json:"annotations"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&m); err != nil {
		t.Fatal(err)
	}
	if m.ArtifactType != "application/vnd.runecast.feed.v1" || len(m.Layers) != 1 || m.Layers[0].MediaType != "application/vnd.runecast.feed.index.v1+zstd" ||
		m.Annotations["com.runecast.feed.revision"] != pushed.Info.Revision || m.Annotations["org.opencontainers.image.created"] != pushed.Info.Date.UTC().Format(time.RFC3339) {
		t.Errorf("%+v", m)
	}
}

func TestPullKeepsTheLastGoodIndex(t *testing.T) {
	t.Parallel()
	r := registry(t)
	reference := artifact.Scheme + r.Host() + "/feed:1"
	pushed, err := artifact.Push(t.Context(), index(t, "GO-1"), reference, artifact.Options{})
	if err != nil {
		t.Fatal(err)
	}
	other := r.MustPush(t.Context(), "other:1", imagetest.Alpine())
	other = artifact.Scheme + strings.TrimPrefix(other, "http://")
	mine := read(t, index(t, "GO-2"))
	target := filepath.Join(t.TempDir(), "feed.index")
	if err := os.WriteFile(target, mine, 0o600); err != nil {
		t.Fatal(err)
	}
	wrongSum := strings.ReplaceAll(string(manifestOf(t, r)), `"com.runecast.feed.sha256":"`, `"com.runecast.feed.sha256":"0`)
	shortSum := artifact.Scheme + r.Host() + "/feed:short"
	put(t, shortSum, []byte(wrongSum))
	for _, c := range []struct {
		name, reference string
		match           imagetest.Match
		fault           imagetest.Fault
		max             int64
		want            string
	}{
		{"wrong bytes", reference, imagetest.Blob, imagetest.WrongContent(), 0, "pull the feed from"},
		{"cut off", reference, imagetest.Blob, imagetest.CutAfter(40), 0, "pull the feed from"},
		{"registry down", reference, imagetest.Any, imagetest.Status(http.StatusForbidden), 0, "injected fault"},
		{"an image", other, nil, nil, 0, "it is no feed"},
		{"no checksum", shortSum, nil, nil, 0, "lacks the annotation com.runecast.feed.sha256"},
		{"too large compressed", reference, nil, nil, 10, "at most 10 are taken"},
		{"no scheme", "registry/feed:1", nil, nil, 0, "write oci://registry/repository:tag"},
		{"not there", artifact.Scheme + r.Host() + "/none:1", nil, nil, 0, "NAME_UNKNOWN"},
	} {
		if c.fault != nil {
			r.Inject(c.match, 100, c.fault)
		}
		_, err := artifact.Pull(t.Context(), c.reference, target, artifact.Options{MaxBytes: c.max})
		r.Heal()
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
		if !bytes.Equal(read(t, target), mine) {
			t.Errorf("%s: the index in place changed", c.name)
		}
		if files, err := os.ReadDir(filepath.Dir(target)); err != nil || len(files) != 1 {
			t.Errorf("%s: the directory has %v, %v", c.name, files, err)
		}
	}
	if result, err := artifact.Pull(t.Context(), reference, target, artifact.Options{}); err != nil || result.Digest != pushed.Digest {
		t.Errorf("after the faults: %+v, %v", result, err)
	}
}

func TestPushRefusesADamagedIndex(t *testing.T) {
	t.Parallel()
	r := registry(t)
	path := index(t, "GO-1")
	b := read(t, path)
	b[len(b)/2] ^= 1
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := artifact.Push(t.Context(), path, artifact.Scheme+r.Host()+"/feed:1", artifact.Options{})
	var fault *advisory.IndexError
	if err == nil || !errors.As(err, &fault) || r.Requests() != 0 {
		t.Errorf("%v, %d requests", err, r.Requests())
	}
}

func TestNoTLS(t *testing.T) {
	t.Parallel()
	// The library falls back to plain HTTP for private addresses; the transport below would answer it.
	var asked []string
	answer := roundTripper(func(req *http.Request) (*http.Response, error) {
		asked = append(asked, req.URL.Scheme+"://"+req.URL.Host)
		if req.URL.Scheme == "https" {
			return nil, http.ErrSchemeMismatch
		}
		return &http.Response{StatusCode: http.StatusTeapot, Body: http.NoBody, Request: req}, nil
	})
	target := filepath.Join(t.TempDir(), "feed.index")
	_, err := artifact.Pull(t.Context(), "oci://10.1.2.3:5000/feed:1", target, artifact.Options{Transport: answer})
	if err == nil || !strings.Contains(err.Error(), "10.1.2.3:5000 is not asked without TLS; name it in registryPlainHttp to allow that") {
		t.Errorf("not named: %v", err)
	}
	for _, url := range asked {
		if strings.HasPrefix(url, "http:") {
			t.Errorf("asked %s", url)
		}
	}
	_, err = artifact.Pull(t.Context(), "oci://10.1.2.3:5000/feed:1", target, artifact.Options{Transport: answer, PlainHTTP: []string{"10.1.2.3:5000"}})
	if err == nil || strings.Contains(err.Error(), "without TLS") || asked[len(asked)-1] != "http://10.1.2.3:5000" {
		t.Errorf("named: %v, asked %v", err, asked)
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

// body is a manifest as it is.
type body []byte

func (b body) RawManifest() ([]byte, error)      { return b, nil }
func (body) MediaType() (types.MediaType, error) { return types.OCIManifestSchema1, nil }

func put(t *testing.T, reference string, manifest []byte) {
	t.Helper()
	if err := remote.Put(parse(t, reference), body(manifest), remote.WithContext(t.Context())); err != nil {
		t.Fatal(err)
	}
}

func manifestOf(t *testing.T, r *imagetest.Registry) []byte {
	t.Helper()
	desc, err := remote.Get(parse(t, artifact.Scheme+r.Host()+"/feed:1"), remote.WithContext(t.Context()))
	if err != nil {
		t.Fatal(err)
	}
	return desc.Manifest
}

func parse(t *testing.T, reference string) name.Reference {
	t.Helper()
	ref, err := name.ParseReference(strings.TrimPrefix(reference, artifact.Scheme))
	if err != nil {
		t.Fatal(err)
	}
	return ref
}
