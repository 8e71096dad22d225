package inventory_test

import (
	"archive/tar"
	"strings"
	"testing"

	"github.com/runecast/runecast/pkg/inventory"
)

// TestDatabaseThatIsNoFile asserts that a device, a fifo or a directory where a package database should be is told, whatever layer has
// it: the packages that were there before must not vanish without a word.
func TestDatabaseThatIsNoFile(t *testing.T) {
	t.Parallel()
	const status, apk, rpm = "var/lib/dpkg/status", "lib/apk/db/installed", "var/lib/rpm/rpmdb.sqlite"
	base := []item{text("etc/os-release", debian10), text(status, dpkgBash)}
	device := func(name string) item { return item{name: name, kind: tar.TypeChar} }
	fifo := func(name string) item { return item{name: name, kind: tar.TypeFifo} }
	for name, tt := range map[string]struct {
		layers      [][]item
		err, unread string
		names       []string
	}{
		"a device":                           {[][]item{{base[0], device(status)}}, status + " is corrupt: it is a character device and no regular file", "", nil},
		"a block device":                     {[][]item{{{name: apk, kind: tar.TypeBlock}}}, apk + " is corrupt: it is a block device and no regular file", "", nil},
		"a fifo in a part":                   {[][]item{{fifo("var/lib/dpkg/status.d/bash")}}, "var/lib/dpkg/status.d/bash is corrupt: it is a fifo and no regular file", "", nil},
		"an unknown type":                    {[][]item{{{name: status, kind: 'Z'}}}, status + ` is corrupt: it is of the unknown type 'Z' and no regular file`, "", nil},
		"a device over a file":               {[][]item{base, {device(status)}}, status + " is corrupt: it is a character device and no regular file", "", nil},
		"a file over a device":               {[][]item{{base[0], device(status)}, {text(status, dpkgBash)}}, "", "", []string{"bash 5.0-4"}},
		"a device, then the file":            {[][]item{{base[0], device(status), base[1]}}, "", "", []string{"bash 5.0-4"}},
		"the file, then a device":            {[][]item{{base[0], base[1], device(status)}}, status + " is corrupt: it is a character device and no regular file", "", nil},
		"a device that is gone":              {[][]item{{base[0], device(apk), base[1]}, {whiteoutOf("lib/apk/db", "installed")}}, "", "", []string{"bash 5.0-4"}},
		"a device in a chroot":               {[][]item{base, {device("srv/jail/" + status)}}, "", "", []string{"bash 5.0-4"}},
		"a device behind a link":             {[][]item{{base[0], symlink(status, "/opt/x"), device("opt/x")}}, "opt/x is corrupt: it is a character device and no regular file", "", nil},
		"a device over what links lead to":   {[][]item{{base[0], symlink(status, "/opt/x"), text("opt/x", dpkgBash), device("opt/x")}}, "opt/x is corrupt: it is a character device and no regular file", "", nil},
		"a file over a device behind a link": {[][]item{{base[0], symlink(status, "/opt/x"), device("opt/x"), text("opt/x", dpkgBash)}}, "", "", []string{"bash 5.0-4"}},
		"files behind a link, the last":      {[][]item{{base[0], symlink(status, "/opt/x"), text("opt/x", dpkgSSL), text("opt/x", dpkgBash)}}, "", "", []string{"bash 5.0-4"}},
		"a directory behind a link":          {[][]item{{base[0], symlink(status, "/opt/x"), text("opt/x", dpkgBash), dir("opt/x")}}, "", "opt/x: it is a directory and no package database|var/lib/dpkg/status: links lead to opt/x, where no package database was read", nil},
		"a device in a later layer's link":   {[][]item{{base[0], device("opt/dpkg/status")}, {symlink("var/lib/dpkg", "/opt/dpkg")}}, "opt/dpkg/status is corrupt: it is a character device and no regular file", "", nil},
		"rpm's":                              {[][]item{{device(rpm)}}, "", rpm + ": it is not read: it is a character device and no regular file", nil},
		"a directory":                        {[][]item{{dir(status)}}, "", status + ": it is a directory and no package database", nil},
		"a directory over a file":            {[][]item{base, {dir(status)}}, "", "var/lib/dpkg/status: it is a directory and no package database", nil},
		"an entry below a file":              {[][]item{base, {text(status+"/x", "")}}, "", "var/lib/dpkg/status: it is a directory and no package database", nil},
		"a whiteout below a file":            {[][]item{base, {whiteoutOf(status, "x")}}, "", "var/lib/dpkg/status: it is a directory and no package database", nil},
		"another database beside it":         {[][]item{base, {dir(apk)}, {dir(rpm)}}, "", apk + ": it is a directory and no package database|" + rpm + ": it is a directory and no package database", []string{"bash 5.0-4"}},
		"a directory that is gone":           {[][]item{base, {dir(apk)}, {whiteoutOf("lib/apk", "db")}}, "", "", []string{"bash 5.0-4"}},
		"a directory under an opaque one":    {[][]item{base, {dir(apk)}, {opaqueDir("lib/apk")}}, "", "", []string{"bash 5.0-4"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inv, err := merge(t, scanLayers(t, tt.layers)...)
			if tt.err != "" {
				wantError(t, err, inventory.KindCorrupt, tt.err)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			wantNames(t, inv, tt.names...)
			got := strings.Join(inv.Unread, "|")
			if got = strings.TrimPrefix(strings.TrimPrefix(got, "the image is of Debian GNU/Linux 10 (buster) and has no package database"), "|"); got != tt.unread {
				t.Errorf("unread is %s\nwant %s", got, tt.unread)
			}
		})
	}
}
