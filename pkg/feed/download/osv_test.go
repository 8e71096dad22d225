package download_test

import (
	"context"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/runecast/runecast/pkg/advisory"
	"github.com/runecast/runecast/pkg/feed"
	"github.com/runecast/runecast/pkg/feed/download"
	"github.com/runecast/runecast/pkg/inventory"
)

const (
	january  = "2026-01-01T00:00:00Z"
	february = "2026-02-01T00:00:00.123456Z"
	march    = "2026-03-01T00:00:00Z"
)

// index builds the index of what was downloaded.
func index(t *testing.T, got *download.Result) *advisory.Index {
	t.Helper()
	path := filepath.Join(t.TempDir(), "feed.index")
	sources := got.Sources
	sources.Now = clock
	if _, err := feed.Build(t.Context(), sources, path, nil); err != nil {
		t.Fatal(err)
	}
	x, err := advisory.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = x.Close() })
	return x
}

// fixes gives what a feed of the downloaded data says: id=fixed version, by id.
func fixes(t *testing.T, got *download.Result) string {
	t.Helper()
	m, err := index(t, got).Match(t.Context(), inventory.Inventory{Packages: []inventory.Package{{Ecosystem: "Go", Name: "m", Version: "0.1.0"}}})
	if err != nil {
		t.Fatal(err)
	}
	said := map[string]string{}
	for i := range m.Findings {
		said[m.Findings[i].Advisory] = m.Findings[i].FixedVersion
	}
	var all []string
	for _, id := range []string{"GO-1", "GO-2", "GO-3", "GO-4", "GO-5", "GO-6"} {
		if fixed, ok := said[id]; ok {
			all = append(all, id+"="+fixed)
		}
	}
	return strings.Join(all, " ")
}

func withdrawn(body string) string {
	return strings.Replace(body, `"affected"`, `"withdrawn":"2026-03-01T00:00:00Z","affected"`, 1)
}

// prefixed writes requests without the place's path.
func prefixed(log []string) string {
	for i := range log {
		log[i] = strings.TrimPrefix(log[i], "/osv/Go/")
	}
	return strings.Join(log, ", ")
}

