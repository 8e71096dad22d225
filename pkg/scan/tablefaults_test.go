package scan_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/runecast/runecast/pkg/image"
	"github.com/runecast/runecast/pkg/image/imagetest"
	"github.com/runecast/runecast/pkg/scan"
)

// TestDamagedTablesAreNotBelieved scans layers whose tables cannot be used, or whose registry gives no parts: the report is that of
// the whole layer.
func TestDamagedTablesAreNotBelieved(t *testing.T) {
	t.Parallel()
	honest := imagetest.ZstdChunked(64<<10, mixture()...)
	lied := "sha256:" + strings.Repeat("0", 64)
	parts := func(req *http.Request) bool { return req.Header.Get("Range") != "" }
	for name, c := range map[string]struct {
		layer v1.Layer
		fault imagetest.Fault // of requests for parts
	}{
		"a wrong digest":  {layer: imagetest.Annotated(imagetest.EStargz(0, mixture()...), map[string]string{imagetest.StargzDigest: lied})},
		"a damaged table": {layer: imagetest.WithTable(honest, func([]byte) []byte { return []byte(`{"version":1`) })},
		"wrong parts":     {layer: honest, fault: imagetest.WrongContent()},
		"cut parts":       {layer: honest, fault: imagetest.CutAfter(100)},
		"no parts": {layer: honest, fault: func(w http.ResponseWriter, req *http.Request, next http.Handler) {
			req.Header.Del("Range")
			next.ServeHTTP(w, req)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t)
			img := imagetest.Image(c.layer)
			ref := b.reg.MustPush(t.Context(), "app:1", img)
			if c.fault != nil {
				b.reg.Inject(parts, imagetest.Always, c.fault)
			}
			b.restart(t, trusting(t, b, "all"))
			r := b.report(t, ref)
			if r.ByTable != 0 || r.Packages < 100 || len(r.Warnings) != 0 {
				t.Errorf("by table %d, %d packages, warnings %q", r.ByTable, r.Packages, r.Warnings)
			}
			eventually(t, "report and inventory are stored", func() bool {
				_, reports, inventories := b.stores.keys()
				return reports == 1 && inventories == 1
			})
			if layers, _, _ := b.stores.keys(); !slices.Equal(layers, []string{firstLayer(t, img)}) {
				t.Errorf("stored are layers %q", layers)
			}
		})
	}
}

// TestCorruptLayerWithTable has a registry whose bytes are wrong however they are asked for.
func TestCorruptLayerWithTable(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	img := imagetest.Image(imagetest.EStargz(0, mixture()...))
	ref := b.reg.MustPush(t.Context(), "app:1", img)
	b.reg.Inject(imagetest.Path("/blobs/"+firstLayer(t, img)), imagetest.Always, imagetest.WrongContent())
	b.restart(t, trusting(t, b, "all"))
	_, err := b.Scan(t.Context(), scan.Request{Reference: ref})
	if e, ok := errors.AsType[*scan.Error](err); !ok || e.Kind != scan.KindCorrupt {
		t.Errorf("error %v", err)
	}
}

// TestWrongMirrors reads a layer that comes wrong from one mirror, or does not come whole, from the next host.
func TestWrongMirrors(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]imagetest.Fault{
		"wrong": imagetest.WrongContent(), "cut": imagetest.CutAfter(1000), "wrong and cut": func(w http.ResponseWriter, req *http.Request, next http.Handler) {
			imagetest.CutAfter(1000)(w, req, http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) { imagetest.WrongContent()(w, req, next) }))
		}, "its last byte": func(w http.ResponseWriter, req *http.Request, next http.Handler) {
			recorder := httptest.NewRecorder()
			next.ServeHTTP(recorder, req)
			body := recorder.Body.Bytes()
			body[len(body)-1] ^= 1
			imagetest.Content("application/octet-stream", body)(w, req, next)
		},
	} {
		for _, good := range []string{"mirror", "registry", "none"} {
			t.Run(name+", good is "+good, func(t *testing.T) {
				t.Parallel()
				b := newBench(t)
				mirrors := []*imagetest.Registry{imagetest.NewRegistry(), imagetest.NewRegistry()}
				img := imagetest.Image(imagetest.Layer(mixture()...))
				ref := b.reg.MustPush(t.Context(), "app:1", img)
				layer := imagetest.Path("/blobs/" + firstLayer(t, img))
				var hosts strings.Builder
				for i, m := range mirrors {
					t.Cleanup(m.Close)
					m.MustPush(t.Context(), "app:1", img)
					if i == 0 || good != "mirror" {
						m.Inject(layer, imagetest.Always, fault)
					}
					_, _ = fmt.Fprintf(&hosts, "[host.\"http://%s\"]\n", m.Host())
				}
				if good == "none" {
					b.reg.Inject(layer, imagetest.Always, fault)
				}
				b.usePuller(t, hosts.String())
				r, err := b.Scan(t.Context(), scan.Request{Reference: ref})
				if good != "none" {
					if err != nil || r.Packages < 100 {
						t.Errorf("report %v, %v", r, err)
					}
					return
				}
				if e, ok := errors.AsType[*scan.Error](err); !ok || e.Kind != scan.KindCorrupt && e.Kind != scan.KindUnreachable {
					t.Errorf("error %v", err)
				}
				if n := mirrors[0].Count("/blobs/"+firstLayer(t, img)) + mirrors[1].Count("/blobs/"+firstLayer(t, img)) + b.reg.Count("/blobs/"+firstLayer(t, img)); n > 12 {
					t.Errorf("%d requests for a layer that is wrong everywhere", n)
				}
			})
		}
	}
}

// usePuller replaces the puller by one with a hosts.toml for all registries.
func (b *bench) usePuller(tb testing.TB, hosts string) {
	tb.Helper()
	dir := filepath.Join(tb.TempDir(), "_default")
	if err := os.Mkdir(dir, 0o750); err != nil {
		tb.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "hosts.toml"), []byte(hosts), 0o600); err != nil {
		tb.Fatal(err)
	}
	var err error
	b.puller, err = image.NewPuller(image.Options{
		Keychain: authn.NewMultiKeychain(), Backoff: time.Millisecond, AllowNetworks: []string{"127.0.0.0/8"}, ConfigDir: filepath.Dir(dir),
	})
	if err != nil {
		tb.Fatal(err)
	}
	b.restart(tb)
}

// BenchmarkTables scans a layer cold by its table of contents and whole.
func BenchmarkTables(b *testing.B) {
	var files []imagetest.File
	for i := range 40 {
		files = append(files, imagetest.File{Path: fmt.Sprintf("usr/share/data/%d.bin", i), Body: noise(2<<20, uint32(i))})
		if i == 20 {
			files = append(files, mixture()...)
		}
	}
	for name, layer := range map[string]v1.Layer{"eStargz": imagetest.EStargz(0, files...), "zstd-chunked": imagetest.ZstdChunked(64<<10, files...)} {
		for _, trust := range []string{"all", "off"} {
			b.Run(name+"/"+map[string]string{"all": "by table", "off": "whole"}[trust], func(b *testing.B) {
				e := newBench(b)
				ref := e.reg.MustPush(b.Context(), "app:1", imagetest.Image(layer))
				size, err := layer.Size()
				if err != nil {
					b.Fatal(err)
				}
				b.SetBytes(size)
				e.reg.ResetCounts()
				for b.Loop() {
					e.stores = newStores()
					e.restart(b, trusting(b, e, trust))
					e.report(b, ref)
				}
				b.ReportMetric(float64(e.reg.Sent())/float64(b.N), "sent-B/op")
			})
		}
	}
}
