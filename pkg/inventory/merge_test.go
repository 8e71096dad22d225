package inventory_test

import (
	"strings"
	"testing"

	"github.com/runecast/runecast/pkg/inventory"
)

func debianBase(status string) []item {
	return []item{
		dir("etc"), symlink("etc/os-release", "../usr/lib/os-release"), symlink("bin", "usr/bin"), symlink("lib", "usr/lib"),
		dir("usr"), dir("usr/lib"), text("usr/lib/os-release", debian10),
		dir("var"), dir("var/lib"), dir("var/lib/dpkg"), text("var/lib/dpkg/status", status),
	}
}

func TestMergeDebian(t *testing.T) {
	t.Parallel()
	inv := mustMerge(t, scanItems(t, debianBase(dpkgSSL+dpkgBash)...))
	wantNames(t, inv, "bash 5.0-4", "libssl1.1 1.1.1d-0+deb10u6")
	want := inventory.Package{
		Type: "deb", Ecosystem: "Debian:10", Name: "libssl1.1", Version: "1.1.1d-0+deb10u6", Source: "openssl",
		Arch: "amd64", Path: "var/lib/dpkg/status", Layer: "layer0",
	}
	if got := inv.Packages[1]; got != want {
		t.Errorf("package is %+v\nwant %+v", got, want)
	}
	if want := (inventory.OS{ID: "debian", VersionID: "10", Codename: "buster", PrettyName: "Debian GNU/Linux 10 (buster)"}); inv.OS != want {
		t.Errorf("OS is %+v, want %+v", inv.OS, want)
	}
	if len(inv.Warnings) != 0 {
		t.Errorf("warnings: %q", inv.Warnings)
	}
	if got := strings.Join(inv.Databases, " "); got != "var/lib/dpkg/status" {
		t.Errorf("databases are %q", got)
	}
}

