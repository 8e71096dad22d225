package download_test

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/runecast/runecast/pkg/feed/download"
	"github.com/runecast/runecast/pkg/image"
	"github.com/runecast/runecast/pkg/inventory"
)

const (
	kevText  = `{"dateReleased":"2026-08-25T17:04:19Z","vulnerabilities":[{"cveID":"CVE-2026-0001","dateAdded":"2026-02-03","dueDate":"2026-02-24","knownRansomwareCampaignUse":"Known"}]}`
	epssText = "#model_version:v2025.03.14,score_date:2026-11-22T00:00:00Z\ncve,epss,percentile\nCVE-2026-0001,0.25,0.75\n"
	nvdText  = `{"format":"NVD_CVE","version":"2.0","totalResults":1,"vulnerabilities":[{"cve":{"id":"CVE-2026-0001","lastModified":"2026-08-31T16:37:00.000",` +
		`"metrics":{"cvssMetricV31":[{"type":"Primary","cvssData":{"vectorString":"CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"}}]}}}]}`
	cveText = `{"cveMetadata":{"cveId":"CVE-2026-0001","state":"PUBLISHED","dateUpdated":"2026-08-03T17:01:07.985Z"},"containers":{"cna":{"title":"A title of the CVE list"}}}`
)

func gzipped(t *testing.T, text string) []byte {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := z.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// meta is what NVD publishes beside a feed, with its line ends.
func meta(text string) []byte {
	return fmt.Appendf(nil, "lastModifiedDate:2026-11-22T03:00:00-05:00\r\nsize:%d\r\nzipSize:1\r\ngzSize:1\r\nsha256:%s\r\n", len(text), strings.ToUpper(sum([]byte(text))))
}

func (o *origin) nvd(t *testing.T, name, text string) {
	t.Helper()
	o.put("/nvd/nvdcve-2.0-"+name+".json.gz", gzipped(t, text))
	o.put("/nvd/nvdcve-2.0-"+name+".meta", meta(text))
}

// places puts all sources there: one record of Go about CVE-2026-0001, and ratings of that.
func places(t *testing.T) (*origin, download.Options) {
	t.Helper()
	o := newOrigin(t)
	o.export(t, "Go", map[string]string{"GO-1": strings.Replace(osvRecord("GO-1", january, "1.1.0"), `"affected"`, `"aliases":["CVE-2026-0001"],"affected"`, 1)})
	for year := 2002; year <= 2025; year++ {
		o.nvd(t, strconv.Itoa(year), strings.Replace(nvdText, "CVE-2026", fmt.Sprintf("CVE-%d", year), 1))
	}
	o.nvd(t, "2026", `{"totalResults":0,"vulnerabilities":[]}`)
	o.nvd(t, "modified", nvdText)
	o.put("/cve.zip", zipped(t, map[string]string{"cvelistV5-main/cves/2026/0xxx/CVE-2026-0001": cveText, "cvelistV5-main/cves/delta": "{}"}))
	o.put("/kev.json", []byte(kevText))
	o.put("/scores/2026-11-22.csv.gz", gzipped(t, epssText))
	o.failAt("/epss.csv.gz", -1, answer(http.StatusFound, "Location", "/scores/2026-11-22.csv.gz")) // as the public place does
	opts := o.options(t)
	opts.Sources = nil
	return o, opts
}

// TestRatingsReachFindings downloads everything, twice, and asks the feed.
func TestRatingsReachFindings(t *testing.T) {
	t.Parallel()
	o, opts := places(t)
	got, err := run(t, opts)
	if err != nil || len(got.Notes) != 0 || len(got.Sources.NVD) != 26 || filepath.Base(got.Sources.NVD[25]) != "nvdcve-2.0-modified.json.gz" {
		t.Fatalf("%+v, %v", got, err)
	}
	m, err := index(t, got).Match(t.Context(), inventory.Inventory{Packages: []inventory.Package{{Ecosystem: "Go", Name: "m", Version: "0.1.0"}}})
	if err != nil || len(m.Findings) != 1 {
		t.Fatalf("%+v, %v", m, err)
	}
	f := &m.Findings[0]
	if f.ID != "CVE-2026-0001" || f.SeveritySource != "NVD" || f.CVSS == nil || f.CVSS.Score != 9.8 || f.Summary != "A title of the CVE list" {
		t.Errorf("%+v", f)
	}
	if f.EPSS == nil || f.EPSS.Probability != 0.25 || f.EPSS.Percentile != 0.75 || f.KEV == nil || f.KEV.DateAdded != "2026-02-03" || !f.KEV.Ransomware {
		t.Errorf("EPSS %+v, KEV %+v", f.EPSS, f.KEV)
	}
	o.log()
	if got, err = run(t, opts); err != nil || len(got.Notes) != 0 {
		t.Fatalf("%+v, %v", got, err)
	}
	for _, request := range o.log() {
		if !strings.HasSuffix(request, " 304") && !strings.HasSuffix(request, ".meta 200") && request != "/epss.csv.gz 302" {
			t.Errorf("the second run transferred %s", request)
		}
	}
}

// TestRatingsThatCannotBeHad: without a copy the run fails, with one it goes on and says so.
func TestRatingsThatCannotBeHad(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, source string
		harm         func(t *testing.T, o *origin)
		want         string
	}{
		{"down", download.KEV, func(_ *testing.T, o *origin) { o.failAt("/kev.json", -1, answer(http.StatusBadGateway)) }, "/kev.json: 502 Bad Gateway"},
		{"a page", download.KEV, func(_ *testing.T, o *origin) { o.put("/kev.json", []byte("<html>")) }, "/kev.json: what came is refused: invalid character"},
		{"an empty catalogue", download.KEV, func(_ *testing.T, o *origin) { o.put("/kev.json", []byte(`{"vulnerabilities":[]}`)) }, "it has no vulnerabilities and is not CISA's catalogue"},
		{"cut off at the source", download.EPSS, func(t *testing.T, o *origin) {
			t.Helper()
			o.put("/scores/2026-11-22.csv.gz", gzipped(t, epssText)[:60])
		}, "what came is refused: unexpected EOF"},
		{"other scores", download.EPSS, func(t *testing.T, o *origin) {
			t.Helper()
			o.put("/scores/2026-11-22.csv.gz", gzipped(t, "cve;epss\n"))
		}, "it has no heading cve,epss,percentile"},
		{"a zip of something else", download.CVE, func(t *testing.T, o *origin) {
			t.Helper()
			o.put("/cve.zip", zipped(t, map[string]string{"README": "{}"}))
		}, "the zip has no CVE records"},
		{"another checksum", download.NVD, func(_ *testing.T, o *origin) { o.put("/nvd/nvdcve-2.0-2024.meta", meta("other")) }, "nvdcve-2.0-2024.json.gz: what came is refused: it does not match the checksum that its source publishes"},
		{"another size", download.NVD, func(_ *testing.T, o *origin) {
			o.put("/nvd/nvdcve-2.0-2024.meta", bytes.Replace(meta("changed it"), []byte("\nsize:"), []byte("\nsize:1"), 1))
		}, "it does not match the checksum that its source publishes"},
		{"no meta", download.NVD, func(_ *testing.T, o *origin) { o.put("/nvd/nvdcve-2.0-2024.meta", []byte("<html>")) }, "nvdcve-2.0-2024.meta: it has no size or no sha256 and is not NVD's"},
		{"a year is gone", download.NVD, func(_ *testing.T, o *origin) { o.remove("/nvd/nvdcve-2.0-2024.meta") }, "nvdcve-2.0-2024.meta: 404 Not Found"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			o, opts := places(t)
			opts.Sources = []string{download.OSV, c.source}
			fresh := opts
			fresh.Dir = t.TempDir()
			good, err := run(t, opts)
			if err != nil || len(good.Notes) != 0 {
				t.Fatalf("%+v, %v", good, err)
			}
			c.harm(t, o)
			if c.name == "another checksum" || c.name == "another size" {
				o.put("/nvd/nvdcve-2.0-2024.json.gz", append(gzipped(t, "changed"), gzipped(t, " it")...))
			}
			if got, failure := run(t, fresh); failure == nil || !strings.Contains(failure.Error(), c.want) || !strings.Contains(failure.Error(), "there is no copy of an earlier run, so leave the source out or try again") {
				t.Errorf("without a copy: %+v, %v", got, failure)
			}
			got, err := run(t, opts)
			if err != nil || len(got.Notes) != 1 || !strings.Contains(got.Notes[0], c.source+" is of an earlier run: ") || !strings.Contains(got.Notes[0], c.want) {
				t.Fatalf("with a copy: %+v, %v", got, err)
			}
			if fmt.Sprint(got.Sources.NVD, got.Sources.CVE, got.Sources.EPSS, got.Sources.KEV) != fmt.Sprint(good.Sources.NVD, good.Sources.CVE, good.Sources.EPSS, good.Sources.KEV) {
				t.Errorf("sources %+v, were %+v", got.Sources, good.Sources)
			}
			if was, is := index(t, good).Info().Revision, index(t, got).Info().Revision; was != is {
				t.Errorf("the feed is of the revision %s, was %s", is, was)
			}
		})
	}
}

