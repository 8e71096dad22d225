package inventory_test

import (
	"strings"
	"testing"
)

func TestDpkgPackages(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		fields string
		want   string // name, version, advisory's name and version
	}{
		"source by name":          {"Package: libssl1.1\nStatus: install ok installed\nVersion: 1.1-1\nSource: openssl", "libssl1.1 1.1-1 openssl 1.1-1"},
		"source with version":     {"Package: libssl1.1\nStatus: install ok installed\nVersion: 1.1-1+b2\nSource: openssl (1.1-1)", "libssl1.1 1.1-1+b2 openssl 1.1-1"},
		"no source":               {"Package: bash\nStatus: install ok installed\nVersion: 5.0-4", "bash 5.0-4 bash 5.0-4"},
		"rebuilt without source":  {"Package: bash\nStatus: install ok installed\nVersion: 5.0-4+b1\nSource: bash (5.0-4)", "bash 5.0-4+b1 bash 5.0-4"},
		"kernel headers":          {"Package: linux-libc-dev\nStatus: install ok installed\nVersion: 4.19-1\nSource: linux", "linux-libc-dev 4.19-1 linux-libc-dev 4.19-1"},
		"kernel headers, signed":  {"Package: linux-headers-6.1.0-18-amd64\nStatus: install ok installed\nVersion: 6.1.76-1\nSource: linux-signed-amd64 (6.1.76+1)", "linux-headers-6.1.0-18-amd64 6.1.76-1 linux-headers-6.1.0-18-amd64 6.1.76-1"},
		"the kernel itself":       {"Package: linux-image-6.1.0-18-amd64\nStatus: install ok installed\nVersion: 6.1.76-1\nSource: linux", "linux-image-6.1.0-18-amd64 6.1.76-1 linux 6.1.76-1"},
		"held":                    {"Package: bash\nStatus: hold ok installed\nVersion: 5.0-4", "bash 5.0-4 bash 5.0-4"},
		"waiting for a trigger":   {"Package: bash\nStatus: install ok triggers-awaited\nVersion: 5.0-4", "bash 5.0-4 bash 5.0-4"},
		"unpacked":                {"Package: bash\nStatus: install ok unpacked\nVersion: 5.0-4", "bash 5.0-4 bash 5.0-4"},
		"removed":                 {"Package: bash\nStatus: deinstall ok config-files\nVersion: 5.0-4", ""},
		"never installed":         {"Package: bash\nStatus: unknown ok not-installed", ""},
		"fields in another case":  {"PACKAGE: bash\nstatus: install ok installed\nVersion:5.0-4", "bash 5.0-4 bash 5.0-4"},
		"a very long description": {"Package: bash\nStatus: install ok installed\nVersion: 5.0-4\nDepends: " + strings.Repeat("x, ", 50_000), "bash 5.0-4 bash 5.0-4"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inv := mustMerge(t, scanItems(t, text("etc/os-release", debian10), text("var/lib/dpkg/status", tt.fields+"\n\n")))
			got := ""
			for i := range inv.Packages {
				p := &inv.Packages[i]
				got = strings.Join([]string{p.Name, p.Version, p.AdvisoryName(), p.AdvisoryVersion()}, " ")
			}
			if got != tt.want || len(inv.Packages) > 1 {
				t.Errorf("package is %q, want %q", got, tt.want)
			}
		})
	}
}

func TestDpkgDistroless(t *testing.T) {
	t.Parallel()
	const tzdata = "Package: tzdata\nVersion: 2024a-0+deb12u1\nArchitecture: all\nMaintainer: GNU Libc Maintainers <debian-glibc@lists.debian.org>\nDescription: time zone data\n This package contains data.\n"
	const python = "Package: libpython3.11-minimal\nSource: python3.11\nVersion: 3.11.2-6\nArchitecture: amd64"
	metadata := "Metadata-Version: 2.1\nName: pip\nVersion: 23.0.1\n\n"
	inv := mustMerge(t, scanItems(t,
		text("etc/os-release", "ID=debian\nVERSION_ID=\"12\"\n"),
		text("var/lib/dpkg/status.d/tzdata", tzdata),
		text("var/lib/dpkg/status.d/tzdata.md5sums", "0123456789abcdef0123456789abcdef  usr/share/zoneinfo/UTC\n"),
		text("var/lib/dpkg/status.d/libpython3", python),
		text("var/lib/dpkg/status.d/libpython3.md5sums", "0123456789abcdef0123456789abcdef  usr/lib/python3/dist-packages/pip-23.0.1.dist-info/METADATA\n"),
		text("var/lib/dpkg/status.d/.keep", ""),
		text("usr/lib/python3/dist-packages/pip-23.0.1.dist-info/METADATA", metadata)))
	wantNames(t, inv, "libpython3.11-minimal 3.11.2-6", "tzdata 2024a-0+deb12u1")
	if p := inv.Packages[0]; p.Ecosystem != "Debian:12" || p.Path != "var/lib/dpkg/status.d/libpython3" || p.Source != "python3.11" {
		t.Errorf("package is %+v", p)
	}
	if inv.Owned != 1 {
		t.Errorf("%d language packages are left out, want 1", inv.Owned)
	}
}

