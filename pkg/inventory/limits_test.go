package inventory_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/runecast/runecast/pkg/inventory"
)

// repeatedZip writes an archive whose list of files names its one file n times.
func repeatedZip(tb testing.TB, n int, name, content string) string {
	tb.Helper()
	raw := []byte(zipText(tb, name, content))
	end := bytes.LastIndex(raw, []byte("PK\x05\x06"))
	list := int(binary.LittleEndian.Uint32(raw[end+16:]))
	tail := bytes.Clone(raw[end:])
	binary.LittleEndian.PutUint16(tail[8:], uint16(n))
	binary.LittleEndian.PutUint16(tail[10:], uint16(n))
	binary.LittleEndian.PutUint32(tail[12:], uint32(n*(end-list)))
	return string(raw[:list]) + strings.Repeat(string(raw[list:end]), n) + string(tail)
}

func TestArchiveLimits(t *testing.T) {
	t.Parallel()
	const path = "usr/lib/python3/site-packages/a.whl"
	padded := "X: " + strings.Repeat("x", 1<<20) + "\n" + wheelMetadata
	for name, tt := range map[string]struct{ archive, want, told string }{
		"as many as allowed": {repeatedZip(t, 64, "a.egg-info", wheelMetadata), "Django 3.2.1", ""},
		"too many":           {repeatedZip(t, 65, "a.egg-info", wheelMetadata), "", "unread " + path + ": it is not read: it has more than 64 files with metadata"},
		"without its start":  {zipText(t, "a.egg-info", wheelMetadata)[2:], "", "unread " + path + ": it is not read: a.egg-info in it: open: it leads to before the archive"},
		"too large": {repeatedZip(t, 5, "a.egg-info", padded), "", "unread " + path +
			": it is not read: a.egg-info in it: line 1: the metadata is larger than 4194304 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			wantLanguage(t, text(path, tt.archive), "pypi", tt.want, tt.told)
		})
	}
}

// TestPointerClaims asserts that programs which claim long module information cost what they have, not what they claim. It
// does not run beside others, since it looks at what is allocated.
func TestPointerClaims(t *testing.T) { //nolint:paralleltest // it measures
	program := []byte(pointerProgram(""))
	const header = 1 << 16
	binary.LittleEndian.PutUint64(program[64+32:], 1<<40)          // the segment's size
	binary.LittleEndian.PutUint64(program[header+56:], 16<<20-100) // the module information's
	var items []item
	for i := range 8 {
		items = append(items, text(fmt.Sprintf("bin/%d", i), string(program)))
	}
	data := layerTar(t, items...)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	src := &source{data: data}
	_, err := inventory.ScanLayer(t.Context(), src.open, inventory.Options{})
	runtime.ReadMemStats(&after)
	if got := (after.TotalAlloc - before.TotalAlloc) >> 20; err != nil || src.opens.Load() != 2 || got > 16 {
		t.Errorf("%d MiB were allocated, opened %d times, %v", got, src.opens.Load(), err)
	}
}

// TestDatabaseLimits counts a package once, however often it is listed, and refuses more packages than any image has.
func TestDatabaseLimits(t *testing.T) {
	t.Parallel()
	const status, apk = "var/lib/dpkg/status", "lib/apk/db/installed"
	numbered := func(n int, format string) string {
		var out strings.Builder
		for i := range n {
			fmt.Fprintf(&out, format, i)
		}
		return out.String()
	}
	const deb, alpine = "Package: a%d\nStatus: a b c\nVersion: 1\n\n", "P:a%d\nV:1\n\n"
	for name, tt := range map[string]struct {
		path, text string
		packages   int
		want       string
	}{
		"dpkg, the same":   {status, strings.Repeat(installed("a", "1"), 1000) + installed("a", "2"), 2, ""},
		"dpkg, pieces":     {status, numbered(1000, deb), 1000, ""},
		"dpkg, too many":   {status, numbered(100_001, deb), 0, "var/lib/dpkg/status is too-large: it has more than 100000 packages"},
		"apk, the same":    {apk, strings.Repeat("P:a\nV:1\n\n", 1000), 1, ""},
		"apk, too many":    {apk, numbered(100_001, alpine), 0, "lib/apk/db/installed is too-large: it has more than 100000 packages"},
		"apk, in a chroot": {"srv/jail/lib/apk/db/installed", numbered(100_001, alpine), 0, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := scanItems(t, text(tt.path, tt.text))
			inv, err := merge(t, l)
			if tt.want != "" {
				wantError(t, err, inventory.KindTooLarge, tt.want)
			} else if err != nil || len(inv.Packages) != tt.packages {
				t.Errorf("%d packages, %v", len(inv.Packages), err)
			}
			if got := l.Memory(); tt.packages < 10 && got > 1000 {
				t.Errorf("the layer takes %d bytes", got)
			}
		})
	}
}

// TestHardLinksToManyFiles has several links to each of several files, some of which come twice.
func TestHardLinksToManyFiles(t *testing.T) {
	t.Parallel()
	var items []item
	var want []string
	for i := range 10 {
		name := fmt.Sprint("m", i)
		items = append(items, text("store/"+name, "{}"), text("store/"+name, packageJSON(name, "1.0.0")))
	}
	for i := range 20 {
		items = append(items, hardlink(fmt.Sprintf("a/node_modules/%02d/package.json", i), fmt.Sprint("store/m", i%10)))
	}
	for i := range 10 {
		items = append(items, text(fmt.Sprint("store/m", i), packageJSON("later", "2.0.0")))
		want = append(want, fmt.Sprintf("m%d 1.0.0", i), fmt.Sprintf("m%d 1.0.0", i))
	}
	wantNames(t, mustMerge(t, scanItems(t, items...)), want...)
}

// TestScanLayerAbsurd refuses what no file system takes and what would cost much more than reading it.
func TestScanLayerAbsurd(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("a/", 2048) + "a"
	replaced := manyModules(6000)
	for i := range 6000 {
		replaced = append(replaced, item{name: fmt.Sprintf("d/node_modules/m%d", i), kind: '6'})
		if i < 5999 {
			replaced = append(replaced, text(fmt.Sprintf("e/node_modules/m%d/package.json", i), packageJSON("e", "1.0.0")))
		}
	}
	for name, tt := range map[string]struct {
		items []item
		kind  inventory.Kind
		want  string
	}{
		"long path":                 {[]item{text("x", ""), text(long, "")}, inventory.KindCorrupt, "layer is corrupt: entry 2 has a path of 4097 bytes, more than the 4096 that Linux takes"},
		"long target":               {[]item{symlink("var", long)}, inventory.KindCorrupt, "layer is corrupt: entry 1 has a path of 4097 bytes, more than the 4096 that Linux takes"},
		"many directories replaced": {replaced, inventory.KindTooLarge, "d/node_modules/m5592 is too-large: too many entries before it replace directories of the same layer"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := inventory.ScanLayer(t.Context(), (&source{data: layerTar(t, tt.items...)}).open, inventory.Options{})
			wantError(t, err, tt.kind, tt.want)
		})
	}
}

// TestUnreadIsBounded names some of the files that cannot be read, and counts the others.
func TestUnreadIsBounded(t *testing.T) {
	t.Parallel()
	var items []item
	for i := range 150 {
		items = append(items, text(fmt.Sprintf("node_modules/m%03d/package.json", i), "{"))
	}
	inv := mustMerge(t, scanItems(t, items...))
	if n := len(inv.Unread); n != 101 || inv.Unread[100] != "and 50 more of what is unread" {
		t.Errorf("%d texts, the last is %q", n, inv.Unread[n-1])
	}
}
