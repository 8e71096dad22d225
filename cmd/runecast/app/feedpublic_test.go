package app_test

import (
	"archive/zip"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// public are the public places, as one web server, and the same data as files.
type public struct {
	t     *testing.T
	web   *httptest.Server
	dir   string // files as feed build takes them
	mu    sync.Mutex
	files map[string][]byte
	log   []string // path and status
}

func (p *public) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	p.mu.Lock()
	body, ok := p.files[req.URL.Path]
	p.mu.Unlock()
	status := &statusWriter{ResponseWriter: w, code: http.StatusOK}
	defer func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.log = append(p.log, fmt.Sprintf("%s %d", req.URL.Path, status.code))
	}()
	if !ok {
		http.NotFound(status, req)
		return
	}
	status.Header().Set("ETag", `"`+sumOf(body)[:16]+`"`)
	http.ServeContent(status, req, "", time.Time{}, bytes.NewReader(body))
}

type statusWriter struct {
	http.ResponseWriter
	code int
}

func (s *statusWriter) WriteHeader(code int) {
	s.code = code
	s.ResponseWriter.WriteHeader(code)
}

func sumOf(body []byte) string {
	s := sha256.Sum256(body)
	return hex.EncodeToString(s[:])
}

// put serves a file, which is one of feed build's, too, where it has a name.
func (p *public) put(path, file string, body []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.files[path] = body
	if file != "" {
		write(p.t, filepath.Join(p.dir, file), body)
	}
}

// requests gives those since the last call.
func (p *public) requests() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	log := p.log
	p.log = nil
	return log
}

// ecosystem serves records, their list and, if it is made anew, their export, which as a file always is.
func (p *public) ecosystem(name string, records map[string][]byte, anew bool) {
	p.t.Helper()
	export := zipOf(p.t, records)
	write(p.t, filepath.Join(p.dir, "osv", name, "all.zip"), export)
	if anew {
		p.put("/osv/"+name+"/all.zip", "", export)
	}
	var list []string
	for id, body := range records {
		var head struct {
			Modified string `json:"modified"`
		}
		decode(p.t, string(body), &head)
		list = append(list, head.Modified+","+id)
		p.put("/osv/"+name+"/"+id+".json", "", body)
	}
	slices.Sort(list)
	p.put("/osv/"+name+"/modified_id.csv", "", []byte(strings.Join(list, "\n")+"\n"))
}