// TestSecondRun has two records, then something happens at the source, then it runs again.
func TestSecondRun(t *testing.T) {
	t.Parallel()
	one, two := osvRecord("GO-1", january, "1.1.0"), osvRecord("GO-2", january, "1.1.0")
	newer := osvRecord("GO-1", february, "1.2.0")
	const asWas = "GO-1=1.1.0 GO-2=1.1.0"
	for _, c := range []struct {
		name  string
		then  func(t *testing.T, o *origin, dir string)
		fixes string
		log   string // of the second run
		note  string
		third string // log of a third run in which nothing has changed
	}{
		{"nothing", func(*testing.T, *origin, string) {}, asWas, "modified_id.csv 304", "", "modified_id.csv 304"},
		{
			"one has changed, and the export was not made anew",
			func(_ *testing.T, o *origin, _ string) {
				o.list("Go", map[string]string{"GO-1": newer, "GO-2": two})
			},
			"GO-1=1.2.0 GO-2=1.1.0", "modified_id.csv 200, GO-1.json 200", "", "modified_id.csv 304",
		},
		{
			"one is new",
			func(_ *testing.T, o *origin, _ string) {
				o.list("Go", map[string]string{"GO-1": one, "GO-2": two, "GO-3": osvRecord("GO-3", march, "3.0.0")})
			},
			asWas + " GO-3=3.0.0", "modified_id.csv 200, GO-3.json 200", "", "modified_id.csv 304",
		},
		{
			"one is withdrawn",
			func(_ *testing.T, o *origin, _ string) {
				o.list("Go", map[string]string{"GO-1": withdrawn(newer), "GO-2": two})
			},
			"GO-2=1.1.0", "modified_id.csv 200, GO-1.json 200", "", "modified_id.csv 304",
		},
		{
			"one is removed",
			func(t *testing.T, o *origin, _ string) { t.Helper(); o.export(t, "Go", map[string]string{"GO-2": two}) },
			"GO-2=1.1.0", "modified_id.csv 200, all.zip 200, modified_id.csv 304", "", "modified_id.csv 304",
		},
		{
			"one is removed, and the export was not made anew",
			func(_ *testing.T, o *origin, _ string) { o.list("Go", map[string]string{"GO-2": two}) },
			asWas, "modified_id.csv 200, all.zip 304, modified_id.csv 304", "the export of Go is taken as it is, without single records: record GO-1 is here and no longer listed",
			"modified_id.csv 304, all.zip 304, modified_id.csv 304",
		},
		{
			"more have changed than are fetched one by one",
			func(t *testing.T, o *origin, _ string) {
				t.Helper()
				o.export(t, "Go", map[string]string{
					"GO-1": newer, "GO-2": two, "GO-3": osvRecord("GO-3", march, "3.0.0"), "GO-4": osvRecord("GO-4", march, "4.0.0"), "GO-5": osvRecord("GO-5", march, "5.0.0"),
				})
			},
			"GO-1=1.2.0 GO-2=1.1.0 GO-3=3.0.0 GO-4=4.0.0 GO-5=5.0.0", "modified_id.csv 200, all.zip 200, modified_id.csv 304", "", "modified_id.csv 304",
		},
		{
			"one that is listed is not there",
			func(t *testing.T, o *origin, _ string) {
				t.Helper()
				o.export(t, "Go", map[string]string{"GO-1": newer, "GO-2": two})
				o.remove("/osv/Go/GO-1.json")
			},
			"GO-1=1.2.0 GO-2=1.1.0", "modified_id.csv 200, GO-1.json 404, all.zip 200, modified_id.csv 304", "", "modified_id.csv 304",
		},
		{
			"one is older than its entry",
			func(_ *testing.T, o *origin, _ string) {
				o.list("Go", map[string]string{"GO-1": newer, "GO-2": two})
				o.put("/osv/Go/GO-1.json", []byte(one))
			},
			asWas, "modified_id.csv 200, GO-1.json 200, all.zip 304, modified_id.csv 304, GO-1.json 200", "record GO-1: what came is older than its entry in modified_id.csv", "",
		},
		{
			"another one comes in its place",
			func(_ *testing.T, o *origin, _ string) {
				o.list("Go", map[string]string{"GO-1": newer, "GO-2": two})
				o.put("/osv/Go/GO-1.json", []byte(osvRecord("../../GO-1", march, "9.0.0")))
			},
			asWas, "modified_id.csv 200, GO-1.json 200, all.zip 304, modified_id.csv 304, GO-1.json 200", "record GO-1: what came has another id", "",
		},
		{
			"the list has a path for an id",
			func(_ *testing.T, o *origin, _ string) {
				o.put("/osv/Go/modified_id.csv", []byte(march+",../../../secret\n"+january+",GO-1\n"+january+",GO-2\n"))
			},
			asWas, "modified_id.csv 200, all.zip 304, modified_id.csv 200", "line 1: it has no id of a record", "",
		},
		{
			"there is no list any more",
			func(_ *testing.T, o *origin, _ string) { o.remove("/osv/Go/modified_id.csv") },
			asWas, "modified_id.csv 404, all.zip 304, modified_id.csv 404", "404 Not Found", "",
		},
		{
			"somebody has put another export there",
			func(t *testing.T, _ *origin, dir string) {
				t.Helper()
				if err := os.WriteFile(filepath.Join(dir, "osv", "Go", "all.zip"), zipped(t, map[string]string{"GO-6": osvRecord("GO-6", march, "6.0.0")}), 0o600); err != nil {
					t.Fatal(err)
				}
			},
			asWas, "all.zip 200, modified_id.csv 304", "", "modified_id.csv 304",
		},
		{
			"the list of what is held is damaged",
			func(t *testing.T, _ *origin, dir string) {
				t.Helper()
				held := filepath.Join(dir, "osv", "Go", "held.csv")
				text, err := os.ReadFile(held)
				if err == nil {
					err = os.WriteFile(held, text[:len(text)-3], 0o600)
				}
				if err != nil {
					t.Fatal(err)
				}
			},
			// An id that was cut is not listed, so that the export is asked about.
			asWas, "modified_id.csv 304, all.zip 304, modified_id.csv 304", "", "modified_id.csv 304",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			o := newOrigin(t)
			o.export(t, "Go", map[string]string{"GO-1": one, "GO-2": two})
			opts := o.options(t)
			opts.MaxChanges, opts.Parallel = 2, 1
			got, err := run(t, opts)
			if err != nil || fixes(t, got) != asWas || len(got.Notes) != 0 {
				t.Fatalf("first run: %+v, %v", got, err)
			}
			if log := prefixed(o.log()); log != "all.zip 200, modified_id.csv 200" {
				t.Errorf("requests of the first run: %s", log)
			}
			c.then(t, o, opts.Dir)
			if got, err = run(t, opts); err != nil {
				t.Fatal(err)
			}
			if log := prefixed(o.log()); log != c.log {
				t.Errorf("requests %s\nwant     %s", log, c.log)
			}
			if said := fixes(t, got); said != c.fixes {
				t.Errorf("the feed says %s, want %s", said, c.fixes)
			}
			if notes := strings.Join(got.Notes, "; "); (notes == "") != (c.note == "") || !strings.Contains(notes, c.note) {
				t.Errorf("notes %q, want %q", notes, c.note)
			}
			if c.third == "" {
				return
			}
			if got, err = run(t, opts); err != nil || fixes(t, got) != c.fixes {
				t.Errorf("third run: %+v, %v", got, err)
			}
			if log := prefixed(o.log()); log != c.third {
				t.Errorf("requests of the third run %s, want %s", log, c.third)
			}
		})
	}
}

