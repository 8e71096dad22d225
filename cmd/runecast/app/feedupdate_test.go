package app_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/klauspost/compress/zstd"

	"github.com/runecast/runecast/cmd/runecast/app"
	"github.com/runecast/runecast/pkg/feed"
	"github.com/runecast/runecast/pkg/feed/artifact"
	"github.com/runecast/runecast/pkg/image/imagetest"
)

// feedRepository is where tests of updates put their feed in a registry.
const feedRepository = "runecast/feed:latest"

// place is a registry with a feed.
type place struct {
	t         testing.TB
	registry  *imagetest.Registry
	reference string // with the scheme
	built     int    // feeds so far
}

func newPlace(t *testing.T) *place {
	t.Helper()
	p := &place{t: t, registry: imagetest.NewRegistry()}
	t.Cleanup(p.registry.Close)
	p.reference = artifact.Scheme + p.registry.Host() + "/" + feedRepository
	return p
}

// index builds a feed of the tests' record, fixed in a version, that is a second newer than the one before; it gives its revision, too.
func (p *place) index(fixed string) (file, revision string) {
	p.t.Helper()
	p.built++
	at := time.Now().UTC().Truncate(time.Second).Add(time.Duration(p.built-100) * time.Second)
	record := strings.Replace(strings.Replace(debianRecord, "1.1.1d-0+deb10u7", fixed, 1), "2024-11-21T06:22:12Z", fmt.Sprintf("2024-11-21T07:%02d:00Z", p.built), 1)
	osv := writeOSV(p.t, "Debian", map[string]string{"DEBIAN-CVE-2021-3711.json": record})
	file = filepath.Join(p.t.TempDir(), "feed.index")
	info, err := feed.Build(p.t.Context(), feed.Sources{OSVDir: osv, Now: func() time.Time { return at }}, file, nil)
	if err != nil {
		p.t.Fatal(err)
	}
	return file, info.Revision
}

func (p *place) push(file string) {
	p.t.Helper()
	if _, err := artifact.Push(p.t.Context(), file, p.reference, artifact.Options{}); err != nil {
		p.t.Fatal(err)
	}
}

// raw is a manifest as it is.
type raw []byte

func (r raw) RawManifest() ([]byte, error)      { return r, nil }
func (raw) MediaType() (types.MediaType, error) { return types.OCIManifestSchema1, nil }

// pushBytes puts bytes there as a feed whose digests are all true, after change had its way with the manifest.
func (p *place) pushBytes(index []byte, change func(layer map[string]any)) {
	p.t.Helper()
	encoder, err := zstd.NewWriter(nil)
	if err != nil {
		p.t.Fatal(err)
	}
	packed := encoder.EncodeAll(index, nil)
	sum := func(b []byte) string { s := sha256.Sum256(b); return hex.EncodeToString(s[:]) }
	tag, err := name.NewTag(strings.TrimPrefix(p.reference, artifact.Scheme))
	if err != nil {
		p.t.Fatal(err)
	}
	for _, blob := range []struct {
		body      []byte
		mediaType types.MediaType
	}{{packed, artifact.LayerType}, {[]byte("{}"), "application/vnd.oci.empty.v1+json"}} {
		if err = remote.WriteLayer(tag.Context(), static.NewLayer(blob.body, blob.mediaType), remote.WithContext(p.t.Context())); err != nil {
			p.t.Fatal(err)
		}
	}
	layer := map[string]any{"mediaType": artifact.LayerType, "digest": "sha256:" + sum(packed), "size": len(packed)}
	change(layer)
	manifest, err := json.Marshal(map[string]any{
		"schemaVersion": 2, "mediaType": types.OCIManifestSchema1, "artifactType": artifact.Type, "layers": []any{layer},
		"config":      map[string]any{"mediaType": "application/vnd.oci.empty.v1+json", "digest": "sha256:" + sum([]byte("{}")), "size": 2},
		"annotations": map[string]string{"com.runecast.feed.sha256": sum(index)},
	})
	if err != nil {
		p.t.Fatal(err)
	}
	if err = remote.Put(tag, raw(manifest), remote.WithContext(p.t.Context())); err != nil {
		p.t.Fatal(err)
	}
}

func readFile(t *testing.T, path string) []byte {
	t.Helper()
	body, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return body
}

// checkOf gives a check of the readiness answer.
func (s *served) checkOf(name string) app.Check {
	s.t.Helper()
	_, answer := s.do(http.MethodGet, "/readyz", "")
	var ready app.Readiness
	if err := json.Unmarshal([]byte(answer), &ready); err != nil {
		s.t.Fatal(err)
	}
	for _, c := range ready.Checks {
		if c.Name == name {
			return c
		}
	}
	return app.Check{}
}

