package inventory_test

import (
	"encoding/binary"
	"errors"
	"strings"
	"testing"

	"github.com/runecast/runecast/pkg/inventory"
)

const (
	rocky9  = "ID=\"rocky\"\nVERSION_ID=\"9.4\"\nPRETTY_NAME=\"Rocky Linux 9.4\"\n"
	sixPath = "usr/lib/python3.9/site-packages/six-1.15.0.dist-info/METADATA"
	sixMeta = "Metadata-Version: 2.1\nName: six\nVersion: 1.15.0\n"
)

// rpmForms are the forms of the database, by the path at which rpm has them.
func rpmForms() map[string]struct {
	path  string
	write func(testing.TB, ...rpmPackage) string
} {
	type form = struct {
		path  string
		write func(testing.TB, ...rpmPackage) string
	}
	return map[string]form{
		"sqlite":         {"var/lib/rpm/rpmdb.sqlite", rpmSQLite},
		"ndb":            {"usr/lib/sysimage/rpm/Packages.db", rpmNDB},
		"bdb":            {"var/lib/rpm/Packages", rpmBDB(binary.LittleEndian)},
		"bdb big-endian": {"var/lib/rpm/Packages", rpmBDB(binary.BigEndian)},
	}
}

func rpmSamples() []rpmPackage {
	return []rpmPackage{
		{name: "rocky-release", version: "9.4", release: "1.7.el9", arch: "noarch", source: "rocky-release-9.4-1.7.el9.src.rpm", vendor: "Rocky", files: []string{"/etc/os-release"}},
		{name: "openssl-libs", epoch: 1, version: "3.0.7", release: "27.el9", arch: "x86_64", source: "openssl-3.0.7-27.el9.src.rpm", vendor: "Rocky", files: manyFiles(900)},
		{name: "python3-six", version: "1.15.0", release: "9.el9", arch: "noarch", source: "python-six-1.15.0-9.el9.src.rpm", vendor: "Rocky", files: []string{"/" + sixPath}},
		{name: "gpg-pubkey", version: "350d275d", release: "6279464b"},
		{name: "bash", version: "5.1.8", release: "9.el9", arch: "x86_64", source: "bash-5.1.8-9.el9.src.rpm", vendor: "Rocky"},
	}
}

func TestRPM(t *testing.T) {
	t.Parallel()
	for name, form := range rpmForms() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inv := mustMerge(t, scanItems(t, text("etc/os-release", rocky9), text(form.path, form.write(t, rpmSamples()...)), text(sixPath, sixMeta)))
			wantNames(t, inv, "bash 5.1.8-9.el9", "openssl-libs 1:3.0.7-27.el9", "python3-six 1.15.0-9.el9", "rocky-release 9.4-1.7.el9")
			if inv.Owned != 1 || len(inv.Unread)+len(inv.Warnings) != 0 || strings.Join(inv.Databases, " ") != form.path {
				t.Errorf("inventory is %+v", inv)
			}
			want := inventory.Package{
				Type: "rpm", Ecosystem: "Rocky Linux:9", Name: "openssl-libs", Version: "1:3.0.7-27.el9", Source: "openssl", Arch: "x86_64",
				Path: form.path, Layer: "layer0",
			}
			if len(inv.Packages) != 4 || inv.Packages[1] != want {
				t.Fatalf("packages are %+v", inv.Packages)
			}
			if got := inv.Packages[1].PURL(); got != "pkg:rpm/rocky-linux/openssl-libs@3.0.7-27.el9?arch=x86_64&distro=rocky-linux-9&epoch=1" {
				t.Errorf("purl is %s", got)
			}
		})
	}
}

// TestRPMSpooled has databases that are larger than what is read in memory, of many pages.
func TestRPMSpooled(t *testing.T) {
	t.Parallel()
	var pkgs []rpmPackage
	for i := range 100 {
		pkgs = append(pkgs, rpmPackage{name: "p" + string(rune('a'+i/10)) + string(rune('a'+i%10)), version: "1", release: "1", arch: "noarch", files: manyFiles(300)})
	}
	for name, form := range rpmForms() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			data := form.write(t, pkgs...)
			if len(data) < 1<<20 {
				t.Fatalf("the database has only %d bytes", len(data))
			}
			inv := mustMerge(t, scanItems(t, text("etc/os-release", rocky9), text(form.path, data)))
			if len(inv.Packages) != 100 || len(inv.Unread) != 0 {
				t.Errorf("%d packages, unread %q", len(inv.Packages), inv.Unread)
			}
		})
	}
}

// TestRPMDamaged cuts databases short and damages them: what is listed is all of it, or the image is one that cannot be judged.
func TestRPMDamaged(t *testing.T) {
	t.Parallel()
	for name, form := range rpmForms() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			whole := form.write(t, rpmSamples()...)
			for cut := 1; cut < len(whole); cut += 509 {
				inv := mustMerge(t, scanItems(t, text("etc/os-release", rocky9), text(form.path, whole[:cut])))
				if len(inv.Unread) == 0 && len(inv.Packages) != 4 {
					t.Errorf("cut at %d: packages are %s and nothing is unread", cut, names(inv))
				}
			}
		})
	}
}

