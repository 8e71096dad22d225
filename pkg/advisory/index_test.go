package advisory_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"iter"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/runecast/runecast/pkg/advisory"
	"github.com/runecast/runecast/pkg/inventory"
)

func seq[T any](items []T) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for _, item := range items {
			if !yield(item, nil) {
				return
			}
		}
	}
}

// contents is a small feed that has every optional part once.
func contents() *advisory.Contents {
	openssl := &advisory.Vulnerability{
		ID: "CVE-2021-3711", Advisory: "DEBIAN-CVE-2021-3711", Aliases: []string{"DEBIAN-CVE-2021-3711"}, Summary: "SM2 overflow",
		Severity: advisory.SeverityCritical, SeveritySource: "NVD",
		CVSS: &advisory.CVSS{Version: "3.1", Vector: "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H", Score: 9.8},
		EPSS: &advisory.EPSS{Probability: 0.03, Percentile: 0.9}, KEV: &advisory.KEV{DateAdded: "2022-01-10", DueDate: "2022-07-10", Ransomware: true},
		Published: time.Date(2021, 8, 24, 15, 15, 0, 0, time.UTC),
	}
	fixed := func(version string) []advisory.Range {
		return []advisory.Range{{
			{Kind: advisory.EventIntroduced, Version: "0"},
			{Kind: advisory.EventFixed, Version: version, At: time.Date(2021, 8, 25, 0, 0, 0, 0, time.UTC)},
		}}
	}
	return &advisory.Contents{
		Info: advisory.Info{
			Built: time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC), Date: time.Date(2026, 10, 1, 0, 0, 0, 0, time.UTC),
			Sources:    []advisory.Source{{Name: "osv/Debian", File: "all.zip", SHA256: "00", Records: 2, Used: 1}},
			Ecosystems: []advisory.Coverage{{Ecosystem: "npm"}},
		},
		Entries: seq([]advisory.Entry{
			{Ecosystem: "Debian:10", Name: "openssl", Rows: []advisory.Row{{Vulnerability: openssl, Ranges: fixed("1.1.1d-0+deb10u7")}}},
			{Ecosystem: "Debian:11", Name: "openssl", Rows: []advisory.Row{{Vulnerability: openssl, Ranges: fixed("1.1.1k-1+deb11u1")}}},
			{Ecosystem: "PyPI", Name: "old", Rows: []advisory.Row{{
				Vulnerability: &advisory.Vulnerability{ID: "PYSEC-1", Advisory: "PYSEC-1"}, Ranges: fixed("not a version"),
				Versions: []string{"0.1-legacy-version"},
			}}},
		}),
		Advisories: seq([]advisory.Advisory{
			{ID: "ALPINE-CVE-2021-3711", Upstream: []string{"CVE-2021-3711"}, Summary: "short"},
			{
				ID: "DEBIAN-CVE-2021-3711", Aliases: []string{"X-1"}, Upstream: []string{"CVE-2021-3711"}, Summary: "SM2 overflow", Details: "Long *text*.",
				References: []advisory.Reference{{Type: "WEB", URL: "https://www.openssl.org/news/secadv/20210824.txt"}},
				Severity:   openssl.Severity, SeveritySource: openssl.SeveritySource, CVSS: openssl.CVSS, EPSS: openssl.EPSS, KEV: openssl.KEV,
				Published: openssl.Published, Modified: time.Date(2026, 8, 22, 0, 0, 0, 0, time.UTC),
			},
		}),
	}
}

func write(tb testing.TB, c *advisory.Contents) (string, advisory.Info) {
	tb.Helper()
	path := filepath.Join(tb.TempDir(), "feed.index")
	info, err := advisory.Write(tb.Context(), path, c)
	if err != nil {
		tb.Fatal(err)
	}
	return path, info
}

func open(tb testing.TB, path string) *advisory.Index {
	tb.Helper()
	x, err := advisory.Open(path)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := x.Close(); err != nil {
			tb.Error(err)
		}
	})
	return x
}

func opensslPackage() inventory.Package {
	return inventory.Package{
		Type: inventory.TypeDeb, Ecosystem: "Debian:10", Name: "libssl1.1", Version: "1.1.1d-0+deb10u6", Source: "openssl",
		Path: "var/lib/dpkg/status",
	}
}