// metric gives the value of a metric without labels.
func (s *served) metric(name string) float64 {
	s.t.Helper()
	_, text := s.do(http.MethodGet, "/metrics", "")
	found := regexp.MustCompile(`(?m)^` + name + ` (\S+)$`).FindStringSubmatch(text)
	if found == nil {
		s.t.Fatalf("there is no metric %s", name)
	}
	value, err := strconv.ParseFloat(found[1], 64)
	if err != nil {
		s.t.Fatal(err)
	}
	return value
}

// revision is that of the index in place, as feed status tells it.
func (h *home) revision() string {
	h.t.Helper()
	_, out, errOut := h.run("feed", "status", "-o", "json")
	var status struct {
		Revision string `json:"revision"`
	}
	if err := json.Unmarshal([]byte(out), &status); err != nil || status.Revision == "" {
		h.t.Fatalf("feed status: %v, %s%s", err, out, errOut)
	}
	return status.Revision
}

const failuresMetric, successMetric = "runecast_feed_update_failures_total", "runecast_feed_update_last_success_timestamp_seconds"

// updateFault is what goes wrong at the source.
type updateFault struct {
	name, want string
	harm       func(t *testing.T)
}

// tryFaults lets each fault happen to a running server, and takes it away again: heal gives the revision that the source has then, or ""
// where it puts it there in one step.
func tryFaults(t *testing.T, h *home, s *served, faults []updateFault, heal func() string) {
	t.Helper()
	until(t, "the first update is done", func() bool { return s.metric(successMetric) > 0 })
	last, seen := h.revision(), ""
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("feed source: %s", seen)
		}
	})
	for _, c := range faults {
		before := s.metric(failuresMetric)
		c.harm(t)
		until(t, c.name+" is visible", func() bool {
			check := s.checkOf("feed source")
			seen = check.Detail
			return check.State == "degraded" && strings.Contains(check.Detail, c.want) && strings.Contains(check.Detail, "updates in a row failed, last success ")
		})
		if now := s.metric(failuresMetric); now <= before {
			t.Errorf("%s: %v failures, there were %v", c.name, now, before)
		}
		if log := s.log.String(); !strings.Contains(log, "feed update failed; the index in place stays in use") || !strings.Contains(log, strings.Trim(fmt.Sprintf("%q", c.want), `"`)) {
			t.Errorf("%s is not in the log", c.name)
		}
		if now := h.revision(); now != last {
			t.Errorf("%s: the index in place is of the revision %s, was %s", c.name, now, last)
		}
		until(t, c.name+" is in feed status", func() bool { // whose record is written after the server knows
			code, out, _ := h.run("feed", "status")
			return code == app.ExitOK && strings.Contains(out, "updates in a row failed")
		})
		if code, answer := s.do(http.MethodPost, reviewPath, podReview(h.vulnerable)); code != http.StatusOK || !strings.Contains(answer, deniedLine) || !strings.Contains(answer, "CVE-2021-3711 critical") {
			t.Errorf("%s: a review: %d %s", c.name, code, answer)
		}
		if check := s.checkOf("feed"); check.State != "ok" {
			t.Errorf("%s: feed %+v", c.name, check)
		}
		wanted := heal()
		until(t, "it is well again after "+c.name, func() bool {
			well := s.checkOf("feed source").State == "ok"
			last = h.revision()
			return well && (wanted == "" || last == wanted)
		})
	}
	if refused := s.metric("runecast_feeds_refused_total"); refused != 0 {
		t.Errorf("the server had to refuse %v files, which no update may put there", refused)
	}
}

