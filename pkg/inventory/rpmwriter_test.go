package inventory_test

import (
	"database/sql"
	"encoding/binary"
	"fmt"
	"hash/adler32"
	"os"
	"path"
	"path/filepath"
	"testing"

	_ "modernc.org/sqlite" // writes databases as rpm does
)

// rpmPackage is a package as the tests write it into a database.
type rpmPackage struct {
	name, version, release, arch, source, vendor string
	module                                       string
	epoch                                        uint32
	files                                        []string
}

// header encodes the package as rpm stores it, with the region that rpm puts first.
func (p *rpmPackage) header() []byte {
	var index, data []byte
	add := func(tag, kind, count uint32, value []byte) {
		for kind == 4 && len(data)%4 != 0 {
			data = append(data, 0)
		}
		for _, n := range []uint32{tag, kind, uint32(len(data)), count} {
			index = binary.BigEndian.AppendUint32(index, n)
		}
		data = append(data, value...)
	}
	for _, f := range []struct {
		tag   uint32
		value string
	}{{1000, p.name}, {1001, p.version}, {1002, p.release}, {1011, p.vendor}, {1022, p.arch}, {1044, p.source}, {5096, p.module}} {
		if f.value != "" {
			add(f.tag, 6, 1, append([]byte(f.value), 0))
		}
	}
	if p.epoch != 0 {
		add(1003, 4, 1, binary.BigEndian.AppendUint32(nil, p.epoch))
	}
	if len(p.files) > 0 {
		var dirs, bases, numbers []byte
		for i, f := range p.files {
			dirs = append(append(dirs, path.Dir(f)+"/"...), 0)
			bases = append(append(bases, path.Base(f)...), 0)
			numbers = binary.BigEndian.AppendUint32(numbers, uint32(i))
		}
		n := uint32(len(p.files))
		add(1116, 4, n, numbers)
		add(1117, 8, n, bases)
		add(1118, 8, n, dirs)
	}
	out := binary.BigEndian.AppendUint32(nil, uint32(len(index)/16))
	out = binary.BigEndian.AppendUint32(out, uint32(len(data)))
	return append(append(out, index...), data...)
}

// rpmSQLite writes a database with SQLite itself.
func rpmSQLite(tb testing.TB, pkgs ...rpmPackage) string {
	tb.Helper()
	file := filepath.Join(tb.TempDir(), "rpmdb.sqlite")
	db, err := sql.Open("sqlite", file)
	if err != nil {
		tb.Fatal(err)
	}
	statements := []string{
		"CREATE TABLE 'Name' (key 'TEXT' NOT NULL, hnum INTEGER NOT NULL)",
		"CREATE TABLE 'Packages' (hnum INTEGER PRIMARY KEY AUTOINCREMENT, blob BLOB NOT NULL)",
	}
	for _, s := range statements {
		if _, err = db.ExecContext(tb.Context(), s); err != nil {
			tb.Fatal(err)
		}
	}
	for i := range pkgs {
		if _, err = db.ExecContext(tb.Context(), "INSERT INTO Packages (blob) VALUES ($1)", pkgs[i].header()); err != nil {
			tb.Fatal(err)
		}
	}
	if err = db.Close(); err != nil {
		tb.Fatal(err)
	}
	data, err := os.ReadFile(file)
	if err != nil {
		tb.Fatal(err)
	}
	return string(data)
}

// rpmNDB writes rpm's own form: one page of slots, then the blobs.
func rpmNDB(_ testing.TB, pkgs ...rpmPackage) string {
	slots := append([]byte("RpmP"), make([]byte, 28)...)
	slots[12] = 1
	var blobs []byte
	for i := range pkgs {
		h := pkgs[i].header()
		b := append([]byte("BlbS"), 0, 0, 0, 0, 7, 0, 0, 0)
		binary.LittleEndian.PutUint32(b[4:], uint32(i+1))
		b = append(binary.LittleEndian.AppendUint32(b, uint32(len(h))), h...)
		for (len(b)+12)%16 != 0 {
			b = append(b, 0)
		}
		b = binary.LittleEndian.AppendUint32(b, adler32.Checksum(b))
		b = append(binary.LittleEndian.AppendUint32(b, uint32(len(h))), "BlbE"...)
		slots = append(slots, "Slot"...)
		for _, n := range []int{i + 1, (4096 + len(blobs)) / 16, len(b) / 16} {
			slots = binary.LittleEndian.AppendUint32(slots, uint32(n))
		}
		blobs = append(blobs, b...)
	}
	for len(slots) < 4096 {
		slots = append(append(slots, "Slot"...), make([]byte, 12)...)
	}
	return string(append(slots, blobs...))
}

// rpmBDB writes a Berkeley DB hash table: one page of keys and values, and a chain of overflow pages for each package but the last,
// which lies on the page itself.
func rpmBDB(order binary.ByteOrder) func(testing.TB, ...rpmPackage) string {
	const size = 4096
	return func(tb testing.TB, pkgs ...rpmPackage) string {
		tb.Helper()
		pages := make([]byte, 2*size)
		order.PutUint32(pages[12:], 0x061561)
		order.PutUint32(pages[20:], size)
		pages[25], pages[size+25] = 8, 13
		at, items := size, 0
		put := func(value []byte) {
			at -= len(value)
			copy(pages[size+at:], value)
			order.PutUint16(pages[size+26+2*items:], uint16(at))
			items++
		}
		put([]byte{1, 0, 0, 0, 0}) // the number of the next package, under the key 0
		put([]byte{1, 9, 0, 0, 0})
		for i := range pkgs {
			h := pkgs[i].header()
			put([]byte{1, byte(i + 1), 0, 0, 0})
			if i == len(pkgs)-1 && len(h) < 1000 {
				put(append([]byte{1}, h...))
				continue
			}
			ref := make([]byte, 12)
			ref[0] = 3
			order.PutUint32(ref[4:], uint32(len(pages)/size))
			order.PutUint32(ref[8:], uint32(len(h)))
			put(ref)
			for len(h) > 0 {
				page := make([]byte, size)
				n := copy(page[26:], h)
				page[25] = 7
				order.PutUint16(page[22:], uint16(n))
				if h = h[n:]; len(h) > 0 {
					order.PutUint32(page[16:], uint32(len(pages)/size+1))
				}
				pages = append(pages, page...)
			}
		}
		order.PutUint16(pages[size+20:], uint16(items))
		order.PutUint32(pages[32:], uint32(len(pages)/size-1))
		return string(pages)
	}
}

// manyFiles gives paths that make a header longer than any page.
func manyFiles(n int) []string {
	var out []string
	for i := range n {
		out = append(out, fmt.Sprintf("/usr/share/doc/a-long-directory-name-%d/file-%d.txt", i, i))
	}
	return out
}
