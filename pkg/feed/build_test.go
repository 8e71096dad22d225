package feed_test

import (
	"archive/zip"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/runecast/runecast/pkg/advisory"
	"github.com/runecast/runecast/pkg/feed"
	"github.com/runecast/runecast/pkg/inventory"
)

func TestCoverage(t *testing.T) {
	t.Parallel()
	x, info := build(t, feed.Sources{OSVDir: osvDir(t, map[string][]object{
		"Debian": {
			record("D-1", nil, affected("Debian:10", "p", "introduced", "0")),
			record("D-2", nil, affected("Debian", "p", "introduced", "0")), // no release: matches nothing
		},
		"npm": nil, "Alpine": nil, "Rocky Linux": {record("R-1", nil, affected("Rocky Linux:9", "p", "introduced", "0"))},
	})})
	august := time.Date(2026, 8, 1, 0, 0, 0, 0, time.UTC)
	want := []advisory.Coverage{
		{Ecosystem: "Debian:10", Packages: 1, Rows: 1, Date: august},
		{Ecosystem: "Rocky Linux:9", Packages: 1, Rows: 1, Date: august},
		{Ecosystem: "npm", Date: time.Unix(0, 0).UTC()}, // nothing tells how old its data is
	}
	if !reflect.DeepEqual(info.Ecosystems, want) {
		t.Errorf("coverage %+v", info.Ecosystems)
	}
	m := match(t, x,
		inventory.Package{Ecosystem: "Debian:10", Name: "p", Version: "1"}, inventory.Package{Ecosystem: "Debian:11", Name: "p", Version: "1"},
		inventory.Package{Ecosystem: "Debian", Name: "p", Version: "1"}, inventory.Package{Ecosystem: "npm", Name: "p", Version: "1.0.0"},
		inventory.Package{Ecosystem: "Alpine:v3.11", Name: "p", Version: "1"}, inventory.Package{Ecosystem: "PyPI", Name: "p", Version: "1"})
	uncovered := []advisory.Uncovered{
		{Ecosystem: "Alpine:v3.11", Packages: 1}, {Ecosystem: "Debian", Packages: 1}, {Ecosystem: "Debian:11", Packages: 1}, {Ecosystem: "PyPI", Packages: 1},
	}
	if !reflect.DeepEqual(m.Uncovered, uncovered) || len(m.Findings) != 1 {
		t.Errorf("%+v", m)
	}
}

// TestCoverageNeedsTheEcosystemsOwnExport: a record of Go that names packages of others covers none of these.
func TestCoverageNeedsTheEcosystemsOwnExport(t *testing.T) {
	t.Parallel()
	shared := record("GHSA-1", object{"aliases": []string{"CVE-2024-0001"}},
		affected("Go", "google.golang.org/protobuf", "introduced", "0"), affected("npm", "protobufjs", "introduced", "0"),
		affected("PyPI", "protobuf", "introduced", "0"), affected("Debian:11", "protobuf", "introduced", "0"), affected("Debian:12", "protobuf", "introduced", "0"))
	x, info := build(t, feed.Sources{OSVDir: osvDir(t, map[string][]object{
		"Go": {shared}, "PyPI": {shared, record("PYSEC-1", object{"modified": "2026-01-01T00:00:00Z"}, affected("PyPI", "p", "introduced", "0"))},
		"Debian:12": {record("DEBIAN-CVE-2024-0002", object{"modified": "2025-01-01T00:00:00Z"}, affected("Debian:12", "q", "introduced", "0"))},
	})})
	august := time.Date(2026, 8, 1, 0, 0, 0, 0, time.UTC)
	want := []advisory.Coverage{
		{Ecosystem: "Debian:12", Packages: 2, Rows: 2, Date: time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)},
		{Ecosystem: "Go", Packages: 1, Rows: 1, Date: august},
		{Ecosystem: "PyPI", Packages: 2, Rows: 2, Date: august},
	}
	if !reflect.DeepEqual(info.Ecosystems, want) || !info.Date.Equal(august) {
		t.Errorf("%+v, date %v", info.Ecosystems, info.Date)
	}
	npm, deb11 := inventory.Package{Ecosystem: "npm", Name: "protobufjs", Version: "1.0.0"}, inventory.Package{Ecosystem: "Debian:11", Name: "protobuf", Version: "1"}
	m := match(t, x, npm, deb11, inventory.Package{Ecosystem: "Go", Name: "google.golang.org/protobuf", Version: "1.0.0"})
	uncovered := []advisory.Uncovered{{Ecosystem: "Debian:11", Packages: 1}, {Ecosystem: "npm", Packages: 1}}
	if !reflect.DeepEqual(m.Uncovered, uncovered) || len(m.Findings) != 1 || !m.Date.Equal(august) {
		t.Errorf("%+v", m)
	}
}