// TestExportOlderThanList: the first run fetches what the export lacks, and changes add up until they are too many.
func TestExportOlderThanList(t *testing.T) {
	t.Parallel()
	o := newOrigin(t)
	records := map[string]string{"GO-1": osvRecord("GO-1", january, "1.1.0")}
	o.export(t, "Go", records)
	records["GO-2"] = osvRecord("GO-2", february, "2.0.0")
	o.list("Go", records)
	opts := o.options(t)
	opts.MaxChanges = 1
	step := func(name, wantFixes, wantLog string) {
		t.Helper()
		got, err := run(t, opts)
		if err != nil || fixes(t, got) != wantFixes || len(got.Notes) != 0 {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
		if log := prefixed(o.log()); log != wantLog {
			t.Errorf("%s: requests %s, want %s", name, log, wantLog)
		}
	}
	step("first", "GO-1=1.1.0 GO-2=2.0.0", "all.zip 200, modified_id.csv 200, GO-2.json 200")
	records["GO-3"] = osvRecord("GO-3", march, "3.0.0")
	o.list("Go", records)
	step("second", "GO-1=1.1.0 GO-2=2.0.0 GO-3=3.0.0", "modified_id.csv 200, GO-3.json 200")
	records["GO-4"] = osvRecord("GO-4", march, "4.0.0")
	o.export(t, "Go", records)
	step("two records are beside the export already", "GO-1=1.1.0 GO-2=2.0.0 GO-3=3.0.0 GO-4=4.0.0", "modified_id.csv 200, all.zip 200, modified_id.csv 304")
	if _, err := os.Stat(filepath.Join(opts.Dir, "osv", "Go", "changes.zip")); err == nil {
		t.Error("the records beside the export before are still there")
	}
}

// TestBadExports: what is no good export ends the run, and leaves the one that is there.
func TestBadExports(t *testing.T) {
	t.Parallel()
	good := zipped(t, map[string]string{"GO-1": osvRecord("GO-1", january, "1.1.0")})
	for name, c := range map[string]struct {
		body []byte
		want string
	}{
		"a path for a name":   {zipped(t, map[string]string{"../../../GO-9": osvRecord("../../../GO-9", january, "1.1.0")}), "it has no id of a record"},
		"a path beside an id": {zipped(t, map[string]string{"../GO-9": osvRecord("GO-9", january, "1.1.0")}), `record ../GO-9.json has the id "GO-9"`},
		"a folder":            {zipped(t, map[string]string{"etc/passwd": osvRecord("etc/passwd", january, "1.1.0")}), "characters that ids do not have"},
		"no record":           {zipped(t, map[string]string{}), "it has no record"},
		"no JSON":             {zipped(t, map[string]string{"GO-9": "<html>"}), "it is no OSV record"},
		"a damaged record":    {bytesFlipped(good), "record GO-1.json: "},
		"half of it":          {good[:len(good)/2], "not a valid zip file"},
		"a page":              {[]byte("<html>Sorry</html>"), "not a valid zip file"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := newOrigin(t)
			o.export(t, "Go", map[string]string{"GO-1": osvRecord("GO-1", january, "1.1.0")})
			opts := o.options(t)
			opts.Dir = filepath.Join(opts.Dir, "a", "b", "c")
			got, err := run(t, opts)
			if err != nil {
				t.Fatal(err)
			}
			o.put("/osv/Go/all.zip", c.body)
			o.put("/osv/Go/modified_id.csv", []byte(march+",GO-9\n"))
			_, err = run(t, opts)
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "osv: ecosystem Go: download "+o.URL+"/osv/Go/all.zip: what came is refused: ") {
				t.Errorf("got %v, want %q", err, c.want)
			}
			if said := fixes(t, got); said != "GO-1=1.1.0" {
				t.Errorf("the copy says %q", said)
			}
			above, err := filepath.Glob(filepath.Join(opts.Dir, "..", "..", "..", "*"))
			if err != nil || len(above) != 1 {
				t.Errorf("outside of the directory: %v, %v", above, err)
			}
		})
	}
}

