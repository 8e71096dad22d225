package download_test

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/runecast/runecast/pkg/feed/download"
)

// fault answers a request in the origin's place, or lets next do it.
type fault func(w http.ResponseWriter, req *http.Request, next http.Handler)

// origin is a web server with files, as the public places are. It counts, and can be made to fail.
type origin struct {
	*httptest.Server

	mu       sync.Mutex
	files    map[string][]byte
	requests []string // "METHOD path status", with the range asked for
	faults   []injected
}

type injected struct {
	path  string
	times int
	fault fault
}

func newOrigin(t *testing.T) *origin {
	t.Helper()
	o := &origin{files: map[string][]byte{}}
	o.Server = httptest.NewServer(o)
	t.Cleanup(func() {
		o.CloseClientConnections()
		o.Close()
	})
	return o
}

// put sets a file.
func (o *origin) put(path string, body []byte) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.files[path] = body
}

func (o *origin) remove(path string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.files, path)
}

// fail makes the next requests for /file fail; times below zero: all.
func (o *origin) fail(times int, f fault) { o.failAt("/file", times, f) }

func (o *origin) failAt(path string, times int, f fault) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.faults = append(o.faults, injected{path, times, f})
}

func (o *origin) heal() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.faults = nil
}

// log gives the requests since the last call.
func (o *origin) log() []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	requests := o.requests
	o.requests = nil
	return requests
}

func (o *origin) take(path string) fault {
	o.mu.Lock()
	defer o.mu.Unlock()
	for i := range o.faults {
		f := &o.faults[i]
		if f.times != 0 && f.path == path {
			f.times--
			return f.fault
		}
	}
	return nil
}

// counting notes the status and the bytes of an answer.
type counting struct {
	http.ResponseWriter
	status int
}

func (c *counting) WriteHeader(code int) {
	c.status = code
	c.ResponseWriter.WriteHeader(code)
}

func (c *counting) Write(p []byte) (int, error) {
	if c.status == 0 {
		c.status = http.StatusOK
	}
	return c.ResponseWriter.Write(p)
}

func (c *counting) Unwrap() http.ResponseWriter { return c.ResponseWriter }

func (o *origin) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	c := &counting{ResponseWriter: w}
	defer func() {
		o.mu.Lock()
		defer o.mu.Unlock()
		line := fmt.Sprintf("%s %d", req.URL.Path, c.status)
		if r := req.Header.Get("Range"); r != "" {
			line += " " + r
		}
		o.requests = append(o.requests, line)
	}()
	if f := o.take(req.URL.Path); f != nil {
		f(c, req, http.HandlerFunc(o.serve))
		return
	}
	o.serve(c, req)
}

func (o *origin) serve(w http.ResponseWriter, req *http.Request) {
	o.mu.Lock()
	body, ok := o.files[req.URL.Path]
	o.mu.Unlock()
	if !ok {
		http.NotFound(w, req)
		return
	}
	w.Header().Set("ETag", `"`+sum(body)[:16]+`"`)
	http.ServeContent(w, req, "", time.Time{}, bytes.NewReader(body))
}

func sum(body []byte) string {
	s := sha256.Sum256(body)
	return hex.EncodeToString(s[:])
}

// osvRecord is a record of the tests' own.
func osvRecord(id, modified, fixed string) string {
	return `{"schema_version":"1.7.0","id":"` + id + `","modified":"` + modified + `","affected":[{"package":{"ecosystem":"Go","name":"m"},` +
		`"ranges":[{"type":"SEMVER","events":[{"introduced":"0"},{"fixed":"` + fixed + `"}]}]}]}`
}

// export puts an ecosystem's export, its list and its records. Records are id, modified, body.
func (o *origin) export(t *testing.T, ecosystem string, records map[string]string) {
	t.Helper()
	o.put("/osv/"+ecosystem+"/all.zip", zipped(t, records))
	o.list(ecosystem, records)
}

// list puts the list and the records, not the export.
func (o *origin) list(ecosystem string, records map[string]string) {
	var lines []string
	for id, body := range records {
		_, rest, _ := strings.Cut(body, `"modified":"`)
		at, _, _ := strings.Cut(rest, `"`)
		lines = append(lines, at+","+id)
		o.put("/osv/"+ecosystem+"/"+id+".json", []byte(body))
	}
	slices.Sort(lines)
	slices.Reverse(lines)
	o.put("/osv/"+ecosystem+"/modified_id.csv", []byte(strings.Join(lines, "\n")+"\n"))
}

func zipped(t *testing.T, records map[string]string) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for id, body := range records {
		w, err := z.Create(id + ".json")
		if err == nil {
			_, err = w.Write([]byte(body))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func clock() time.Time { return time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC) }

// options downloads Go's records alone from the origin into a directory of the test.
func (o *origin) options(t *testing.T) download.Options {
	t.Helper()
	return download.Options{
		Dir:     t.TempDir(),
		URLs:    download.URLs{OSV: o.URL + "/osv", NVD: o.URL + "/nvd", CVE: o.URL + "/cve.zip", EPSS: o.URL + "/epss.csv.gz", KEV: o.URL + "/kev.json"},
		Sources: []string{download.OSV}, Ecosystems: []string{"Go"},
		Backoff: time.Millisecond, Now: clock,
	}
}

// run downloads and lets the directory go.
func run(t *testing.T, opts download.Options) (*download.Result, error) { //nolint:gocritic // hugeParam: a test
	t.Helper()
	got, err := download.Run(t.Context(), opts)
	if err == nil {
		if releaseErr := got.Release(); releaseErr != nil {
			t.Error(releaseErr)
		}
	}
	return got, err
}

func host(t *testing.T, address string) string {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	return u.Host
}
