package export_test

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/xeipuuv/gojsonschema"

	"github.com/runecast/runecast/pkg/advisory"
	"github.com/runecast/runecast/pkg/export"
	"github.com/runecast/runecast/pkg/inventory"
	"github.com/runecast/runecast/pkg/scan"
)

var update = flag.Bool("update", false, "write the golden files anew")

const (
	digest = "sha256:1111111111111111111111111111111111111111111111111111111111111111"
	layer  = "sha256:2222222222222222222222222222222222222222222222222222222222222222"
)

func noon() time.Time { return time.Date(2024, 11, 21, 12, 0, 0, 0, time.UTC) }

func libssl() inventory.Package {
	return inventory.Package{
		Type: inventory.TypeDeb, Ecosystem: "Debian:10", Name: "libssl1.1", Version: "1.1.1d-0+deb10u6", Source: "openssl", Arch: "amd64", Path: "var/lib/dpkg/status", Layer: layer,
	}
}

func express() inventory.Package {
	return inventory.Package{Type: inventory.TypeNPM, Ecosystem: "npm", Name: "@acme/express", Version: "4.0.0", Path: "app/node_modules/@acme/express/package.json", Layer: layer}
}

// small is an image with a package of each kind, a finding of each kind, and a part that could not be read.
func small() *export.Document {
	d := &export.Document{
		Image: export.Image{Reference: "registry.example:5000/team/shop:1.2", Digest: digest, Index: "sha256:3333", Platform: "linux/amd64"},
		Inventory: inventory.Inventory{
			OS: inventory.OS{ID: "debian", VersionID: "10", Codename: "buster", PrettyName: "Debian GNU/Linux 10 (buster)"},
			Packages: []inventory.Package{
				libssl(),
				{Type: inventory.TypeGolang, Ecosystem: "Go", Name: "golang.org/x/net", Version: "0.17.0", Path: "usr/bin/shop", Layer: layer},
				express(),
				{Type: inventory.TypePyPI, Ecosystem: "PyPI", Name: "Typing_Extensions", Version: "4.8.0", Path: "usr/lib/python3/site-packages/t.dist-info/METADATA"},
			},
			Unread: []string{"opt/app.whl: not a zip archive"}, Warnings: []string{"srv/x.egg: cut off"},
		},
		Version: "v1.0.0", Time: noon(),
	}
	d.Report = &scan.Report{
		Digest: digest, Image: d.Image.Reference, OS: d.Inventory.OS, Unread: d.Inventory.Unread, Feed: scan.Feed{Revision: "abc"},
		Uncovered: []advisory.Uncovered{{Ecosystem: "PyPI", Packages: 1}},
		Findings: []advisory.Finding{
			{
				ID: "CVE-2021-3711", Advisory: "DEBIAN-CVE-2021-3711", Aliases: []string{"DSA-4963-1"}, Summary: "SM2 decryption overflows a buffer.", Package: libssl(),
				FixedVersion: "1.1.1d-0+deb10u7", Severity: advisory.SeverityCritical, SeveritySource: "NVD", Published: noon(),
				CVSS: &advisory.CVSS{Version: "3.1", Vector: "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H", Score: 9.8},
				EPSS: &advisory.EPSS{Probability: 0.25, Percentile: 0.96}, KEV: &advisory.KEV{DateAdded: "2022-01-10"},
			},
			{ID: "CVE-2022-24999", Advisory: "GHSA-hrpp-h998-j3pp", Package: express(), FixedVersion: "4.17.3", Severity: advisory.SeverityHigh, SeveritySource: "GHSA"},
			{ID: "CVE-2023-0001", Advisory: "DEBIAN-CVE-2023-0001", Package: libssl(), Severity: advisory.SeverityLow, SeveritySource: "Debian"},
			{ID: "CVE-2023-0002", Advisory: "DEBIAN-CVE-2023-0002", Package: libssl(), Severity: advisory.SeverityUnknown, Uncertain: "version cannot be compared", RatedSeverity: advisory.SeverityHigh},
			{ID: "CVE-2023-0003", Advisory: "DEBIAN-CVE-2023-0003", Package: libssl(), Severity: advisory.SeverityUnknown, FixState: advisory.FixStateWontFix, WontFix: "Debian: end-of-life"},
		},
	}
	d.Statements = []export.Statement{
		{ID: "CVE-2022-24999", Package: express(), State: export.StateNotAffected, Reason: "not in the execute path"},
		{ID: "CVE-2023-0001", Package: libssl(), Reason: "accepted until the next base image"},
	}
	return d
}

