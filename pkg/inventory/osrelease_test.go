package inventory_test

import (
	"archive/tar"
	"strings"
	"testing"
)

// TestOSReleaseThatCannotBeRead names why the distribution is not known, and takes none from anywhere else.
func TestOSReleaseThatCannotBeRead(t *testing.T) {
	t.Parallel()
	const unknown = ": the distribution is not known"
	padding := func(n int) string { return strings.Repeat("#", n-1) + "\n" }
	fits := padding(64<<10-len(debian10)) + debian10
	status := text("var/lib/dpkg/status", dpkgBash)
	for name, tt := range map[string]struct {
		layers   [][]item
		id, want string
	}{
		"as large as allowed": {[][]item{{text("etc/os-release", fits), status}}, "debian", ""},
		"too large":           {[][]item{{text("etc/os-release", fits+"\n"), status}}, "", "etc/os-release: it is not read: it has 65537 bytes, more than 65536" + unknown},
		"too large, and a sound one beside it": {
			[][]item{{text("etc/os-release", alpine319+padding(64<<10)), text("usr/lib/os-release", debian10), status}},
			"",
			"etc/os-release: it is not read: it has 65617 bytes, more than 65536" + unknown,
		},
		"too large where it does not count": {[][]item{{text("etc/os-release", debian10), text("usr/lib/os-release", padding(1<<17)), status}}, "debian", ""},
		"too large behind a link":           {[][]item{{symlink("etc/os-release", "/opt/release"), text("opt/release", fits+"\n"), status}}, "", "opt/release: it is not read: it has 65537 bytes, more than 65536" + unknown},
		"too large in /usr/lib alone":       {[][]item{{text("usr/lib/os-release", fits+"\n"), status}}, "", "usr/lib/os-release: it is not read: it has 65537 bytes, more than 65536" + unknown},
		"replaced by a sound one":           {[][]item{{text("etc/os-release", fits+"\n"), status}, {text("etc/os-release", debian10)}}, "debian", ""},
		"no text":                           {[][]item{{text("etc/os-release", "ID=debian\n\x00"), status}}, "", "etc/os-release: it is not read: line 2 has a zero byte" + unknown},
		"a fifo":                            {[][]item{{{name: "etc/os-release", kind: tar.TypeFifo}, status}}, "", "etc/os-release: it is not read: it is a fifo and no regular file" + unknown},
		"a fifo instead of a file":          {[][]item{{text("etc/os-release", debian10), status}, {{name: "etc/os-release", kind: tar.TypeFifo}}}, "", "etc/os-release: it is not read: it is a fifo and no regular file" + unknown},
		"a fifo behind a link":              {[][]item{{symlink("etc/os-release", "../opt/x"), {name: "opt/x", kind: tar.TypeFifo}, status}}, "", "opt/x: it is not read: it is a fifo and no regular file" + unknown},
		"a directory":                       {[][]item{{dir("etc/os-release"), status}}, "", "etc/os-release: it is not read: it is a directory and no regular file" + unknown},
		"a directory instead of a file":     {[][]item{{text("etc/os-release", debian10), status}, {text("etc/os-release/x", "")}}, "", "etc/os-release: it is not read: it is a directory and no regular file" + unknown},
		"a file below it":                   {[][]item{{text("etc/os-release/x", ""), status}}, "", "etc/os-release: it is not read: it is a directory and no regular file" + unknown},
		"a directory, and then gone":        {[][]item{{dir("etc/os-release"), text("usr/lib/os-release", debian10), status}, {whiteoutOf("etc", "os-release")}}, "debian", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inv := mustMerge(t, scanLayers(t, tt.layers)...)
			if inv.OS.ID != tt.id || strings.Join(inv.Unread, "|") != tt.want || len(inv.Databases) != 1 {
				t.Errorf("distribution %q, databases %q, unread\n%s\nwant %q and\n%s", inv.OS.ID, inv.Databases, strings.Join(inv.Unread, "|"), tt.id, tt.want)
			}
			if tt.id == "" && inv.Packages[0].Ecosystem != "" {
				t.Errorf("the packages are of %s", inv.Packages[0].Ecosystem)
			}
		})
	}
	inv := mustMerge(t, scanItems(t, text("etc/os-release", debian10), text("etc/os-release-old", fits+"\n"), status))
	if want := "etc/os-release-old: it is not read: it has 65537 bytes, more than 65536"; strings.Join(inv.Warnings, "|") != want || inv.OS.ID != "debian" {
		t.Errorf("warnings are %q, want %s", inv.Warnings, want)
	}
}