// TestUpdatesFromARegistryThatFail shows that each fault keeps the last good index, is counted, logged and visible.
func TestUpdatesFromARegistryThatFail(t *testing.T) {
	t.Parallel()
	h := &home{t: t, dir: t.TempDir()}
	h.fill()
	if err := os.Remove(filepath.Join(h.dir, "feed.index")); err != nil {
		t.Fatal(err)
	}
	p := newPlace(t)
	const fixed = "1.1.1d-0+deb10u7"
	oldest, _ := p.index(fixed)
	push := func() { file, _ := p.index(fixed); p.push(file) }
	push()
	layers := func(req *http.Request) bool { return req.Method == http.MethodGet && imagetest.Blob(req) } // a push goes past it
	inject := func(match imagetest.Match, fault imagetest.Fault, fresh bool) func(*testing.T) {
		return func(*testing.T) {
			p.registry.Inject(match, imagetest.Always, fault)
			if fresh {
				push() // whose layer must be fetched
			}
		}
	}
	s := h.serve("--feed-url", p.reference, "--feed-update-interval", "30ms")
	tryFaults(t, h, s, []updateFault{
		{"a registry that is broken", "503", inject(imagetest.Any, imagetest.Status(http.StatusServiceUnavailable), false)},
		{"no credentials", "UNAUTHORIZED", inject(imagetest.Any, imagetest.Status(http.StatusUnauthorized), false)},
		{"a body that is cut off", "unexpected EOF", inject(layers, imagetest.CutAfter(40), true)},
		{"other bytes than the digest's", "pull the feed from " + p.reference, inject(layers, imagetest.WrongContent(), true)},
		{"an image in its place", "it is no feed: its", func(t *testing.T) {
			t.Helper()
			p.registry.MustPush(t.Context(), feedRepository, imagetest.Alpine())
		}},
		{"another type of layer", "a feed has one of the type " + artifact.LayerType, func(t *testing.T) {
			t.Helper()
			p.pushBytes(readFile(t, oldest), func(layer map[string]any) { layer["mediaType"] = "application/octet-stream" })
		}},
		{"a layer that says it is too large", "the layer has 9663676416 bytes, at most 8589934592 are taken", func(t *testing.T) {
			t.Helper()
			p.pushBytes(readFile(t, oldest), func(layer map[string]any) { layer["size"] = int64(9) << 30 })
		}},
		{"a damaged index", "is damaged: ", func(t *testing.T) {
			t.Helper()
			file, _ := p.index(fixed)
			body := readFile(t, file)
			body[len(body)/2] ^= 1
			p.pushBytes(body, func(map[string]any) {})
		}},
		{"an older index", "it was built before the index in place", func(*testing.T) { p.push(oldest) }},
	}, func() string {
		p.registry.Heal()
		file, revision := p.index(fixed)
		p.push(file)
		return revision
	})
	p.registry.Close()
	until(t, "that the registry is gone is visible", func() bool { return strings.Contains(s.checkOf("feed source").Detail, "connection refused") })
	if _, answer := s.do(http.MethodPost, reviewPath, podReview(h.vulnerable)); !strings.Contains(answer, deniedLine) {
		t.Errorf("a review without the registry: %s", answer)
	}
}

// TestUpdatesFromAWebServerThatFail is the same for an index at an https URL.
func TestUpdatesFromAWebServerThatFail(t *testing.T) {
	t.Parallel()
	h := &home{t: t, dir: t.TempDir()}
	h.fill()
	if err := os.Remove(filepath.Join(h.dir, "feed.index")); err != nil {
		t.Fatal(err)
	}
	p := newPlace(t)
	const fixed = "1.1.1d-0+deb10u7"
	var (
		mu    sync.Mutex
		body  []byte
		fault http.HandlerFunc
	)
	set := func(b []byte, f http.HandlerFunc) {
		mu.Lock()
		defer mu.Unlock()
		body, fault = b, f
	}
	next := func() []byte { file, _ := p.index(fixed); return readFile(t, file) }
	oldest := next()
	set(next(), nil)
	web := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		mu.Lock()
		now, f := body, fault
		mu.Unlock()
		if f != nil {
			f(w, req)
			return
		}
		s := sha256.Sum256(now)
		w.Header().Set("ETag", `"`+hex.EncodeToString(s[:8])+`"`)
		http.ServeContent(w, req, "", time.Time{}, bytes.NewReader(now))
	}))
	t.Cleanup(web.Close)
	ca := write(t, filepath.Join(t.TempDir(), "ca.pem"), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: web.Certificate().Raw}))
	s := h.serve("--feed-url", strings.Replace(web.URL, "https://", "https://me:hunter2@", 1)+"/feed.index", "--download-ca-files", ca, "--feed-update-interval", "30ms")
	status := func(code int) func(*testing.T) {
		return func(*testing.T) {
			set(nil, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) })
		}
	}
	damaged := next()
	damaged[len(damaged)/2] ^= 1
	tryFaults(t, h, s, []updateFault{
		{"not there", "/feed.index: 404 Not Found", status(http.StatusNotFound)},
		{"no credentials", "/feed.index: 401 Unauthorized", status(http.StatusUnauthorized)},
		{"a server that asks to wait", "it asks to wait for 24h0m0s, longer than 2m0s", func(*testing.T) {
			set(nil, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Retry-After", "86400")
				w.WriteHeader(http.StatusTooManyRequests)
			})
		}},
		{"a damaged index", "what came is refused: feed index ", func(*testing.T) { set(damaged, nil) }},
		{"half of it", "what came is refused: feed index ", func(*testing.T) { set(damaged[:len(damaged)/2], nil) }},
		{"too large", "it has 9663676416 bytes, at most 8589934592 are taken", func(*testing.T) {
			set(nil, func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Content-Length", "9663676416") })
		}},
		{"an older index", "it was built before the index in place", func(*testing.T) { set(oldest, nil) }},
	}, func() string { set(next(), nil); return "" })
	if strings.Contains(s.log.String(), "hunter2") {
		t.Error("the log shows the password")
	}
}