// odd has names that no packager would choose.
func odd() *export.Document {
	d := small()
	names := []string{
		"a\nPackageName: forged", "<text>x</text>", "</name><name>", "\xff\xfe\x00bad", "\"quoted\\", "\u202ereversed", "日本語", " spaces in it ", "", "a/b@c?d=e#f%20", "\ufffe\uffff\v",
		strings.Repeat("long", 5000),
	}
	d.Inventory.Packages = nil
	d.Report.Findings = nil
	for _, name := range names {
		p := inventory.Package{Type: inventory.TypeDeb, Ecosystem: "Debian:10", Name: name, Version: name, Source: name, Arch: name, Path: name, Layer: layer}
		d.Inventory.Packages = append(d.Inventory.Packages, p)
		d.Inventory.Unread = append(d.Inventory.Unread, name)
		d.Report.Findings = append(d.Report.Findings, advisory.Finding{ID: "CVE-1" + name, Advisory: name, Aliases: []string{name}, Summary: name, Package: p, FixedVersion: name, Uncertain: name, SeveritySource: name})
		d.Statements = append(d.Statements, export.Statement{ID: "CVE-1" + name, Package: p, Reason: name})
	}
	d.Inventory.OS = inventory.OS{ID: names[0], VersionID: names[1], Codename: names[3], PrettyName: names[2]}
	d.Image.Reference, d.Image.Platform, d.Image.Index = names[0], names[3], names[5]
	return d
}

// many has n packages and as many findings.
func many(n int) *export.Document {
	d := small()
	d.Inventory.Packages, d.Report.Findings = nil, nil
	for i := range n {
		p := libssl()
		p.Name = fmt.Sprintf("lib%05d", i)
		d.Inventory.Packages = append(d.Inventory.Packages, p)
		d.Report.Findings = append(d.Report.Findings, advisory.Finding{ID: fmt.Sprintf("CVE-2024-%05d", i), Advisory: "A", Package: p, Severity: advisory.SeverityLow, FixedVersion: "2"})
	}
	return d
}

// empty is an image of which nothing is known but that it has no packages.
func empty() *export.Document {
	return &export.Document{Image: export.Image{Reference: "scratch.example/none@" + digest, Digest: digest}, Time: noon(), Report: &scan.Report{Digest: digest}}
}

// documents are what every format must be valid for.
func documents() map[string]*export.Document {
	twice := small()
	twice.Inventory.Packages = append(twice.Inventory.Packages, twice.Inventory.Packages...)
	return map[string]*export.Document{"small": small(), "odd": odd(), "empty": empty(), "many": many(200), "twice": twice}
}

func written(tb testing.TB, format export.Format, d *export.Document) []byte {
	tb.Helper()
	var b bytes.Buffer
	if err := export.Write(&b, format, d); err != nil {
		tb.Fatal(err)
	}
	return b.Bytes()
}

// moduleFile gives the path of a file that a dependency brings along.
func moduleFile(tb testing.TB, module, name string) string {
	tb.Helper()
	out, err := exec.CommandContext(tb.Context(), "go", "list", "-m", "-f", "{{.Dir}}", module).Output()
	if err != nil {
		tb.Fatalf("where is the module %s: %v", module, err)
	}
	return filepath.Join(strings.TrimSpace(string(out)), name)
}

// wantValid checks a text against a compiled JSON schema.
func wantValid(tb testing.TB, schema *gojsonschema.Schema, text []byte) {
	tb.Helper()
	result, err := schema.Validate(gojsonschema.NewBytesLoader(text))
	if err != nil {
		tb.Fatal(err)
	}
	for _, e := range result.Errors() {
		tb.Errorf("not valid: %s", e)
	}
}

func goldenName(format export.Format) string { return "small." + string(format) + ".golden" }

// TestGolden compares the small document in every format, and finds golden files that no format has.
func TestGolden(t *testing.T) {
	t.Parallel()
	var known []string
	for _, format := range export.Formats() {
		known = append(known, goldenName(format))
		file := filepath.Join("testdata", goldenName(format))
		got := written(t, format, small())
		if *update {
			if err := os.WriteFile(file, got, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s differs; look at the difference and run go test ./pkg/export -update", file)
		}
	}
	entries, err := os.ReadDir("testdata")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if !slices.Contains(known, e.Name()) {
			t.Errorf("testdata/%s belongs to no format", e.Name())
		}
	}
}