// TestMergeDeletions lays a second layer on one that has two modules, and tells what is left.
func TestMergeDeletions(t *testing.T) {
	t.Parallel()
	base := []item{
		dir("app"), dir("app/node_modules"),
		text("app/node_modules/a/package.json", packageJSON("a", "1.0.0")),
		text("app/node_modules/b/package.json", packageJSON("b", "1.0.0")),
	}
	const a, b = "a 1.0.0", "b 1.0.0"
	for name, tt := range map[string]struct {
		top  []item
		want []string
	}{
		"nothing":                  {[]item{dir("app"), text("app/x.txt", "x")}, []string{a, b}},
		"whiteout of a file":       {[]item{whiteoutOf("app/node_modules/a", "package.json")}, []string{b}},
		"whiteout of a directory":  {[]item{whiteoutOf("app/node_modules", "a")}, []string{b}},
		"whiteout of the parent":   {[]item{whiteoutOf("", "app")}, nil},
		"whiteout with ./":         {[]item{text("./app/node_modules/.wh.b", "")}, []string{a}},
		"whiteout with a slash":    {[]item{text("/app/node_modules/.wh.b", "")}, []string{a}},
		"opaque directory":         {[]item{opaqueDir("app/node_modules")}, nil},
		"opaque root":              {[]item{text(".wh..wh..opq", "")}, []string{a, b}},                                       // overlayfs does not look at it
		"whiteout, then directory": {[]item{whiteoutOf("app/node_modules", "a"), dir("app/node_modules/a")}, []string{a, b}}, // overlayfs shows what is below
		"directory, then whiteout": {[]item{dir("app/node_modules/a"), whiteoutOf("app/node_modules", "a")}, []string{a, b}},
		"file, then directory":     {[]item{text("app", "x"), dir("app")}, []string{a, b}},
		"text, then directory":     {[]item{text("app/node_modules/b.md", "x"), text("app", "x"), dir("app")}, []string{a, b}},
		"deleted in what is replaced": {
			[]item{whiteoutOf("app/node_modules", "a"), text("app/node_modules/b/package.json", "{}"), opaqueDir("app"), symlink("app", "x"), dir("app")},
			[]string{a, b},
		},
		"new in what is replaced":    {[]item{text("app", "x"), dir("app"), dir("app/node_modules"), text("app/node_modules/a/package.json", packageJSON("a", "2.0.0"))}, []string{"a 2.0.0", b}},
		"a program, then directory":  {[]item{text("app", "\x7fELFxxxxxxxxxxxx"+inline("go1.22.3", "")), dir("app")}, []string{a, b}},
		"whiteout and the same file": {[]item{whiteoutOf("app/node_modules/a", "package.json"), text("app/node_modules/a/package.json", packageJSON("a", "3.0.0"))}, []string{"a 3.0.0", b}},
		"the same file and whiteout": {[]item{text("app/node_modules/a/package.json", packageJSON("a", "3.0.0")), whiteoutOf("app/node_modules/a", "package.json")}, []string{"a 3.0.0", b}},
		"opaque sibling":             {[]item{opaqueDir("app/node_modules/a/lib")}, []string{a, b}},
		"opaque, then new":           {[]item{opaqueDir("app/node_modules"), text("app/node_modules/c/package.json", packageJSON("c", "2.0.0"))}, []string{"c 2.0.0"}},
		"new, then opaque":           {[]item{text("app/node_modules/c/package.json", packageJSON("c", "2.0.0")), opaqueDir("app/node_modules")}, []string{"c 2.0.0"}},
		"new version":                {[]item{text("app/node_modules/a/package.json", packageJSON("a", "1.0.1"))}, []string{"a 1.0.1", b}},
		"emptied":                    {[]item{text("app/node_modules/a/package.json", "{}")}, []string{b}},
		"directory becomes file":     {[]item{text("app/node_modules", "x")}, nil},
		"directory becomes link":     {[]item{symlink("app/node_modules", "/elsewhere")}, nil},
		"directory becomes device":   {[]item{{name: "app", kind: '3'}}, nil},
		"file becomes directory":     {[]item{dir("app/node_modules/a/package.json")}, []string{b}},
		"file becomes link":          {[]item{symlink("app/node_modules/a/package.json", "x")}, []string{b}},
		"whiteout and new file":      {[]item{whiteoutOf("app/node_modules", "a"), text("app/node_modules/a/package.json", packageJSON("a", "3.0.0"))}, []string{"a 3.0.0", b}},
		"names that mean nothing":    {[]item{text("app/node_modules/a/.wh.", ""), text("app/.wh..", ""), text("app/node_modules/a/.wh...", ""), text("app/.wh..wh.plnk", "")}, []string{a, b}},
		"prefix of a name":           {[]item{whiteoutOf("app", "node"), text("app/node_modules/a/package", "x")}, []string{a, b}},
		"escaping path":              {[]item{text("../../app/node_modules/a/package.json", packageJSON("a", "9.0.0"))}, []string{"a 9.0.0", b}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			wantNames(t, mustMerge(t, scanItems(t, base...), scanItems(t, tt.top...)), tt.want...)
		})
	}
}

func TestMergeReplacedDatabase(t *testing.T) {
	t.Parallel()
	inv := mustMerge(t,
		scanItems(t, debianBase(dpkgSSL+dpkgBash)...),
		scanItems(t, text("var/lib/dpkg/status", dpkgBash)),
		scanItems(t, text("srv/x", "x")))
	wantNames(t, inv, "bash 5.0-4")
	if got := inv.Packages[0].Layer; got != "layer1" {
		t.Errorf("package is of %s, want layer1", got)
	}
}