func zipOf(t *testing.T, records map[string][]byte) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for _, id := range slices.Sorted(maps.Keys(records)) {
		w, err := z.Create(id + ".json")
		if err == nil {
			_, err = w.Write(records[id])
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

func gzipOf(t *testing.T, body []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := z.Write(body); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// sliceOf gives every nth JSON file of a zip by the name of the file, and those that keep wants.
func sliceOf(t *testing.T, file string, nth int, keep func(name string) bool) map[string][]byte {
	t.Helper()
	z, err := zip.OpenReader(file)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = z.Close() }()
	slice := map[string][]byte{}
	for i, entry := range z.File {
		id := strings.TrimSuffix(filepath.Base(entry.Name), ".json")
		if i%nth != 0 && !keep(id) {
			continue
		}
		r, err := entry.Open()
		if err != nil {
			t.Fatal(err)
		}
		if slice[id], err = io.ReadAll(r); err != nil {
			t.Fatal(err)
		}
		_ = r.Close()
	}
	return slice
}

// data is what the places serve: of the real data where it is, else records of the tests' own.
type data struct {
	osv   map[string]map[string][]byte
	nvd   []json.RawMessage
	cve   map[string][]byte
	kev   []byte
	areIn string // the directory of the real data; empty: small records
}

func someData(t *testing.T) data {
	t.Helper()
	dir := os.Getenv("RUNECAST_TEST_FEEDS")
	if dir == "" {
		dir = "../../../../shared/feeds"
	}
	if _, err := os.Stat(filepath.Join(dir, "osv")); err != nil {
		const nvd = `{"cve":{"id":"CVE-2022-0778","lastModified":"2024-11-21T06:39:00.000","metrics":{"cvssMetricV31":[{"type":"Primary","cvssData":{"vectorString":"CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:H"}}]}}}`
		const goRecord = `{"schema_version":"1.7.0","id":"GO-2022-0001","aliases":["CVE-2022-0778"],"modified":"2024-11-21T06:22:12Z","affected":[{"package":{"ecosystem":"Go","name":"m"},"ranges":[{"type":"SEMVER","events":[{"introduced":"0"},{"fixed":"1.2.3"}]}]}]}`
		return data{
			osv: map[string]map[string][]byte{"Debian": {"DEBIAN-CVE-2021-3711": []byte(debianRecord)}, "Go": {"GO-2022-0001": []byte(goRecord)}},
			nvd: []json.RawMessage{[]byte(nvd)}, cve: map[string][]byte{"CVE-2022-0778": []byte(`{"cveMetadata":{"cveId":"CVE-2022-0778"},"containers":{"cna":{"title":"t"}}}`)},
			kev: []byte(`{"vulnerabilities":[{"cveID":"CVE-2022-0778","dateAdded":"2022-04-01"}]}`),
		}
	}
	d := data{areIn: dir, osv: map[string]map[string][]byte{}}
	for _, ecosystem := range []string{"Debian", "Go"} {
		d.osv[ecosystem] = sliceOf(t, filepath.Join(dir, "osv", ecosystem, "all.zip"), 25, func(id string) bool { return id == "DEBIAN-CVE-2021-3711" })
	}
	d.cve = sliceOf(t, filepath.Join(dir, "cve5.zip"), 5, func(string) bool { return false })
	file, err := os.Open(filepath.Join(dir, "nvdcve-2.0.json.gz"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	r, err := gzip.NewReader(file)
	if err != nil {
		t.Fatal(err)
	}
	var nvd struct {
		Vulnerabilities []json.RawMessage `json:"vulnerabilities"`
	}
	if err = json.NewDecoder(r).Decode(&nvd); err != nil {
		t.Fatal(err)
	}
	d.nvd = nvd.Vulnerabilities
	if d.kev, err = os.ReadFile(filepath.Join(dir, "known_exploited_vulnerabilities.json")); err != nil {
		t.Fatal(err)
	}
	return d
}

// newPublic serves data, and gives the flags of feed build for its files.
func newPublic(t *testing.T, d *data) (p *public, files []string) {
	t.Helper()
	p = &public{t: t, files: map[string][]byte{}, dir: t.TempDir()}
	p.web = httptest.NewServer(p)
	t.Cleanup(p.web.Close)
	for name, records := range d.osv {
		p.ecosystem(name, records, true)
	}
	files = []string{"--osv", filepath.Join(p.dir, "osv")}
	years := map[string][]json.RawMessage{}
	for _, item := range d.nvd {
		var head struct {
			CVE struct {
				ID string `json:"id"`
			} `json:"cve"`
		}
		decode(t, string(item), &head)
		years[max(head.CVE.ID[4:8], "2002")] = append(years[max(head.CVE.ID[4:8], "2002")], item)
	}
	names := []string{"modified"}
	for year := 2002; year <= time.Now().UTC().Year(); year++ {
		names = append(names, strconv.Itoa(year))
	}
	for _, name := range names {
		body, err := json.Marshal(map[string]any{"totalResults": len(years[name]), "vulnerabilities": append([]json.RawMessage{}, years[name]...)})
		if err != nil {
			t.Fatal(err)
		}
		base := "nvdcve-2.0-" + name
		p.put("/nvd/"+base+".meta", "", fmt.Appendf(nil, "size:%d\r\nsha256:%s\r\n", len(body), strings.ToUpper(sumOf(body))))
		p.put("/nvd/"+base+".json.gz", base+".json.gz", gzipOf(t, body))
		files = append(files, "--nvd", filepath.Join(p.dir, base+".json.gz"))
	}
	list, epss := map[string][]byte{}, "#model_version:v2025.03.14,score_date:2026-07-30T00:00:00Z\ncve,epss,percentile\nCVE-2021-3711,0.02842,0.85731\n"
	for id, body := range d.cve {
		list["cvelistV5-main/cves/"+id[4:8]+"/"+id[9:len(id)-3]+"xxx/"+id] = body
	}
	p.put("/cve.zip", "cve.zip", zipOf(t, list))
	p.put("/kev.json", "kev.json", d.kev)
	p.put("/epss.csv.gz", "epss.csv.gz", gzipOf(t, []byte(epss)))
	return p, append(files, "--cve", filepath.Join(p.dir, "cve.zip"), "--kev", filepath.Join(p.dir, "kev.json"), "--epss", filepath.Join(p.dir, "epss.csv.gz"))
}
