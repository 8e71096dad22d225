package scan_test

import (
	"cmp"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/runecast/runecast/pkg/advisory"
	"github.com/runecast/runecast/pkg/feed"
	"github.com/runecast/runecast/pkg/image/imagetest"
	"github.com/runecast/runecast/pkg/scan"
)

// TestCannedImagesAgainstTheFeed scans the images that demonstrations and end-to-end tests use, with the real feed where there is
// one, because their verdicts depend on what it knows of every package of theirs.
func TestCannedImagesAgainstTheFeed(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.feed.set(realFeed(t))
	fixable := func(r *scan.Report) []string {
		var ids []string
		for i := range r.Findings {
			if f := &r.Findings[i]; f.Fixable() && f.Severity >= advisory.SeverityHigh {
				ids = append(ids, f.ID+" "+f.Package.Name)
			}
		}
		return ids
	}
	for _, c := range []struct {
		image string
		push  func() *scan.Report
		want  []string // among the fixable ones of high or critical severity; nil: there are none
	}{
		{"nginx:1.19", func() *scan.Report {
			return b.report(t, b.reg.MustPush(t.Context(), "nginx:1.19", imagetest.Nginx119()))
		}, []string{"CVE-2021-3711 libssl1.1", "CVE-2021-3711 openssl"}},
		{"nginx:fixed", func() *scan.Report {
			return b.report(t, b.reg.MustPush(t.Context(), "nginx:fixed", imagetest.Nginx119Fixed()))
		}, nil},
		{"alpine:3.8", func() *scan.Report { return b.report(t, b.reg.MustPush(t.Context(), "alpine:3.8", imagetest.Alpine())) }, []string{"CVE-2018-0500 curl", "CVE-2018-0500 libcurl"}},
		{"two:1", func() *scan.Report { return b.report(t, b.reg.MustPush(t.Context(), "two:1", imagetest.TwoLayer())) }, nil},
	} {
		r := c.push()
		got := fixable(r)
		for _, want := range c.want {
			if !slices.Contains(got, want) {
				t.Errorf("%s: no %s in %q", c.image, want, got)
			}
		}
		if c.want == nil && len(got) > 0 {
			t.Errorf("%s: %q", c.image, got)
		}
		if len(r.Uncovered) > 0 || len(r.Warnings) > 0 {
			t.Errorf("%s: uncovered %v, warnings %q", c.image, r.Uncovered, r.Warnings)
		}
		t.Logf("%s: %d packages, %d findings: %v", c.image, r.Packages, len(r.Findings), r.Counts())
	}
}

// TestGoImageAgainstTheFeed scans an image from scratch with a program that was built just now.
func TestGoImageAgainstTheFeed(t *testing.T) {
	t.Parallel()
	program, err := imagetest.GoProgram(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	b := newBench(t)
	b.feed.set(realFeed(t))
	r := b.report(t, b.reg.MustPush(t.Context(), "app:1", imagetest.GoImage(program)))
	i := slices.IndexFunc(r.Findings, func(f advisory.Finding) bool { return f.ID == "CVE-2022-41723" })
	if i < 0 {
		t.Fatalf("CVE-2022-41723 is not among %d findings", len(r.Findings))
	}
	p := r.Findings[i].Package
	if p.Name != "golang.org/x/net" || p.Version != "0.1.0" || p.Path != "usr/bin/app" || r.Findings[i].FixedVersion != "0.7.0" {
		t.Errorf("finding %+v", r.Findings[i])
	}
	if len(r.Uncovered) > 0 || len(r.Unread) > 0 {
		t.Errorf("uncovered %v, unread %q", r.Uncovered, r.Unread)
	}
}

// realFeed builds the feed of RUNECAST_TEST_FEEDS, by default that beside the repository; without one it gives a few records.
func realFeed(t *testing.T) *advisory.Index {
	t.Helper()
	dir := os.Getenv("RUNECAST_TEST_FEEDS")
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "shared", "feeds")
	}
	if _, err := os.Stat(filepath.Join(dir, "osv")); err != nil {
		t.Logf("no feeds in %s: records of the test's own", dir)
		v := &advisory.Vulnerability{ID: "CVE-2018-0500", Advisory: "ALPINE-CVE-2018-0500", Severity: advisory.SeverityCritical, SeveritySource: "NVD"}
		curl := advisory.Entry{Ecosystem: "Alpine:v3.8", Name: "curl", Rows: []advisory.Row{{Vulnerability: v, Ranges: []advisory.Range{{
			{Kind: advisory.EventIntroduced, Version: "0"}, {Kind: advisory.EventFixed, Version: "7.61.0-r0"},
		}}}}}
		http2 := &advisory.Vulnerability{ID: "CVE-2022-41723", Advisory: "GO-2023-1571"}
		net := advisory.Entry{Ecosystem: "Go", Name: "golang.org/x/net", Rows: []advisory.Row{{Vulnerability: http2, Ranges: []advisory.Range{{
			{Kind: advisory.EventIntroduced, Version: "0"}, {Kind: advisory.EventFixed, Version: "0.7.0"},
		}}}}}
		entries := append([]advisory.Entry{curl, net}, opensslFeed("1")...)
		slices.SortFunc(entries, func(a, b advisory.Entry) int {
			return cmp.Or(strings.Compare(a.Ecosystem, b.Ecosystem), strings.Compare(a.Name, b.Name))
		})
		return newFeed(t, entries)
	}
	out := filepath.Join(t.TempDir(), "feed.index")
	if _, err := feed.Build(t.Context(), feed.Sources{
		OSVDir: filepath.Join(dir, "osv"), NVD: []string{filepath.Join(dir, "nvdcve-2.0.json.gz")}, CVE: []string{filepath.Join(dir, "cve5.zip")},
		KEV: filepath.Join(dir, "known_exploited_vulnerabilities.json"),
	}, out, nil); err != nil {
		t.Fatal(err)
	}
	ix, err := advisory.Open(out)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ix.Close() })
	return ix
}