// bytesFlipped damages the contents of the first file of a zip.
func bytesFlipped(body []byte) []byte {
	b := append([]byte(nil), body...)
	b[len("GO-1.json")+30+20] ^= 0xff
	return b
}

// TestRunIsCutAndGoesOn ends runs in the middle of an export and of single records.
func TestRunIsCutAndGoesOn(t *testing.T) {
	t.Parallel()
	o := newOrigin(t)
	records := map[string]string{"GO-1": osvRecord("GO-1", january, "1.1.0"), "GO-2": osvRecord("GO-2", january, "1.1.0")}
	o.export(t, "Go", records)
	opts := o.options(t)
	opts.Parallel = 1
	once := opts
	once.Attempts = 1
	o.failAt("/osv/Go/all.zip", 1, cutAfter(100))
	if got, err := run(t, once); err == nil {
		t.Errorf("the export was cut, and yet %+v", got)
	}
	if log := prefixed(o.log()); log != "all.zip 200" {
		t.Errorf("requests %s", log)
	}
	got, err := run(t, opts)
	if log := prefixed(o.log()); err != nil || fixes(t, got) != "GO-1=1.1.0 GO-2=1.1.0" || log != "all.zip 206 bytes=100-, modified_id.csv 200" {
		t.Errorf("%+v, %v, requests %s", got, err, log)
	}
	records["GO-1"], records["GO-2"] = osvRecord("GO-1", february, "1.2.0"), osvRecord("GO-2", february, "1.2.0")
	o.list("Go", records)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	o.failAt("/osv/Go/GO-2.json", 1, func(w http.ResponseWriter, req *http.Request, next http.Handler) {
		defer cancel()
		cutAfter(10)(w, req, next)
	})
	if result, failure := download.Run(ctx, opts); !errors.Is(failure, context.Canceled) {
		t.Errorf("a record was cut, and yet %+v, %v", result, failure)
	}
	if said := fixes(t, got); said != "GO-1=1.1.0 GO-2=1.1.0" {
		t.Errorf("the cut run left %s", said)
	}
	o.log()
	got, err = run(t, opts)
	if log := prefixed(o.log()); err != nil || fixes(t, got) != "GO-1=1.2.0 GO-2=1.2.0" || log != "modified_id.csv 304, GO-1.json 200, GO-2.json 200" {
		t.Errorf("%+v, %v, requests %s", got, err, log)
	}
}

func TestEcosystems(t *testing.T) {
	t.Parallel()
	o := newOrigin(t)
	records := map[string]string{"GO-1": osvRecord("GO-1", january, "1.1.0")}
	opts := o.options(t)
	opts.Ecosystems = []string{"Gopher"}
	if _, err := run(t, opts); err == nil || !strings.Contains(err.Error(), `OSV has no export of the ecosystem "Gopher" there, or its name is another one`) {
		t.Errorf("got %v", err)
	}
	opts.Ecosystems = nil
	if _, err := run(t, opts); err == nil || !strings.Contains(err.Error(), "name the ecosystems of your images") {
		t.Errorf("without a list: %v", err)
	}
	listed := []string{"Alpine", "Debian", "Go", "Maven", "PyPI", "Ubuntu", "npm", "Red Hat", "GIT"}
	for _, name := range listed {
		o.export(t, name, records)
	}
	o.put("/osv/ecosystems.txt", []byte("Alpine\nGo\n"))
	if _, err := run(t, opts); err == nil || !strings.Contains(err.Error(), "/osv/ecosystems.txt lacks Debian and is not OSV's list") {
		t.Errorf("half a list: %v", err)
	}
	o.put("/osv/ecosystems.txt", []byte(strings.Join(listed, "\r\n")+"\n"))
	got, err := run(t, opts)
	if err != nil || strings.Join(got.Sources.Ecosystems, " ") != "Alpine Debian Go Maven PyPI Red Hat Ubuntu npm" || len(got.Notes) != 1 || !strings.Contains(got.Notes[0], "OSV has no exports of AlmaLinux, ") {
		t.Errorf("%+v, %v", got, err)
	}
	if _, err := os.Stat(filepath.Join(opts.Dir, "osv", "Red%20Hat", "all.zip")); err != nil {
		t.Error(err)
	}
}