func TestRPMUnread(t *testing.T) {
	t.Parallel()
	good := rpmSQLite(t, rpmSamples()...)
	ndb := []byte(rpmNDB(t, rpmSamples()...))
	ndb[4096+40] ^= 1
	bdb := []byte(rpmBDB(binary.LittleEndian)(t, rpmSamples()...))
	bdb[4096*2+16] = 2 // the first overflow page goes on with itself
	for want, items := range map[string][]item{
		"var/lib/rpm/rpmdb.sqlite: it is not read: it is of no form that rpm databases have":               {text("var/lib/rpm/rpmdb.sqlite", "SQLite")},
		"var/lib/rpm/rpmdb.sqlite-wal: it is not read: it has changes that are not in the database yet":    {text("var/lib/rpm/rpmdb.sqlite", good), text("var/lib/rpm/rpmdb.sqlite-wal", "x")},
		"var/lib/rpm/Packages.db: it is not read: package 1 is damaged: its checksum is wrong":             {text("var/lib/rpm/Packages.db", string(ndb))},
		"var/lib/rpm/Packages: it is not read: page 2 is damaged":                                          {text("var/lib/rpm/Packages", string(bdb))},
		"var/lib/rpm/Packages: it is not read: a package has no name, version or release: \"a\" \"\" \"\"": {text("var/lib/rpm/Packages", rpmBDB(binary.LittleEndian)(t, rpmPackage{name: "a"}))},
		"the image is of Rocky Linux 9.4 and has no package database":                                      {text("chroot/var/lib/rpm/rpmdb.sqlite", good)},
		"the image is of Rocky Linux 9.4 and has no package database ":                                     {text("var/lib/rpm/rpmdb.sqlite", "")},
		"the image is of Rocky Linux 9.4 and has no package database  ":                                    {text("var/lib/rpm/rpmdb.sqlite", rpmSQLite(t))},
		"": {text("var/lib/rpm/rpmdb.sqlite", good), text("var/lib/rpm/rpmdb.sqlite-wal", ""), text("var/lib/rpm/Packages", "left behind")},
	} {
		inv := mustMerge(t, scanItems(t, append(items, text("etc/os-release", rocky9))...))
		if got := strings.Join(inv.Unread, "|"); got != strings.TrimRight(want, " ") {
			t.Errorf("unread is %s\nwant %s", got, want)
		}
	}
}

// TestRPMTooLarge has a database over the limit: it is unread, not an image without packages.
func TestRPMTooLarge(t *testing.T) {
	t.Parallel()
	data := layerTar(t, text("etc/os-release", rocky9), text("var/lib/rpm/rpmdb.sqlite", rpmSQLite(t, rpmSamples()...)))
	l, err := inventory.ScanLayer(t.Context(), (&source{data: data}).open, inventory.Options{MaxFile: 1000})
	if err != nil {
		t.Fatal(err)
	}
	if inv := mustMerge(t, l); len(inv.Unread) != 1 || !strings.Contains(inv.Unread[0], "more than 1000") {
		t.Errorf("unread is %q", inv.Unread)
	}
}

// TestRPMLinks reaches the database by links, also one with another name in another layer, and replaces it by a later layer's.
func TestRPMLinks(t *testing.T) {
	t.Parallel()
	samples := rpmSamples()
	first := scanItems(t, text("etc/os-release", rocky9), symlink("var/lib/rpm", "../../usr/lib/sysimage/rpm"), text("usr/lib/sysimage/rpm/rpmdb.sqlite", rpmSQLite(t, samples...)))
	second := scanItems(t, text("usr/lib/sysimage/rpm/rpmdb.sqlite", rpmSQLite(t, samples[4])))
	wantNames(t, mustMerge(t, first, second), "bash 5.1.8-9.el9")
	inv := mustMerge(t, scanItems(t, text("etc/os-release", rocky9), symlink("var/lib/rpm", "/opt/db"), text("opt/db/Packages", rpmBDB(binary.LittleEndian)(t, samples[4]))))
	wantNames(t, inv, "bash 5.1.8-9.el9")
}

// TestRPMOwners drops language packages of the distribution's own packages alone, and none that came after rpm last ran.
func TestRPMOwners(t *testing.T) {
	t.Parallel()
	release, six := rpmSamples()[0], rpmSamples()[2]
	epel := six
	epel.vendor = "Fedora Project"
	for name, tt := range map[string]struct {
		layers [][]item
		owned  int
	}{
		"distribution's": {[][]item{{text("var/lib/rpm/rpmdb.sqlite", rpmSQLite(t, release, six)), text(sixPath, sixMeta)}}, 1},
		"somebody's":     {[][]item{{text("var/lib/rpm/rpmdb.sqlite", rpmSQLite(t, release, epel)), text(sixPath, sixMeta)}}, 0},
		"later":          {[][]item{{text("var/lib/rpm/rpmdb.sqlite", rpmSQLite(t, release, six))}, {text(sixPath, sixMeta)}}, 0},
		"later, and rpm": {[][]item{
			{text("var/lib/rpm/rpmdb.sqlite", rpmSQLite(t, release, six))},
			{text(sixPath, sixMeta)},
			{text("var/lib/rpm/rpmdb.sqlite", rpmSQLite(t, release, six, rpmSamples()[4]))},
		}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			layers := []*inventory.Layer{scanItems(t, text("etc/os-release", rocky9))}
			for _, items := range tt.layers {
				layers = append(layers, scanItems(t, items...))
			}
			if inv := mustMerge(t, layers...); inv.Owned != tt.owned {
				t.Errorf("%d owned, want %d: %s", inv.Owned, tt.owned, names(inv))
			}
		})
	}
}

// FuzzRPM reads arbitrary databases: no panic, no error but a typed one.
func FuzzRPM(f *testing.F) {
	for _, form := range rpmForms() {
		f.Add([]byte(form.write(f, rpmSamples()[0], rpmSamples()[4])))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		l, err := inventory.ScanLayer(t.Context(), (&source{data: layerTar(t, text("var/lib/rpm/Packages", string(data)))}).open, inventory.Options{})
		var typed *inventory.Error
		if err != nil && !errors.As(err, &typed) {
			t.Fatalf("error is not typed: %v", err)
		}
		if err == nil {
			mustMerge(t, l)
		}
	})
}