// TestRevisionNamesItsSources: without KEV's list nothing is known exploited, with a list of other CVEs nothing of the feed is.
func TestRevisionNamesItsSources(t *testing.T) {
	t.Parallel()
	dir := osvDir(t, map[string][]object{"Go": {record("GO-1", nil, affected("Go", "m", "introduced", "0"))}})
	kev := jsonFile(t, object{"dateReleased": "2026-11-21T00:00:00Z", "vulnerabilities": []object{{"cveID": "CVE-2000-0001", "dateAdded": "2024-02-02"}}})
	_, without := build(t, feed.Sources{OSVDir: dir})
	_, with := build(t, feed.Sources{OSVDir: dir, KEV: kev})
	if without.Revision == with.Revision {
		t.Error("a feed with KEV has the revision of one without")
	}
}

func TestSourcesAreDescribed(t *testing.T) {
	t.Parallel()
	future := record("GO-2", object{"modified": "2199-01-01T00:00:00Z", "aliases": []string{"CVE-2024-0002"}}, affected("Go", "m", "introduced", "0"))
	dir := osvDir(t, map[string][]object{"Go": {
		record("GO-1", object{"aliases": []string{"CVE-2024-0001"}}, affected("Go", "m", "introduced", "0")), future,
		record("GO-3", object{"withdrawn": "2024-01-01T00:00:00Z"}, affected("Go", "m", "introduced", "0")),
	}})
	var packed bytes.Buffer
	zw := gzip.NewWriter(&packed)
	fmt.Fprint(zw, "#model_version:v2025.03.14,score_date:2026-11-20T12:55:00Z\ncve,epss,percentile\nCVE-2024-0001,0.5,0.9\nCVE-2024-0009,0.1,0.2\n")
	if err := zw.Close(); err != nil {
		t.Fatal(err)
	}
	epss := filepath.Join(t.TempDir(), "epss.csv.gz")
	if err := os.WriteFile(epss, packed.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	kev := jsonFile(t, object{"dateReleased": "2026-11-21T00:00:00Z", "vulnerabilities": []object{
		{"cveID": "CVE-2024-0002", "dateAdded": "2024-02-02", "knownRansomwareCampaignUse": "Known"},
	}})
	x, info := build(t, feed.Sources{OSVDir: dir, EPSS: epss, KEV: kev})
	want := []advisory.Source{
		{Name: "osv/Go", File: "all.zip", Records: 3, Used: 2, Modified: time.Date(2026, 8, 1, 0, 0, 0, 0, time.UTC)},
		{Name: "kev", File: "source", Records: 1, Used: 1, Modified: time.Date(2026, 11, 21, 0, 0, 0, 0, time.UTC)},
		{Name: "epss", File: "epss.csv.gz", Records: 2, Used: 1, Modified: time.Date(2026, 11, 20, 12, 55, 0, 0, time.UTC)},
	}
	for i := range info.Sources {
		if len(info.Sources[i].SHA256) != 64 {
			t.Errorf("checksum %q", info.Sources[i].SHA256)
		}
		info.Sources[i].SHA256 = ""
	}
	if !reflect.DeepEqual(info.Sources, want) {
		t.Errorf("got  %+v\nwant %+v", info.Sources, want)
	}
	if !info.Date.Equal(want[0].Modified) || !info.Built.Equal(clock()) {
		t.Errorf("date %v, built %v", info.Date, info.Built)
	}
	m := match(t, x, inventory.Package{Ecosystem: "Go", Name: "m", Version: "1.0.0"})
	if f := find(t, m, "CVE-2024-0001"); f.KEV != nil || f.EPSS == nil || *f.EPSS != (advisory.EPSS{Probability: 0.5, Percentile: 0.9}) {
		t.Errorf("%+v", f)
	}
	if f := find(t, m, "CVE-2024-0002"); f.EPSS != nil || f.KEV == nil || *f.KEV != (advisory.KEV{DateAdded: "2024-02-02", Ransomware: true}) {
		t.Errorf("%+v", f)
	}
}

func TestBuildIsDeterministic(t *testing.T) {
	t.Parallel()
	sources := smallFeeds(t)
	var files [2][]byte
	var infos [2]advisory.Info
	for i := range files {
		path := filepath.Join(t.TempDir(), "feed.index")
		var err error
		if infos[i], err = feed.Build(t.Context(), sources, path, nil); err != nil {
			t.Fatal(err)
		}
		if files[i], err = os.ReadFile(path); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(files[0], files[1]) || infos[0].Revision != infos[1].Revision {
		t.Error("two builds of the same files differ")
	}
}

// TestRealBuildIsDeterministic builds the real feeds twice, with nothing different but the clock.
func TestRealBuildIsDeterministic(t *testing.T) {
	t.Parallel()
	sources, _ := realFeeds(t)
	var sums [2][]byte
	var infos [2]advisory.Info
	for i := range infos {
		if i == 1 {
			sources.Now = func() time.Time { return clock().Add(time.Hour) }
		}
		path := filepath.Join(t.TempDir(), "feed.index")
		info, err := feed.Build(t.Context(), sources, path, nil)
		if err != nil {
			t.Fatal(err)
		}
		file, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		const header = 184 // its checksum is over the description too
		built, err := json.Marshal(info.Built)
		if err != nil {
			t.Fatal(err)
		}
		if n := bytes.Count(file, built); n != 1 {
			t.Fatalf("the time of the build is in the index %d times", n)
		}
		sum := sha256.Sum256(bytes.Replace(file[header:], built, nil, 1))
		sums[i], infos[i] = sum[:], info
	}
	if infos[0].Built.Equal(infos[1].Built) || infos[0].Revision != infos[1].Revision || !bytes.Equal(sums[0], sums[1]) {
		t.Errorf("two builds differ: %+v, %+v", infos[0], infos[1])
	}
}

func TestBuildTellsProgress(t *testing.T) {
	t.Parallel()
	sources := smallFeeds(t)
	last := map[string][2]int64{}
	_, err := feed.Build(t.Context(), sources, filepath.Join(t.TempDir(), "x"), func(stage string, done, total int64) {
		last[stage] = [2]int64{done, total}
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, stage := range []string{"osv/Debian", "osv/Go", "osv/PyPI", "osv/npm", "osv/Alpine", "cve", "nvd", "kev", "epss", "index"} {
		if p, ok := last[stage]; !ok || p[0] != p[1] || p[1] == 0 {
			t.Errorf("stage %s ended at %v", stage, p)
		}
	}
}

func TestBuildRefuses(t *testing.T) {
	t.Parallel()
	const remedy = "put OSV's exports there as <Ecosystem>/all.zip (https://osv-vulnerabilities.storage.googleapis.com/<Ecosystem>/all.zip)"
	good := func(t *testing.T) string {
		t.Helper()
		return osvDir(t, map[string][]object{"Go": {record("GO-1", object{"aliases": []string{"CVE-2024-0001"}}, affected("Go", "m", "introduced", "0"))}})
	}
	broken := func(t *testing.T, name, text string) string {
		t.Helper()
		dir := t.TempDir()
		if err := os.Mkdir(filepath.Join(dir, "Go"), 0o700); err != nil {
			t.Fatal(err)
		}
		var b bytes.Buffer
		z := zip.NewWriter(&b)
		w, err := z.Create(name)
		if err == nil {
			_, err = w.Write([]byte(text))
		}
		if err = errors.Join(err, z.Close(), os.WriteFile(filepath.Join(dir, "Go", "all.zip"), b.Bytes(), 0o600)); err != nil {
			t.Fatal(err)
		}
		return dir
	}
	for name, c := range map[string]struct {
		sources func(t *testing.T) feed.Sources
		want    string // DIR stands for the OSV directory, FILE for the file at fault
		file    func(s feed.Sources) string
	}{
		"no directory": {
			sources: func(t *testing.T) feed.Sources {
				t.Helper()
				return feed.Sources{OSVDir: filepath.Join(t.TempDir(), "gone")}
			},
			want: `the OSV directory "DIR" does not exist; ` + remedy,
		},
		"an empty directory": {
			sources: func(t *testing.T) feed.Sources { t.Helper(); return feed.Sources{OSVDir: t.TempDir()} },
			want:    `the OSV directory "DIR" has no <Ecosystem>/all.zip; ` + remedy,
		},
		"an ecosystem without its zip": {
			sources: func(t *testing.T) feed.Sources {
				t.Helper()
				dir := good(t)
				if err := os.Mkdir(filepath.Join(dir, "npm"), 0o700); err != nil {
					t.Fatal(err)
				}
				return feed.Sources{OSVDir: dir}
			},
			want: `the OSV directory has no npm/all.zip; ` + remedy + `, or remove the directory`,
		},
		"a record that is no JSON": {
			sources: func(t *testing.T) feed.Sources {
				t.Helper()
				return feed.Sources{OSVDir: broken(t, "GO-9.json", "{nonsense")}
			},
			want: `osv/Go: read DIR/Go/all.zip: record GO-9.json: it is no OSV record: invalid character 'n' looking for beginning of object key string`,
		},
		"a record with a wrong type": {
			sources: func(t *testing.T) feed.Sources {
				t.Helper()
				return feed.Sources{OSVDir: broken(t, "GO-9.json", `{"id": "GO-9", "affected": 5}`)}
			},
			want: `osv/Go: read DIR/Go/all.zip: record GO-9.json: it is no OSV record: json: cannot unmarshal number into Go struct field osvRecord.affected of type []feed.osvAffected`,
		},
		"a record without id": {
			sources: func(t *testing.T) feed.Sources { t.Helper(); return feed.Sources{OSVDir: broken(t, "x.json", `{}`)} },
			want:    `osv/Go: read DIR/Go/all.zip: record x.json: it is no OSV record: it has no id`,
		},
		"a record that is far too large": {
			sources: func(t *testing.T) feed.Sources {
				t.Helper()
				return feed.Sources{OSVDir: broken(t, "x.json", `{"id":"`+strings.Repeat("x", 17<<20)+`"}`)}
			},
			want: `osv/Go: read DIR/Go/all.zip: record x.json: it has more than 16 MiB`,
		},
		"a missing NVD file": {
			sources: func(t *testing.T) feed.Sources {
				t.Helper()
				return feed.Sources{OSVDir: good(t), NVD: []string{filepath.Join(t.TempDir(), "nvd.json")}}
			},
			want: `stat FILE: no such file or directory; give a file that exists, or leave this source out`,
			file: func(s feed.Sources) string { return s.NVD[0] },
		},
		"NVD's old format": {
			sources: func(t *testing.T) feed.Sources {
				t.Helper()
				return feed.Sources{OSVDir: good(t), NVD: []string{jsonFile(t, object{"CVE_Items": []object{}})}}
			},
			want: `NVD: read FILE: it has no vulnerabilities and is not NVD's JSON 2.0`,
			file: func(s feed.Sources) string { return s.NVD[0] },
		},
		"an NVD file that is cut off": {
			sources: func(t *testing.T) feed.Sources {
				t.Helper()
				return feed.Sources{OSVDir: good(t), NVD: []string{textFile(t, `{"vulnerabilities":[{"cve":{"id":"CVE-1"}}`)}}
			},
			want: `NVD: read FILE: it is cut off; fetch it again`,
			file: func(s feed.Sources) string { return s.NVD[0] },
		},
		"a CVE zip that is none": {
			sources: func(t *testing.T) feed.Sources {
				t.Helper()
				return feed.Sources{OSVDir: good(t), CVE: []string{textFile(t, "x")}}
			},
			want: `CVE records: read FILE: zip: not a valid zip file`,
			file: func(s feed.Sources) string { return s.CVE[0] },
		},
		"a KEV file of another kind": {
			sources: func(t *testing.T) feed.Sources {
				t.Helper()
				return feed.Sources{OSVDir: good(t), KEV: textFile(t, "{}")}
			},
			want: `KEV: read FILE: it has no vulnerabilities and is not CISA's catalogue`,
			file: func(s feed.Sources) string { return s.KEV },
		},
		"an EPSS file without heading": {
			sources: func(t *testing.T) feed.Sources {
				t.Helper()
				return feed.Sources{OSVDir: good(t), EPSS: textFile(t, "<html>")}
			},
			want: `EPSS: read FILE: line 1 is "<html>" instead of the heading cve,epss,percentile`,
			file: func(s feed.Sources) string { return s.EPSS },
		},
		"an EPSS score out of bounds": {
			sources: func(t *testing.T) feed.Sources {
				t.Helper()
				return feed.Sources{OSVDir: good(t), EPSS: textFile(t, "cve,epss,percentile\nCVE-2024-0001,1.5,0.1\n")}
			},
			want: `EPSS: read FILE: line 2, "CVE-2024-0001,1.5,0.1": "1.5" is no number from 0 to 1`,
			file: func(s feed.Sources) string { return s.EPSS },
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := c.sources(t)
			out := filepath.Join(t.TempDir(), "feed.index")
			_, err := feed.Build(t.Context(), s, out, nil)
			want := strings.ReplaceAll("build feed index: "+c.want, "DIR", s.OSVDir)
			if c.file != nil {
				want = strings.ReplaceAll(want, "FILE", c.file(s))
			}
			if err == nil || err.Error() != want {
				t.Errorf("got  %v\nwant %s", err, want)
			}
			if left, _ := os.ReadDir(filepath.Dir(out)); len(left) != 0 {
				t.Errorf("it left %v", left)
			}
		})
	}
}

func TestBuildEndsWithItsContext(t *testing.T) {
	t.Parallel()
	sources := smallFeeds(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := feed.Build(ctx, sources, filepath.Join(t.TempDir(), "x"), nil); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}