func TestWriteThenRead(t *testing.T) {
	t.Parallel()
	path, info := write(t, contents())
	x := open(t, path)
	if got := x.Info(); !reflect.DeepEqual(got, info) {
		t.Errorf("Open describes it as\n%+v, Write as\n%+v", got, info)
	}
	stat, err := os.Stat(path)
	if err != nil || info.Bytes != stat.Size() || info.Rows != 3 || info.Advisories != 2 || len(info.Revision) != 64 {
		t.Errorf("info %+v of a file of %d bytes, %v", info, stat.Size(), err)
	}
	want := []advisory.Coverage{
		{Ecosystem: "Debian:10", Packages: 1, Rows: 1},
		{Ecosystem: "Debian:11", Packages: 1, Rows: 1},
		{Ecosystem: "PyPI", Packages: 1, Rows: 1},
		{Ecosystem: "npm"},
	}
	if !reflect.DeepEqual(info.Ecosystems, want) {
		t.Errorf("coverage %+v", info.Ecosystems)
	}
	if err = x.Verify(t.Context()); err != nil {
		t.Error(err)
	}
	m, err := x.Match(t.Context(), inventory.Inventory{Packages: []inventory.Package{opensslPackage()}})
	if err != nil || len(m.Findings) != 1 {
		t.Fatalf("%+v, %v", m, err)
	}
	c := contents()
	var v *advisory.Vulnerability
	for e, failed := range c.Entries {
		if failed != nil {
			t.Fatal(failed)
		}
		v = e.Rows[0].Vulnerability
		break
	}
	wantFinding := advisory.Finding{
		ID: v.ID, Advisory: v.Advisory, Aliases: v.Aliases, Summary: v.Summary, Package: opensslPackage(), FixedVersion: "1.1.1d-0+deb10u7", FixState: advisory.FixStateFixed,
		FixedAt: time.Date(2021, 8, 25, 0, 0, 0, 0, time.UTC), Severity: v.Severity, SeveritySource: v.SeveritySource,
		CVSS: v.CVSS, EPSS: v.EPSS, KEV: v.KEV, Published: v.Published,
	}
	if !reflect.DeepEqual(m.Findings[0], wantFinding) {
		t.Errorf("got  %+v\nwant %+v", m.Findings[0], wantFinding)
	}
}

func TestAdvisoryByIDAndAlias(t *testing.T) {
	t.Parallel()
	path, _ := write(t, contents())
	x := open(t, path)
	var want advisory.Advisory
	c := contents()
	for a, err := range c.Advisories {
		if err != nil {
			t.Fatal(err)
		}
		want = a
	}
	for _, id := range []string{"DEBIAN-CVE-2021-3711", "X-1", "CVE-2021-3711"} {
		got, err := x.Advisory(id)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v, %v", id, got, err)
		}
	}
	if _, err := x.Advisory("CVE-0"); !errors.Is(err, advisory.ErrNotFound) || err.Error() != "advisory CVE-0: no such advisory in the feed" {
		t.Errorf("CVE-0: %v", err)
	}
}

