package feed_test

import (
	"archive/zip"
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/runecast/runecast/pkg/advisory"
	"github.com/runecast/runecast/pkg/feed"
	"github.com/runecast/runecast/pkg/inventory"
)

// object is a JSON object.
type object = map[string]any

// clock is the time of every build in tests.
func clock() time.Time { return time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC) }

// zipFile makes a zip of JSON files, in the order given.
func zipFile(tb testing.TB, path string, records ...object) {
	tb.Helper()
	f, err := os.Create(path)
	if err != nil {
		tb.Fatal(err)
	}
	z := zip.NewWriter(f)
	for _, r := range records {
		name, _ := r["id"].(string)
		if meta, ok := r["cveMetadata"].(object); ok {
			name = fmt.Sprint("cves/", meta["cveId"])
		}
		w, err := z.Create(name + ".json")
		if err == nil {
			err = json.NewEncoder(w).Encode(r)
		}
		if err != nil {
			tb.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		tb.Fatal(err)
	}
	if err := f.Close(); err != nil {
		tb.Fatal(err)
	}
}

// osvDir lays records out as OSV's export does.
func osvDir(tb testing.TB, ecosystems map[string][]object) string {
	tb.Helper()
	dir := tb.TempDir()
	for ecosystem, records := range ecosystems {
		sub := filepath.Join(dir, url.PathEscape(ecosystem))
		if err := os.Mkdir(sub, 0o700); err != nil {
			tb.Fatal(err)
		}
		zipFile(tb, filepath.Join(sub, "all.zip"), records...)
	}
	return dir
}

func jsonFile(tb testing.TB, value any) string {
	tb.Helper()
	text, err := json.Marshal(value)
	if err != nil {
		tb.Fatal(err)
	}
	return textFile(tb, string(text))
}

func textFile(tb testing.TB, text string) string {
	tb.Helper()
	path := filepath.Join(tb.TempDir(), "source")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		tb.Fatal(err)
	}
	return path
}

// affected is one package of a record with one range, as pairs of event and version.
func affected(ecosystem, name string, events ...string) object {
	kind := "ECOSYSTEM"
	if ecosystem == "Go" || ecosystem == "npm" {
		kind = "SEMVER"
	}
	var list []object
	for i := 0; i < len(events); i += 2 {
		list = append(list, object{events[i]: events[i+1]})
	}
	return object{
		"package": object{"ecosystem": ecosystem, "name": name},
		"ranges":  []object{{"type": kind, "events": list}},
	}
}

// record is an OSV record.
func record(id string, more object, packages ...object) object {
	r := object{"schema_version": "1.7.0", "id": id, "modified": "2026-08-01T00:00:00Z", "affected": packages}
	maps.Copy(r, more)
	return r
}

// build makes an index and opens it.
//
//nolint:gocritic // hugeParam: a test
func build(tb testing.TB, s feed.Sources) (*advisory.Index, advisory.Info) {
	tb.Helper()
	if s.Now == nil {
		s.Now = clock
	}
	path := filepath.Join(tb.TempDir(), "feed.index")
	info, err := feed.Build(tb.Context(), s, path, nil)
	if err != nil {
		tb.Fatal(err)
	}
	x, err := advisory.Open(path)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = x.Close() })
	if err := x.Verify(tb.Context()); err != nil {
		tb.Fatal(err)
	}
	return x, info
}

// match judges packages.
func match(tb testing.TB, x *advisory.Index, packages ...inventory.Package) advisory.Matches {
	tb.Helper()
	m, err := x.Match(tb.Context(), inventory.Inventory{Packages: packages})
	if err != nil {
		tb.Fatal(err)
	}
	return m
}

// find gives the finding of a vulnerability.
func find(tb testing.TB, m advisory.Matches, id string) advisory.Finding {
	tb.Helper()
	for i := range m.Findings {
		if m.Findings[i].ID == id {
			return m.Findings[i]
		}
	}
	tb.Fatalf("no finding %s in %+v", id, m.Findings)
	return advisory.Finding{}
}

// realFeeds are the real feeds where they are, else records written for the project.
func realFeeds(tb testing.TB) (sources feed.Sources, areReal bool) {
	tb.Helper()
	dir := os.Getenv("RUNECAST_TEST_FEEDS")
	if dir == "" {
		dir = "../../../shared/feeds"
	}
	if _, err := os.Stat(filepath.Join(dir, "osv")); err == nil {
		return feed.Sources{
			OSVDir: filepath.Join(dir, "osv"), NVD: []string{filepath.Join(dir, "nvdcve-2.0.json.gz")},
			CVE: []string{filepath.Join(dir, "cve5.zip")}, KEV: filepath.Join(dir, "known_exploited_vulnerabilities.json"),
			EPSS: "testdata/epss.csv", Now: clock,
		}, true
	}
	return smallFeeds(tb), false
}

// smallFeeds are records written for the project.
func smallFeeds(tb testing.TB) feed.Sources {
	tb.Helper()
	cve := filepath.Join(tb.TempDir(), "cve.zip")
	zipFile(tb, cve, readObjects(tb, "testdata/cve/*.json")...)
	ecosystems := map[string][]object{}
	for _, ecosystem := range []string{"Alpine", "Debian", "Go", "PyPI", "npm"} {
		ecosystems[ecosystem] = readObjects(tb, filepath.Join("testdata", "osv", ecosystem, "*.json"))
	}
	return feed.Sources{
		OSVDir: osvDir(tb, ecosystems), NVD: []string{"testdata/nvd.json"}, CVE: []string{cve},
		KEV: "testdata/kev.json", EPSS: "testdata/epss.csv", Now: clock,
	}
}

func readObjects(tb testing.TB, pattern string) []object {
	tb.Helper()
	files, err := filepath.Glob(pattern)
	if err != nil || len(files) == 0 {
		tb.Fatalf("%s: %d files, %v", pattern, len(files), err)
	}
	var objects []object
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			tb.Fatal(err)
		}
		var o object
		if err := json.Unmarshal(text, &o); err != nil {
			tb.Fatal(err)
		}
		objects = append(objects, o)
	}
	return objects
}
