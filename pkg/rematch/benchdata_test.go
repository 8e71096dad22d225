package rematch_test

import (
	"archive/zip"
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/runecast/runecast/pkg/advisory"
	"github.com/runecast/runecast/pkg/feed"
	"github.com/runecast/runecast/pkg/inventory"
	"github.com/runecast/runecast/pkg/scan"
)

// Where the packages of the benchmark's images come from: as many of each ecosystem as an image with a Debian base and an application
// has, 400 in all. Images share bases and middleware; every image has packages of its own.
const (
	ofBase, bases           = 120, 8 // with an advisory; and as many without
	ofMiddleware, middlings = 60, 60
	ofApplication           = 100
	debian                  = "Debian:11"
)

// versions are the versions that advisories of a package name, by package.
type versions map[string][]string

// benchIndex makes an index of the real feeds, where they are there, else of made records, and gives what its advisories name.
func benchIndex(b *testing.B) (ix *advisory.Index, known map[string]versions, isReal bool) {
	b.Helper()
	dir := cmp.Or(os.Getenv("RUNECAST_TEST_FEEDS"), filepath.Join("..", "shared", "feeds"))
	if !filepath.IsAbs(dir) {
		dir = filepath.Join("..", "..", dir)
	}
	sources := feed.Sources{
		OSVDir: filepath.Join(dir, "osv"), NVD: []string{filepath.Join(dir, "nvdcve-2.0.json.gz")}, CVE: []string{filepath.Join(dir, "cve5.zip")},
		KEV: filepath.Join(dir, "known_exploited_vulnerabilities.json"),
	}
	_, err := os.Stat(sources.OSVDir)
	if isReal = err == nil; !isReal {
		sources = feed.Sources{OSVDir: madeOSV(b)}
	}
	path := filepath.Join(b.TempDir(), "feed.index")
	if _, err := feed.Build(b.Context(), sources, path, nil); err != nil {
		b.Fatal(err)
	}
	known = map[string]versions{debian: {}, "npm": {}, "PyPI": {}, "Go": {}}
	for _, ecosystem := range []string{"Debian", "npm", "PyPI", "Go"} {
		readOSV(b, filepath.Join(sources.OSVDir, ecosystem, "all.zip"), known)
	}
	return openIndex(b, path), known, isReal
}

// record is the part of an OSV record that the benchmark needs.
type record struct {
	ID       string     `json:"id"`
	Modified string     `json:"modified"`
	Affected []affected `json:"affected"`
}

type affected struct {
	Package struct {
		Ecosystem string `json:"ecosystem"`
		Name      string `json:"name"`
	} `json:"package"`
	Ranges []struct {
		Type   string              `json:"type"`
		Events []map[string]string `json:"events"`
	} `json:"ranges"`
}

func readOSV(b *testing.B, path string, known map[string]versions) {
	b.Helper()
	archive, err := zip.OpenReader(path)
	must(b, err)
	defer archive.Close()
	for _, file := range archive.File {
		r, err := file.Open()
		must(b, err)
		var rec record
		must(b, json.NewDecoder(r).Decode(&rec))
		_ = r.Close()
		for i := range rec.Affected {
			a := &rec.Affected[i]
			into, ok := known[a.Package.Ecosystem]
			if !ok {
				continue
			}
			for _, ranges := range a.Ranges {
				for _, event := range ranges.Events {
					if fixed := event["fixed"]; fixed != "" && ranges.Type != "GIT" {
						into[a.Package.Name] = append(into[a.Package.Name], fixed)
					}
				}
			}
		}
	}
}

// madeOSV writes exports of made records: packages with six advisories each, fixed one after the other.
func madeOSV(b *testing.B) string {
	b.Helper()
	dir := b.TempDir()
	for ecosystem, with := range map[string]string{"Debian": debian, "npm": "npm", "PyPI": "PyPI", "Go": "Go"} {
		must(b, os.MkdirAll(filepath.Join(dir, ecosystem), 0o700))
		file, err := os.Create(filepath.Join(dir, ecosystem, "all.zip"))
		must(b, err)
		archive := zip.NewWriter(file)
		for n := range 6000 {
			w, err := archive.Create(fmt.Sprintf("%d.json", n))
			must(b, err)
			kind := "ECOSYSTEM"
			if ecosystem == "Go" || ecosystem == "npm" {
				kind = "SEMVER"
			}
			_, err = fmt.Fprintf(w, `{"id":"MADE-%s-%d","modified":"2026-01-02T03:04:05Z","affected":[{"package":{"ecosystem":%q,"name":"made-%d"},`+
				`"ranges":[{"type":%q,"events":[{"introduced":"0"},{"fixed":"1.%d.0"}]}]}]}`, ecosystem, n, with, n/6, kind, n%6+1)
			must(b, err)
		}
		must(b, archive.Close())
		must(b, file.Close())
	}
	return dir
}

// maker makes contents of images.
type maker struct {
	random *rand.Rand
	known  map[string]versions
	names  map[string][]string
	base   [bases][]inventory.Package
	middle [middlings][]inventory.Package
}

func newMaker(known map[string]versions) *maker {
	m := &maker{random: rand.New(rand.NewPCG(1, 2)), known: known, names: map[string][]string{}}
	for ecosystem, list := range known {
		m.names[ecosystem] = slices.Sorted(maps.Keys(list))
	}
	for i := range m.base {
		m.base[i] = m.packages(debian, ofBase)
		for n := range ofBase {
			m.base[i] = append(m.base[i], inventory.Package{
				Type: inventory.TypeDeb, Ecosystem: debian, Name: fmt.Sprintf("without-advisory-%d", n), Version: fmt.Sprintf("1.%d-1", i), Arch: "amd64", Path: "var/lib/dpkg/status",
			})
		}
	}
	for i := range m.middle {
		m.middle[i] = m.packages([]string{"npm", "PyPI", "Go"}[i%3], ofMiddleware)
	}
	return m
}

// packages picks packages of an ecosystem, each of a version that an advisory of it names.
func (m *maker) packages(ecosystem string, count int) []inventory.Package {
	kinds := map[string]string{debian: inventory.TypeDeb, "npm": inventory.TypeNPM, "PyPI": inventory.TypePyPI, "Go": inventory.TypeGolang}
	list := make([]inventory.Package, count)
	for i := range list {
		name := m.names[ecosystem][m.random.IntN(len(m.names[ecosystem]))]
		of := m.known[ecosystem][name]
		p := inventory.Package{
			Type: kinds[ecosystem], Ecosystem: ecosystem, Name: name, Version: of[m.random.IntN(len(of))], Path: "app/" + strings.ToLower(ecosystem) + "/" + name,
			Layer: fmt.Sprintf("sha256:%064x", m.random.Uint64()),
		}
		if ecosystem == debian {
			p.Name, p.Source, p.Arch, p.Path = "lib"+name, name, "amd64", "var/lib/dpkg/status"
		}
		list[i] = p
	}
	return list
}

// image gives the contents of the n-th image.
func (m *maker) image(n int) *scan.Contents {
	c := contents()
	c.Inventory.OS.VersionID = "11"
	c.Inventory.Packages = slices.Concat(m.base[n%bases], m.middle[n%middlings], m.packages([]string{"npm", "PyPI", "Go"}[n%3], ofApplication))
	return c
}