// TestMergeNotThroughLinks has layers that name what is behind a link of a lower one. No runtime follows it on overlayfs: the layer gets a
// directory in the link's place, and what is behind the link stays.
func TestMergeNotThroughLinks(t *testing.T) {
	t.Parallel()
	base := append(debianBase(dpkgBash), text("usr/lib/node_modules/a/package.json", packageJSON("a", "1.0.0")))
	const bash, a = "bash 5.0-4", "a 1.0.0"
	for name, tt := range map[string]struct {
		top  []item
		want []string
	}{
		"whiteout":                              {[]item{whiteoutOf("lib/node_modules", "a")}, []string{bash, a}},
		"file":                                  {[]item{text("lib/node_modules/a/package.json", "{}")}, []string{bash, a}},
		"another module":                        {[]item{text("lib/node_modules/a/package.json", packageJSON("a", "2.0.0"))}, []string{bash, a, "a 2.0.0"}},
		"opaque":                                {[]item{opaqueDir("lib/node_modules")}, []string{bash, a}},
		"whiteout through the layer's own link": {[]item{symlink("l", "usr/lib/node_modules"), whiteoutOf("l", "a")}, []string{bash}},
		"file through the layer's own link":     {[]item{symlink("l", "usr/lib/node_modules"), text("l/a/package.json", packageJSON("a", "2.0.0"))}, []string{bash, "a 2.0.0"}},
		"a link that comes too late":            {[]item{text("l/a/package.json", packageJSON("b", "2.0.0")), symlink("l", "usr/lib/node_modules")}, []string{bash, a}},
		"a link that is gone":                   {[]item{symlink("l", "usr/lib/node_modules"), dir("l"), whiteoutOf("l", "a")}, []string{bash, a}},
		"a link in a link":                      {[]item{symlink("k", "/usr"), symlink("l", "k/lib/node_modules"), whiteoutOf("l", "a")}, []string{bash}},
		"a loop":                                {[]item{symlink("l", "l"), whiteoutOf("l", "a")}, []string{bash, a}},
		"a link that a directory takes away":    {[]item{dir("x"), symlink("x/l", "../usr/lib/node_modules"), text("x", "y"), dir("x"), whiteoutOf("x/l", "a")}, []string{bash, a}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			wantNames(t, mustMerge(t, scanItems(t, base...), scanItems(t, tt.top...)), tt.want...)
		})
	}
}

func TestMergeLinks(t *testing.T) {
	t.Parallel()
	musl := []string{"musl 1.2.4_git20230717-r4"}
	os := text("etc/os-release", alpine319)
	for name, tt := range map[string]struct {
		layers [][]item
		opens  int32 // of the first layer
		want   []string
	}{
		"usr-merged, one layer":                {[][]item{{os, symlink("lib", "usr/lib"), text("usr/lib/apk/db/installed", apkMusl)}}, 1, musl},
		"usr-merged, link in own layer, after": {[][]item{{os, text("usr/lib/apk/db/installed", apkMusl)}, {symlink("lib", "usr/lib")}}, 1, musl},
		"written through a link of a lower layer": {[][]item{
			{os, symlink("lib", "usr/lib"), text("usr/lib/apk/db/installed", apkSSL)}, {text("lib/apk/db/installed", apkMusl)},
		}, 1, []string{"libssl3 3.1.4-r5", musl[0]}},
		"directory link to a telling name":  {[][]item{{os, text("opt/apk/db/installed", apkMusl), symlink("lib/apk", "/opt/apk")}}, 1, musl},
		"the link in a layer of its own":    {[][]item{{os, text("opt/apk/db/installed", apkMusl)}, {symlink("lib/apk", "../opt/apk")}}, 1, musl},
		"directory link to any name, later": {[][]item{{os, text("opt/pkg/db/installed", apkMusl), symlink("lib/apk", "../opt/pkg")}}, 2, musl},
		"file link to any name":             {[][]item{{os, text("opt/list", apkMusl), symlink("lib/apk/db/installed", "/opt/list")}}, 2, musl},
		"file link above the root":          {[][]item{{os, text("opt/list", apkMusl), symlink("lib/apk/db/installed", "../../../../../../opt/list")}}, 2, musl},
		"chain of links":                    {[][]item{{os, text("opt/list", apkMusl), symlink("opt/l2", "list"), symlink("lib/apk/db/installed", "/opt/l2")}}, 2, musl},
		"hard link, target not read":        {[][]item{{os, text("opt/list", apkMusl), hardlink("lib/apk/db/installed", "opt/list")}}, 2, musl},
		"hard link, target read":            {[][]item{{os, text("usr/lib/apk/db/installed", apkMusl), hardlink("lib/apk/db/installed", "./usr/lib/apk/db/installed")}}, 1, musl},
		"hard link, target replaced later":  {[][]item{{os, text("opt/list", apkMusl), hardlink("lib/apk/db/installed", "opt/list"), text("opt/list", apkSSL)}}, 2, musl},
		"hard link to os-release":           {[][]item{{text("x", alpine319), hardlink("etc/os-release", "x"), text("lib/apk/db/installed", apkMusl)}}, 2, musl},
		"hard link replaced by the file":    {[][]item{{os, text("x", apkSSL), hardlink("lib/apk/db/installed", "x"), text("lib/apk/db/installed", apkMusl)}}, 1, musl},
		"a chroot's database is not ours":   {[][]item{{os, text("lib/apk/db/installed", apkMusl), text("srv/jail/lib/apk/db/installed", apkSSL)}}, 1, musl},
		"nor is a broken one in a chroot":   {[][]item{{os, text("lib/apk/db/installed", apkMusl), text("srv/jail/lib/apk/db/installed", "junk")}}, 1, musl},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var layers []*inventory.Layer
			for i, items := range tt.layers {
				src := &source{data: layerTar(t, items...)}
				l, err := inventory.ScanLayer(t.Context(), src.open, inventory.Options{})
				if err != nil {
					t.Fatal(err)
				}
				if got := src.opens.Load(); i == 0 && got != tt.opens {
					t.Errorf("layer was opened %d times, want %d", got, tt.opens)
				}
				layers = append(layers, l)
			}
			inv := mustMerge(t, layers...)
			wantNames(t, inv, tt.want...)
			if len(inv.Packages) > 0 && inv.Packages[0].Ecosystem != "Alpine:v3.19" {
				t.Errorf("ecosystem is %q", inv.Packages[0].Ecosystem)
			}
		})
	}
}