// TestNVDChangesBetweenItsFiles: a feed that is replaced between its checksum and its contents is asked for again.
func TestNVDChangesBetweenItsFiles(t *testing.T) {
	t.Parallel()
	o, opts := places(t)
	opts.Sources = []string{download.OSV, download.NVD}
	o.failAt("/nvd/nvdcve-2.0-2024.meta", 1, func(w http.ResponseWriter, _ *http.Request, _ http.Handler) { _, _ = w.Write(meta("the day before")) })
	got, err := run(t, opts)
	if err != nil || len(got.Notes) != 0 {
		t.Fatalf("%+v, %v", got, err)
	}
	// In the first days of a year its feed is not there yet.
	o.remove("/nvd/nvdcve-2.0-2026.meta")
	opts.Dir = t.TempDir()
	if got, err = run(t, opts); err != nil || len(got.Sources.NVD) != 25 {
		t.Errorf("%+v, %v", got, err)
	}
}

// TestWhatMayNotBeAskedIsNotAskedAgain: the transport's refusal ends a download at once.
func TestWhatMayNotBeAskedIsNotAskedAgain(t *testing.T) {
	t.Parallel()
	o := newOrigin(t)
	transport, err := image.NewTransport([]string{host(t, o.URL)}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct{ address, location, want string }{
		"at once":         {"http://10.1.2.3/file", "", "10.1.2.3 is not asked: "},
		"by a redirect":   {o.URL + "/file", "https://169.254.169.254/latest", "link-local address"},
		"round and round": {o.URL + "/file", "/file", "redirected more than 5 times"},
	} {
		o.heal()
		o.fail(-1, answer(http.StatusFound, "Location", c.location))
		opts := o.options(t)
		opts.Transport, opts.Backoff = transport, time.Hour // another attempt would take until the end of the test
		began := time.Now()
		_, err := download.File(t.Context(), opts, c.address, "file", func(string) error { return nil })
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "times without getting on") || time.Since(began) > time.Minute {
			t.Errorf("%s: after %s: %v", name, time.Since(began), err)
		}
		if files, err := os.ReadDir(opts.Dir); err != nil || len(files) != 1 { // the lock
			t.Errorf("%s: the directory has %v, %v", name, files, err)
		}
	}
}