func TestWriteIsDeterministic(t *testing.T) {
	t.Parallel()
	a, infoA := write(t, contents())
	b, _ := write(t, contents())
	later := contents()
	later.Info.Built = later.Info.Built.Add(time.Hour)
	c, infoC := write(t, later)
	var bytesOf [3][]byte
	for i, path := range []string{a, b, c} {
		var err error
		if bytesOf[i], err = os.ReadFile(path); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(bytesOf[0], bytesOf[1]) {
		t.Error("equal contents gave two different files")
	}
	if bytes.Equal(bytesOf[0], bytesOf[2]) || infoA.Revision != infoC.Revision {
		t.Errorf("the revision must not depend on the time of the build: %s, %s", infoA.Revision, infoC.Revision)
	}
	older := contents()
	older.Info.Date = older.Info.Date.Add(-time.Hour)
	if _, info := write(t, older); info.Revision == infoA.Revision {
		t.Error("data of another date has the same revision")
	}
	olderPart := contents()
	olderPart.Dates = map[string]time.Time{"npm": time.Unix(1, 0).UTC()}
	if _, info := write(t, olderPart); info.Revision == infoA.Revision {
		t.Error("data with a part of another date has the same revision")
	}
	more := contents()
	more.Info.Sources = append(more.Info.Sources, advisory.Source{Name: "kev"})
	if _, info := write(t, more); info.Revision == infoA.Revision {
		t.Error("data of other sources has the same revision")
	}
	if infoA.Advisories != 2 || infoA.Rated != 1 {
		t.Errorf("%d of %d advisories are rated", infoA.Rated, infoA.Advisories)
	}
}

func TestWriteFailsCleanly(t *testing.T) {
	t.Parallel()
	path, _ := write(t, contents())
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	unsorted := contents()
	unsorted.Entries = seq([]advisory.Entry{{Ecosystem: "npm", Name: "b"}, {Ecosystem: "npm", Name: "a"}})
	_, err = advisory.Write(t.Context(), path, unsorted)
	if want := "write feed index " + path + ": package a of npm is out of order"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	twice := contents()
	twice.Advisories = seq([]advisory.Advisory{{ID: "A"}, {ID: "A"}})
	_, err = advisory.Write(t.Context(), path, twice)
	if want := "write feed index " + path + ": advisory A is out of order"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	after, err := os.ReadFile(path)
	if err != nil || !bytes.Equal(before, after) {
		t.Errorf("a failed write changed the file: %v", err)
	}
	if left, _ := filepath.Glob(filepath.Join(filepath.Dir(path), ".*")); len(left) > 0 {
		t.Errorf("a failed write left %v", left)
	}
}

// seal gives bytes a right length and checksum, as somebody who wants to harm would.
func seal(file []byte) []byte {
	file = bytes.Clone(file)
	binary.LittleEndian.PutUint64(file[16:], uint64(len(file)))
	sum := sha256.Sum256(append(bytes.Clone(file[184:]), file[:152]...))
	copy(file[152:], sum[:])
	return file
}

func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	path, _ := write(t, contents())
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	change := func(fn func(b []byte) []byte) []byte { return fn(bytes.Clone(good)) }
	for _, c := range []struct {
		name string
		file []byte
		want advisory.IndexFault
		text string
	}{
		{"missing", nil, advisory.FaultMissing, "feed index FILE does not exist; build one with 'runecast feed build' or import one with 'runecast feed import'"},
		{"empty", []byte{}, advisory.FaultNoIndex, "FILE is no feed index: it is empty; give the file that 'runecast feed build' wrote"},
		{"other kind", []byte("PK\x03\x04 this is a zip"), advisory.FaultNoIndex, "FILE is no feed index: it does not start like one; give the file that 'runecast feed build' wrote"},
		{"magic", change(func(b []byte) []byte { b[0] ^= 1; return b }), advisory.FaultNoIndex, "FILE is no feed index: it does not start like one; give the file that 'runecast feed build' wrote"},
		{"header cut", good[:100], advisory.FaultDamaged, "feed index FILE is damaged: it is cut off after 100 bytes; build or import it again"},
		{"flipped byte", change(func(b []byte) []byte { b[len(b)/2] ^= 1; return b }), advisory.FaultDamaged, "feed index FILE is damaged: its checksum does not match its contents; build or import it again"},
		{"flipped checksum", change(func(b []byte) []byte { b[160] ^= 1; return b }), advisory.FaultDamaged, "feed index FILE is damaged: its checksum does not match its contents; build or import it again"},
		{"future", seal(change(func(b []byte) []byte { b[8] = 9; return b })), advisory.FaultVersion, "feed index FILE cannot be read by this program: its format version is 9 and this program reads 4; build it again, or import one that this version of runecast built"},
		{"section outside", seal(change(func(b []byte) []byte { b[24+7] = 0x7f; return b })), advisory.FaultDamaged, "feed index FILE is damaged: section 0 lies outside the file; build or import it again"},
		{"section number", seal(change(func(b []byte) []byte { b[12] = 3; return b })), advisory.FaultDamaged, "feed index FILE is damaged: it has 3 sections instead of 8; build or import it again"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			file := filepath.Join(t.TempDir(), "feed.index")
			if c.file != nil {
				if err := os.WriteFile(file, c.file, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			_, err := advisory.Open(file)
			var fault *advisory.IndexError
			if !errors.As(err, &fault) || fault.Fault != c.want {
				t.Fatalf("got %v", err)
			}
			if want := strings.ReplaceAll(c.text, "FILE", file); err.Error() != want {
				t.Errorf("got  %s\nwant %s", err, want)
			}
		})
	}
}

// Every way to cut the file, and every flipped byte, is refused.
func TestOpenRefusesEveryCutAndFlip(t *testing.T) {
	t.Parallel()
	path, _ := write(t, contents())
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "feed.index")
	refuse := func(what string, at int, b []byte) {
		if err := os.WriteFile(file, b, 0o600); err != nil {
			t.Fatal(err)
		}
		x, err := advisory.Open(file)
		if _, typed := errors.AsType[*advisory.IndexError](err); !typed {
			t.Errorf("%s at %d: %v", what, at, err)
		}
		if x != nil {
			_ = x.Close()
		}
	}
	for at := range good {
		refuse("cut", at, good[:at])
		flipped := bytes.Clone(good)
		flipped[at] ^= 0x10
		refuse("flip", at, flipped)
	}
	refuse("added", len(good), append(bytes.Clone(good), 0))
}

func TestCloseWaitsForNobodyAndBreaksNobody(t *testing.T) {
	t.Parallel()
	path, _ := write(t, contents())
	x := open(t, path)
	packages := make([]inventory.Package, 2000)
	for i := range packages {
		packages[i] = opensslPackage()
	}
	var running sync.WaitGroup
	for range 8 {
		running.Go(func() {
			for {
				m, err := x.Match(t.Context(), inventory.Inventory{Packages: packages})
				if errors.Is(err, advisory.ErrClosed) {
					return
				}
				if err != nil || len(m.Findings) != len(packages) {
					t.Errorf("%d findings, %v", len(m.Findings), err)
					return
				}
			}
		})
	}
	if err := x.Close(); err != nil {
		t.Error(err)
	}
	running.Wait()
	if err := x.Close(); err != nil {
		t.Errorf("second close: %v", err)
	}
	if _, err := x.Advisory("CVE-2021-3711"); !errors.Is(err, advisory.ErrClosed) {
		t.Errorf("after close: %v", err)
	}
	if x.Info().Rows != 3 {
		t.Error("the description is gone after close")
	}
}

func TestFileCutShortInUse(t *testing.T) {
	t.Parallel()
	path, _ := write(t, contents())
	x := open(t, path)
	if err := os.Truncate(path, 0); err != nil {
		t.Fatal(err)
	}
	_, err := x.Match(t.Context(), inventory.Inventory{Packages: []inventory.Package{opensslPackage()}})
	want := "feed index " + path + " is damaged: it was cut short while it was in use; build or import it again"
	if err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}
