package feed_test

import (
	"os"
	"path/filepath"
	"testing"
	"unicode/utf8"

	"github.com/runecast/runecast/pkg/feed"
)

// FuzzRecord decodes hostile OSV records: an error or rows that hold together, never a panic.
func FuzzRecord(f *testing.F) {
	files, err := filepath.Glob("testdata/osv/*/*.json")
	if err != nil || len(files) == 0 {
		f.Fatalf("%d files, %v", len(files), err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Add([]byte(`{"id":"UBUNTU-CVE-2024-1","severity":[{"type":"Ubuntu","score":"low"},{"type":"CVSS_V4","score":"CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:H/SI:H/SA:H"}],` +
		`"affected":[{"package":{"ecosystem":"Ubuntu:22.04:LTS","name":"x"},"versions":["1"],"ranges":[{"type":"ECOSYSTEM","events":[{"introduced":"0"},{"last_affected":"1"},{"limit":"*"}]}]}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		packages, err := feed.DecodeForTest(text)
		if err != nil {
			return
		}
		a, err := feed.DetailsForTest(text)
		if err != nil || len(a.References) > 20 || utf8.RuneCountInString(a.Details) > 2000 || utf8.RuneCountInString(a.Summary) > 300 {
			t.Errorf("%d references, %d bytes of details, %v", len(a.References), len(a.Details), err)
		}
		for _, r := range a.References {
			if r.URL == "" || len(r.URL) > 500 {
				t.Errorf("a reference of %d bytes", len(r.URL))
			}
		}
		for name, rows := range packages {
			if len(rows) == 0 {
				t.Errorf("%s has no rows", name)
			}
			for _, row := range rows {
				v := row.Vulnerability
				if v.ID == "" || v.Advisory == "" || utf8.RuneCountInString(v.Summary) > 300 || len(row.Ranges)+len(row.Versions) == 0 {
					t.Errorf("%s: %+v", name, row)
				}
			}
		}
	})
}
