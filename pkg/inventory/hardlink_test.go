package inventory_test

import (
	"archive/tar"
	"fmt"
	"strings"
	"testing"

	"github.com/runecast/runecast/pkg/inventory"
)

func scanLayers(tb testing.TB, stack [][]item) []*inventory.Layer {
	tb.Helper()
	var layers []*inventory.Layer
	for _, items := range stack {
		layers = append(layers, scanItems(tb, items...))
	}
	return layers
}

// TestHardLinks has package databases and packages under several names. A link is to what is at its target when it comes.
func TestHardLinks(t *testing.T) {
	t.Parallel()
	const db = "lib/apk/db/installed"
	os := text("etc/os-release", alpine319)
	musl, ssl := []string{"musl 1.2.4_git20230717-r4"}, []string{"libssl3 3.1.4-r5"}
	noFile := func(target string) string {
		return db + " is corrupt: it is a hard link to " + target + ", which the layer does not have as a file"
	}
	for name, tt := range map[string]struct {
		items []item
		want  []string
		err   string
	}{
		"to a link":                              {[]item{text("x", apkMusl), hardlink("y", "x"), hardlink(db, "y")}, musl, ""},
		"to a link to a link":                    {[]item{text("x", apkMusl), hardlink("y", "x"), hardlink("z", "y"), hardlink(db, "z")}, musl, ""},
		"the file replaced after the first link": {[]item{text("x", apkMusl), hardlink("y", "x"), text("x", apkSSL), hardlink(db, "y")}, musl, ""},
		"the file replaced after all":            {[]item{text("x", apkMusl), hardlink("y", "x"), hardlink(db, "y"), text("x", apkSSL)}, musl, ""},
		"the file replaced before":               {[]item{text("x", apkSSL), text("x", apkMusl), hardlink("y", "x"), hardlink(db, "y")}, musl, ""},
		"the file deleted by a directory":        {[]item{text("x", apkMusl), hardlink("y", "x"), dir("x"), hardlink(db, "y")}, musl, ""},
		"the link replaced by a file":            {[]item{text("x", apkMusl), hardlink("y", "x"), text("y", apkSSL), hardlink(db, "y")}, ssl, ""},
		"the link replaced by another":           {[]item{text("x", apkMusl), text("w", apkSSL), hardlink("y", "x"), hardlink("y", "w"), hardlink(db, "y")}, ssl, ""},
		"the file replaced by a link to it":      {[]item{text("x", apkMusl), hardlink("y", "x"), text("w", apkSSL), hardlink("x", "w"), hardlink("z", "y"), hardlink(db, "z")}, musl, ""},
		"the file replaced by a link":            {[]item{text("x", apkMusl), text("w", apkSSL), hardlink("x", "w"), hardlink(db, "x")}, ssl, ""},
		"two that change places":                 {[]item{text("x", apkMusl), text("w", apkSSL), hardlink("t", "x"), hardlink("x", "w"), hardlink("w", "t"), hardlink(db, "w")}, musl, ""},
		"the link before the file":               {[]item{hardlink("y", "x"), hardlink(db, "y"), text("x", apkMusl)}, nil, noFile("y")},
		"the second link before the first":       {[]item{text("x", apkMusl), hardlink(db, "y"), hardlink("y", "x")}, nil, noFile("y")},
		"to itself":                              {[]item{text(db, apkMusl), hardlink(db, db)}, musl, ""},
		"to a directory":                         {[]item{dir("x"), hardlink("y", "x"), hardlink(db, "y")}, nil, db + " is corrupt: it is a hard link to x, which is a directory and no regular file"},
		"to a file that a device replaced":       {[]item{text("x", apkMusl), {name: "x", kind: tar.TypeFifo}, hardlink("y", "x"), hardlink(db, "y")}, nil, db + " is corrupt: it is a hard link to x, which is a fifo and no regular file"},
		"to a device that a file replaced":       {[]item{{name: "x", kind: tar.TypeFifo}, text("x", apkMusl), hardlink("y", "x"), hardlink(db, "y")}, musl, ""},
		"to a link, then a device":               {[]item{text("x", apkMusl), hardlink("y", "x"), {name: "x", kind: tar.TypeFifo}, hardlink(db, "y")}, musl, ""},
		"to a link to a symbolic link":           {[]item{text("opt/l", apkMusl), symlink("x", "/opt/l"), hardlink("y", "x"), hardlink(db, "y")}, musl, ""},
		"to a program's link":                    {[]item{text("x", "\x7fELFxxxxxxxxxxxx"+inline("go1.22", framed("dep\tx\tv1.0.0\th1:x"))), hardlink("y", "x"), hardlink(db, "y")}, nil, db + " is corrupt: line 1 has a zero byte"},
		"behind a symbolic link":                 {[]item{text("x", apkMusl), hardlink("opt/l", "x"), symlink(db, "/opt/l")}, musl, ""},
		"behind a symbolic link, before it":      {[]item{symlink(db, "/opt/l"), text("x", apkMusl), hardlink("opt/l", "x")}, musl, ""},
		"in a directory behind a symbolic link":  {[]item{symlink("lib/apk", "/opt/pkg"), text("x", apkMusl), hardlink("opt/pkg/db/installed", "x"), hardlink("opt/y", "x")}, musl, ""},
		"behind a symbolic link, over a file":    {[]item{symlink(db, "/opt/l"), text("opt/l", apkSSL), text("x", apkMusl), hardlink("opt/l", "x")}, musl, ""},
		"behind a symbolic link, under a file":   {[]item{symlink(db, "/opt/l"), text("x", apkSSL), hardlink("opt/l", "x"), text("opt/l", apkMusl)}, musl, ""},
		"a package by its second name": {
			[]item{text("s", packageJSON("a", "1.0.0")), hardlink("a/node_modules/a/package.json", "s"), hardlink("b/node_modules/a/package.json", "a/node_modules/a/package.json"), text("a", "x")},
			[]string{"a 1.0.0"},
			"",
		},
		"a package of a link's link": {[]item{text("s", packageJSON("a", "1.0.0")), hardlink("t", "s"), hardlink("node_modules/a/package.json", "t")}, []string{"a 1.0.0"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inv, err := merge(t, scanItems(t, append([]item{os}, tt.items...)...))
			if tt.err != "" {
				wantError(t, err, inventory.KindCorrupt, tt.err)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			wantNames(t, inv, tt.want...)
		})
	}
}

// TestManyHardLinks bounds what is remembered of them: a chain that is longer is told, and closed.
func TestManyHardLinks(t *testing.T) {
	t.Parallel()
	for n, want := range map[int]string{
		100_000: "",
		250_000: "lib/apk/db/installed is corrupt: it is a hard link to l/250000, which the layer does not have as a file",
	} {
		items := []item{text("etc/os-release", alpine319), text("l/0", apkMusl)}
		for i := range n {
			items = append(items, hardlink(fmt.Sprint("l/", i+1), fmt.Sprint("l/", i)))
		}
		inv, err := merge(t, scanItems(t, append(items, hardlink("lib/apk/db/installed", fmt.Sprint("l/", n)))...))
		if want != "" {
			wantError(t, err, inventory.KindCorrupt, want)
		} else if err != nil || len(inv.Packages) != 1 {
			t.Errorf("%d links: %v", n, err)
		}
	}
}

// TestHeaderThatDoesNotEnd names metadata whose name or version is not within what is read of it.
func TestHeaderThatDoesNotEnd(t *testing.T) {
	t.Parallel()
	const meta, gem = "a.dist-info/METADATA", "specifications/a-1.gemspec"
	long := func(line string, n int) string { return strings.Repeat(line, n/len(line)+1)[:n] }
	filler := long("X-Filler: "+strings.Repeat("x", 1000)+"\n", 16<<20-5)
	for name, tt := range map[string]struct{ path, text, want, unread string }{
		"both at its start":     {meta, "Name: a\nVersion: 1\n" + filler, "a 1", ""},
		"one beyond":            {meta, "Name: a\n" + filler + "\nVersion: 1\n", "", meta + ": it is not read: its name and its version are not in the first 16777216 bytes"},
		"one over the boundary": {meta, "Name: a\n" + long("X: "+strings.Repeat("x", 1000)+"\n", 16<<20-8-13) + "\nVersion: 1.2.3\n", "", meta + ": it is not read: its name and its version are not in the first 16777216 bytes"},
		"none":                  {meta, filler + "xxxxxxxx", "", meta + ": it is not read: its name and its version are not in the first 16777216 bytes"},
		"an end before them":    {meta, "X: y\n\nName: a\nVersion: 1\n", "", meta + `: it is not read: its name or its version is missing: name "", version ""`},
		"a gem's":               {gem, long("# x\n", 4<<20) + "  s.name = \"a\"\n  s.version = \"1\"\n", "", gem + ": it is not read: its first 4194304 bytes name no gem with a version"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inv := mustMerge(t, scanItems(t, text(tt.path, tt.text)))
			if got := strings.Join(inv.Unread, "|"); names(inv) != tt.want || got != tt.unread {
				t.Errorf("listed are %q, unread %q\nwant %q, %q", names(inv), got, tt.want, tt.unread)
			}
		})
	}
}