func TestMergeDuplicateEntries(t *testing.T) {
	t.Parallel()
	a := text("node_modules/a/package.json", packageJSON("a", "1.0.0"))
	for name, tt := range map[string]struct {
		items []item
		want  []string
	}{
		"same file":            {[]item{a, text("./node_modules/a/package.json", packageJSON("a", "2.0.0"))}, []string{"a 2.0.0"}},
		"file, then directory": {[]item{a, dir("node_modules/a/package.json")}, nil},
		"directory, then file": {[]item{a, text("node_modules", "x")}, nil},
		"directory, then link": {[]item{a, symlink("node_modules/a", "x")}, nil},
		"directory, again":     {[]item{dir("node_modules"), a, dir("node_modules")}, []string{"a 1.0.0"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			wantNames(t, mustMerge(t, scanItems(t, tt.items...)), tt.want...)
		})
	}
}

func TestMergeWarnings(t *testing.T) {
	t.Parallel()
	const none = "no package database and no distribution found: only the packages of languages are listed"
	for name, tt := range map[string]struct {
		items  []item
		want   string // warnings
		unread string
	}{
		"manual page of os-release": {[]item{text("usr/share/man/man5/os-release.5.gz", "\x1f\x8b\x00")}, none, ""},
		"nothing at all":            {[]item{text("app", "x")}, none, ""},
		"no database":               {[]item{text("etc/os-release", debian10)}, "", "the image is of Debian GNU/Linux 10 (buster) and has no package database"},
		"no os-release":             {[]item{text("var/lib/dpkg/status", dpkgBash)}, "the image has packages of type deb, but its os-release names no distribution: the vulnerabilities of its packages are not known", ""},
		"debian testing":            {[]item{text("etc/os-release", "ID=debian\n"), text("var/lib/dpkg/status", dpkgBash)}, `the distribution "debian" has no release that is known (VERSION_ID ""): the vulnerabilities of its packages are not known`, ""},
		"alpine edge":               {[]item{text("etc/os-release", "ID=alpine\nVERSION_ID=3.23_alpha20250612\n"), text("lib/apk/db/installed", apkMusl)}, `the distribution "alpine" has no release that is known (VERSION_ID "3.23_alpha20250612"): the vulnerabilities of its packages are not known`, ""},
		"unknown distro":            {[]item{text("etc/os-release", "ID=\"kali\"\nVERSION_ID=2024.1\n"), text("var/lib/dpkg/status", dpkgBash)}, `the distribution "kali" is not known: the vulnerabilities of its packages are not known`, ""},
		"foreign packages":          {[]item{text("etc/os-release", alpine319), text("lib/apk/db/installed", apkMusl), text("var/lib/dpkg/status", dpkgBash)}, `the image has packages of type deb, which are not of its distribution "alpine": the vulnerabilities of its packages are not known`, ""},
		"dangling":                  {[]item{text("etc/os-release", debian10), symlink("var/lib/dpkg", "/gone")}, "", "var/lib/dpkg/status: links lead to gone/status, where no package database was read"},
		"pacman":                    {[]item{text("var/lib/pacman/local/ALPM_DB_VERSION", "9")}, "", "var/lib/pacman/local/ALPM_DB_VERSION: the package manager that it belongs to is not supported"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inv := mustMerge(t, scanItems(t, tt.items...))
			if got := strings.Join(inv.Warnings, "|"); got != tt.want {
				t.Errorf("warnings are %s\nwant %s", got, tt.want)
			}
			if got := strings.Join(inv.Unread, "|"); got != tt.unread {
				t.Errorf("unread is %s\nwant %s", got, tt.unread)
			}
			for i := range inv.Packages {
				p := &inv.Packages[i]
				if p.Type == "deb" && p.Ecosystem != "" {
					t.Errorf("%s has ecosystem %q", p.Name, p.Ecosystem)
				}
			}
		})
	}
}

