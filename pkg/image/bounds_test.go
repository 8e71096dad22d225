package image_test

import (
	"errors"
	"io"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/runecast/runecast/pkg/image"
	"github.com/runecast/runecast/pkg/image/imagetest"
)

// endless sends a text for ever, or a number of times.
func endless(text string, times int) imagetest.Fault {
	return func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
		w.Header().Set("Content-Type", "application/vnd.oci.image.index.v1+json")
		_, _ = io.WriteString(w, `{"schemaVersion":2,"manifests":[`)
		for i := 0; times < 0 || i < times; i++ {
			if _, err := io.WriteString(w, text); err != nil {
				return
			}
		}
	}
}

// endlessHeader writes header lines until the client has had enough.
func endlessHeader(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	defer func() { _ = conn.Close() }()
	line := "X-More: " + strings.Repeat("x", 4000) + "\r\n"
	for _, err = io.WriteString(conn, "HTTP/1.1 200 OK\r\n"); err == nil; {
		_, err = io.WriteString(conn, line)
	}
}

// TestBounds is not parallel: it measures the memory of the process.
func TestBounds(t *testing.T) { //nolint:paralleltest // see above
	const entry = `{"mediaType":"application/vnd.oci.image.manifest.v1+json","size":1,"digest":"sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"},`
	for name, c := range map[string]struct {
		match imagetest.Match
		fault imagetest.Fault
		kind  image.Kind
	}{
		"manifest of 100 MB":         {imagetest.Manifest, endless(strings.Repeat("x", 1<<20), 100), image.KindNotAnImage},
		"manifest without end":       {imagetest.Manifest, endless(strings.Repeat("x", 1<<20), -1), image.KindNotAnImage},
		"index of a million entries": {imagetest.Manifest, endless(entry, 1_000_000), image.KindNotAnImage},
		"configuration without end":  {imagetest.Blob, endless(strings.Repeat("x", 1<<20), -1), image.KindNotAnImage},
		"header without end":         {imagetest.Manifest, endlessHeader, image.KindUnreachable},
		"first answer's without end": {imagetest.Any, endlessHeader, image.KindUnreachable},
		"layer without end":          {imagetest.Blob, endless(strings.Repeat("x", 1<<20), -1), image.KindCorrupt},
		"header of a layer":          {imagetest.Blob, endlessHeader, image.KindUnreachable},
	} {
		t.Run(name, func(t *testing.T) { //nolint:paralleltest // see above
			reg := newRegistry(t)
			made := imagetest.Alpine()
			ref := reg.MustPush(t.Context(), "app:1", made)
			match := c.match
			layers, err := made.Layers()
			if err != nil {
				t.Fatal(err)
			}
			digest, err := layers[0].Digest()
			if err != nil {
				t.Fatal(err)
			}
			if strings.Contains(name, "layer") {
				match = imagetest.Path("/blobs/" + digest.String())
			}
			reg.Inject(match, imagetest.Always, c.fault)
			p := newPuller(t, impatient)
			done, peak := make(chan struct{}), make(chan uint64)
			go func() {
				var most uint64
				var m runtime.MemStats
				for {
					runtime.ReadMemStats(&m)
					most = max(most, m.HeapInuse)
					select {
					case <-done:
						peak <- most
						return
					case <-time.After(5 * time.Millisecond):
					}
				}
			}()
			begin := time.Now()
			img, err := p.Resolve(t.Context(), ref, "")
			if err == nil {
				_, err = readLayer(t.Context(), p, img)
			}
			close(done)
			most := <-peak
			var e *image.Error
			if !errors.As(err, &e) || e.Kind != c.kind {
				t.Errorf("%v, want %s", err, c.kind)
			}
			if took := time.Since(begin); took > 10*time.Second || most > 200<<20 {
				t.Errorf("%s and %d MB", took, most>>20)
			}
		})
	}
}