// TestDatabaseFaults asserts that a database which cannot be read in full is an error and never fewer packages.
func TestDatabaseFaults(t *testing.T) {
	t.Parallel()
	const status, part, apk = "var/lib/dpkg/status", "var/lib/dpkg/status.d/x", "lib/apk/db/installed"
	cut, _, _ := strings.Cut(dpkgSSL, "toolkit")
	for name, tt := range map[string]struct{ path, text, want string }{
		"dpkg cut in a line":        {status, dpkgBash + cut, "var/lib/dpkg/status is corrupt: it is cut short in line 19"},
		"dpkg cut after a line":     {status, dpkgBash + "Package: libssl1.1\nStatus: install ok installed\n", "var/lib/dpkg/status is corrupt: paragraph before line 10: package libssl1.1 has no version"},
		"dpkg with a bad status":    {status, "Package: a\nVersion: 1\nStatus: installed\n\n", `var/lib/dpkg/status is corrupt: paragraph before line 5: package a has the bad status "installed"`},
		"dpkg without a name":       {status, "Version: 1\nStatus: install ok installed\n\n", `var/lib/dpkg/status is corrupt: paragraph before line 4: a package has no name, or the bad name ""`},
		"dpkg is binary":            {status, "\x7fELF\x02\x01\x01\x00\x00\x00", "var/lib/dpkg/status is corrupt: line 1 has a zero byte"},
		"dpkg is prose":             {status, dpkgBash + "hello there\n", "var/lib/dpkg/status is corrupt: line 8 is no field: \"hello there\""},
		"dpkg starts in the middle": {status, " more\n" + dpkgBash, "var/lib/dpkg/status is corrupt: line 1 continues nothing"},
		"dpkg with a bad source":    {status, "Package: a\nVersion: 1\nStatus: install ok installed\nSource: b (1\n\n", `var/lib/dpkg/status is corrupt: paragraph before line 6: package a has the bad source "b (1"`},
		"dpkg with a huge field":    {status, "Package: " + strings.Repeat("a", 70_000) + "\n\n", "var/lib/dpkg/status is corrupt: line 1 is longer than 65536 bytes"},
		"dpkg not in UTF-8":         {status, installed("a\xff", "1"), "var/lib/dpkg/status is corrupt: it is not text in UTF-8"},
		"part is prose":             {part, "hello there\n", "var/lib/dpkg/status.d/x is corrupt: line 1 is no field: \"hello there\""},
		"part without a version":    {part, "Package: a\n", "var/lib/dpkg/status.d/x is corrupt: paragraph before line 2: package a has no version"},
		"apk cut in a line":         {apk, apkMusl[:100], "lib/apk/db/installed is corrupt: it is cut short in line 7"},
		"apk cut after a line":      {apk, "P:musl\n", "lib/apk/db/installed is corrupt: the record before line 2 has no name or no version"},
		"apk is binary":             {apk, "P:a\x00\n", "lib/apk/db/installed is corrupt: line 1 has a zero byte"},
		"apk is prose":              {apk, apkMusl + "hello\n", "lib/apk/db/installed is corrupt: line 19 is no field: \"hello\""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := scanItems(t, text("etc/os-release", debian10), text(tt.path, tt.text))
			_, err := merge(t, l)
			wantError(t, err, "corrupt", tt.want)
			if inv, err := merge(t, l, scanItems(t, text(tt.path, ""))); err != nil || len(inv.Packages) != 0 {
				t.Errorf("a later layer's database does not count: %v, %v", inv.Packages, err)
			}
		})
	}
}

// TestDpkgWithoutStates reads the database of a chiselled Ubuntu image, which is made of packages' control files.
func TestDpkgWithoutStates(t *testing.T) {
	t.Parallel()
	for name, between := range map[string]string{"with blank lines": "\n", "one after the other": ""} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			status := "Package: libc6\nVersion: 2.35-0ubuntu3\nSource: glibc\n" + between + "Package: openssl\nVersion: 3.0.2-0ubuntu1\n"
			inv := mustMerge(t, scanItems(t, text("etc/os-release", "ID=ubuntu\nVERSION_ID=\"22.04\"\n"), text("var/lib/dpkg/status", status)))
			if len(inv.Packages) != 2 || inv.Packages[0].Name != "libc6" || inv.Packages[0].Source != "glibc" || inv.Packages[1].Name != "openssl" || len(inv.Unread) > 0 {
				t.Errorf("packages %+v, unread %q", inv.Packages, inv.Unread)
			}
		})
	}
}

// TestWhatIsNoDistribution takes images for whole that only look as if something was missing.
func TestWhatIsNoDistribution(t *testing.T) {
	t.Parallel()
	for name, items := range map[string][]item{
		"a label in os-release":       {text("etc/os-release", "PRETTY_NAME=\"K3s v1.29\"\n"), text("bin/k3s", "x")},
		"an empty rpm database":       {text("etc/os-release", debian10), text("var/lib/dpkg/status", dpkgBash), text("var/lib/rpm/rpmdb.sqlite", "")},
		"broken metadata among tests": {text("etc/os-release", debian10), text("var/lib/dpkg/status", dpkgBash), text("app/tests/data/broken.dist-info/METADATA", "x")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if inv := mustMerge(t, scanItems(t, items...)); len(inv.Unread) > 0 {
				t.Errorf("unread %q", inv.Unread)
			}
		})
	}
}
