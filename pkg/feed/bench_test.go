package feed_test

import (
	"archive/zip"
	"encoding/json"
	"path/filepath"
	"slices"
	"testing"

	"github.com/runecast/runecast/pkg/advisory"
	"github.com/runecast/runecast/pkg/feed"
	"github.com/runecast/runecast/pkg/inventory"
)

// BenchmarkBuild builds the index of all feeds.
func BenchmarkBuild(b *testing.B) {
	sources, _ := realFeeds(b)
	path := filepath.Join(b.TempDir(), "feed.index")
	b.ReportAllocs()
	for b.Loop() {
		if _, err := feed.Build(b.Context(), sources, path, nil); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkOpen opens the index, which is mostly its checksum.
func BenchmarkOpen(b *testing.B) {
	sources, _ := realFeeds(b)
	path := filepath.Join(b.TempDir(), "feed.index")
	info, err := feed.Build(b.Context(), sources, path, nil)
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(info.Bytes)
	for b.Loop() {
		x, err := advisory.Open(path)
		if err != nil {
			b.Fatal(err)
		}
		if err := x.Close(); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(info.Rows), "rows")
}

// BenchmarkMatch matches 1,000 packages of Debian 10, three quarters of which the feed knows, at versions that are a little older
// than the last fix.
func BenchmarkMatch(b *testing.B) {
	sources, _ := realFeeds(b)
	x, _ := build(b, sources)
	inv := benchInventory(b, &sources)
	m, err := x.Match(b.Context(), inv)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := x.Match(b.Context(), inv); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(len(m.Findings)), "findings")
	b.ReportMetric(float64(len(inv.Packages)), "packages")
}

// benchInventory takes package names and their highest fixed versions from the feed and installs a version just below.
func benchInventory(b *testing.B, sources *feed.Sources) inventory.Inventory {
	b.Helper()
	z, err := zip.OpenReader(filepath.Join(sources.OSVDir, "Debian", "all.zip"))
	if err != nil {
		b.Fatal(err)
	}
	defer z.Close()
	highest := map[string]string{}
	for _, entry := range z.File {
		r, err := entry.Open()
		if err != nil {
			b.Fatal(err)
		}
		var o struct {
			Affected []struct {
				Package struct {
					Ecosystem string `json:"ecosystem"`
					Name      string `json:"name"`
				} `json:"package"`
				Ranges []struct {
					Events []map[string]string `json:"events"`
				} `json:"ranges"`
			} `json:"affected"`
		}
		if err := json.NewDecoder(r).Decode(&o); err != nil {
			b.Fatal(err)
		}
		for _, a := range o.Affected {
			if a.Package.Ecosystem != "Debian:10" {
				continue
			}
			fixed := a.Ranges[0].Events[len(a.Ranges[0].Events)-1]["fixed"]
			if order, err := advisory.CompareVersions("Debian:10", highest[a.Package.Name], fixed); err != nil || order < 0 {
				highest[a.Package.Name] = fixed
			}
		}
	}
	var names []string
	for name := range highest {
		names = append(names, name)
	}
	slices.Sort(names)
	var inv inventory.Inventory
	for i := range 1000 {
		p := inventory.Package{Type: inventory.TypeDeb, Ecosystem: "Debian:10", Path: "var/lib/dpkg/status"}
		name := names[i%len(names)]
		p.Name, p.Version = name, highest[name]+"~"
		if i%4 == 3 {
			p.Name, p.Version = name+"-unknown-to-the-feed", "1.0-1"
		}
		inv.Packages = append(inv.Packages, p)
	}
	return inv
}