func TestMergeEcosystems(t *testing.T) {
	t.Parallel()
	for want, tt := range map[string]struct{ id, version, db, content string }{
		"Debian:12":        {"debian", "12", "var/lib/dpkg/status", dpkgBash},
		"Debian:9":         {"debian", "9.13", "var/lib/dpkg/status", dpkgBash},
		"Ubuntu:22.04:LTS": {"ubuntu", "22.04", "var/lib/dpkg/status", dpkgBash},
		"Ubuntu:23.10":     {"ubuntu", "23.10", "var/lib/dpkg/status", dpkgBash},
		"Ubuntu:23.04":     {"ubuntu", "23.04", "var/lib/dpkg/status", dpkgBash},
		"Alpine:v3.19":     {"alpine", "3.19.1", "lib/apk/db/installed", apkMusl},
		"Wolfi":            {"wolfi", "20230201", "lib/apk/db/installed", apkMusl},
		"Chainguard":       {"chainguard", "20230214", "usr/lib/apk/db/installed", apkMusl},
		"Alpaquita:stream": {"alpaquita", "stream", "lib/apk/db/installed", apkMusl},
	} {
		t.Run(want, func(t *testing.T) {
			t.Parallel()
			inv := mustMerge(t, scanItems(t, text("etc/os-release", "ID="+tt.id+"\nVERSION_ID='"+tt.version+"'\n"), text(tt.db, tt.content)))
			if len(inv.Packages) != 1 || inv.Packages[0].Ecosystem != want {
				t.Errorf("packages are %+v, want ecosystem %s", inv.Packages, want)
			}
		})
	}
}

func TestMergeMismatch(t *testing.T) {
	t.Parallel()
	l := scanItems(t, debianBase(dpkgBash)...)
	for want, call := range map[string]func() (inventory.Inventory, error){
		"merge 1 layers with 0 digests": func() (inventory.Inventory, error) { return inventory.Merge(t.Context(), []*inventory.Layer{l}, nil) },
		"merge: layer sha256:1 is missing": func() (inventory.Inventory, error) {
			return inventory.Merge(t.Context(), []*inventory.Layer{nil}, []string{"sha256:1"})
		},
	} {
		if _, err := call(); err == nil || err.Error() != want {
			t.Errorf("error is %v, want %s", err, want)
		}
	}
}
