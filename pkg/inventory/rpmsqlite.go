package inventory

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"
	"strings"
)

// SQLite's file format (https://www.sqlite.org/fileformat2.html), as far as a table is read from its start to its end: rpm
// keeps its packages in CREATE TABLE Packages (hnum INTEGER PRIMARY KEY AUTOINCREMENT, blob BLOB NOT NULL).
const (
	sqliteHeader   = 100
	sqliteInterior = 0x05
	sqliteLeaf     = 0x0d
	maxSQLiteDepth = 40
)

type sqliteFile struct {
	f      *rpmFile
	size   int64 // of a page
	usable int64 // without what is reserved at its end
}

func readRPMSQLite(f *rpmFile, head []byte, do func([]byte) error) error {
	s := &sqliteFile{f: f}
	if err := s.open(head); err != nil {
		return err
	}
	var root uint32
	err := s.walk(1, 0, func(row []byte) error { // type, name, tbl_name, rootpage, sql
		columns, err := sqliteColumns(row, 4)
		if err == nil && len(columns) == 4 && string(columns[0]) == "table" && strings.EqualFold(string(columns[1]), "Packages") && len(columns[3]) <= 4 {
			for _, b := range columns[3] {
				root = root<<8 | uint32(b)
			}
		}
		return err
	})
	if err != nil {
		return err
	}
	if root == 0 {
		return errors.New("it has no table of packages")
	}
	return s.walk(root, 0, func(row []byte) error {
		columns, err := sqliteColumns(row, 2)
		if err != nil {
			return err
		}
		if len(columns) < 2 {
			return errors.New("a row of the table of packages has no header")
		}
		return do(columns[1])
	})
}

// open reads the file's header.
func (s *sqliteFile) open(head []byte) error {
	if len(head) < 512 {
		return errors.New("it is cut short")
	}
	size := binary.BigEndian.Uint16(head[16:])
	if s.size = int64(size); size == 1 {
		s.size = 65536
	}
	s.usable = s.size - int64(head[20])
	if s.size < 512 || size != 1 && bits.OnesCount16(size) != 1 || s.usable < 480 {
		return fmt.Errorf("its pages have %d bytes", s.size)
	}
	if pages := int64(binary.BigEndian.Uint32(head[28:])); pages*s.size > s.f.size {
		return fmt.Errorf("it is cut short: it has %d bytes of %d pages of %d", s.f.size, pages, s.size)
	}
	return nil
}

// walk hands out the rows of a table, from the page of its root.
func (s *sqliteFile) walk(number uint32, depth int, do func([]byte) error) error {
	if number == 0 || depth > maxSQLiteDepth {
		return errors.New("its pages are damaged")
	}
	page, err := s.f.read((int64(number)-1)*s.size, s.size)
	if err != nil {
		return err
	}
	bad := fmt.Errorf("page %d is damaged", number)
	at := 0
	if number == 1 {
		at = sqliteHeader
	}
	kind, cells, list := page[at], int(binary.BigEndian.Uint16(page[at+3:])), at+8
	if kind == sqliteInterior {
		list += 4
	}
	if kind != sqliteInterior && kind != sqliteLeaf || list+2*cells > int(s.usable) {
		return bad
	}
	for i := range cells {
		cell := int(binary.BigEndian.Uint16(page[list+2*i:]))
		if cell < list+2*cells || cell+4 > int(s.usable) {
			return bad
		}
		if kind == sqliteInterior {
			err = s.walk(binary.BigEndian.Uint32(page[cell:]), depth+1, do)
		} else {
			err = s.row(page[cell:s.usable], do)
		}
		if err != nil {
			return err
		}
	}
	if kind == sqliteInterior {
		return s.walk(binary.BigEndian.Uint32(page[at+8:]), depth+1, do)
	}
	return nil
}

// row hands out a row: its length, its number, and as much of it as fits, then the number of the page where it goes on.
func (s *sqliteFile) row(cell []byte, do func([]byte) error) error {
	length, n := sqliteVarint(cell)
	_, m := sqliteVarint(cell[n:])
	if n == 0 || m == 0 || length > maxRPMHeader || int64(length) > s.f.size {
		return fmt.Errorf("a row has %d bytes", length)
	}
	cell = cell[n+m:]
	total, local := int64(length), int64(length)
	if limit := s.usable - 35; total > limit {
		least := (s.usable-12)*32/255 - 23
		if local = least + (total-least)%(s.usable-4); local > limit {
			local = least
		}
		if local+4 > int64(len(cell)) {
			return errors.New("a row is damaged")
		}
	}
	if local > int64(len(cell)) {
		return errors.New("a row is damaged")
	}
	out := append(make([]byte, 0, total), cell[:local]...)
	if local < total {
		next := binary.BigEndian.Uint32(cell[local:])
		for int64(len(out)) < total {
			if next == 0 {
				return errors.New("a row is cut short")
			}
			page, err := s.f.read((int64(next)-1)*s.size, s.size)
			if err != nil {
				return err
			}
			next = binary.BigEndian.Uint32(page)
			out = append(out, page[4:4+min(total-int64(len(out)), s.usable-4)]...)
		}
	}
	return do(out)
}

// sqliteColumns gives the first columns of a row.
func sqliteColumns(row []byte, want int) ([][]byte, error) {
	bad := errors.New("a row is damaged")
	length, n := sqliteVarint(row)
	if n == 0 || length > uint64(len(row)) || n > int(length) { //nolint:gosec // bounded by the row
		return nil, bad
	}
	types, data := row[n:length], row[length:]
	var columns [][]byte
	for len(types) > 0 && len(columns) < want {
		kind, n := sqliteVarint(types)
		size := sqliteSize(kind)
		if n == 0 || size > uint64(len(data)) {
			return nil, bad
		}
		columns = append(columns, data[:size])
		types, data = types[n:], data[size:]
	}
	return columns, nil
}

// sqliteSize gives the length of a column of a type.
func sqliteSize(kind uint64) uint64 {
	switch {
	case kind >= 12:
		return (kind - 12) / 2
	case kind <= 4:
		return kind
	case kind == 5:
		return 6
	case kind <= 7:
		return 8
	}
	return 0
}

// sqliteVarint reads a number of one to nine bytes; n is 0 where it is cut short.
func sqliteVarint(b []byte) (value uint64, n int) {
	for i := range min(len(b), 9) {
		if i == 8 {
			return value<<8 | uint64(b[i]), 9
		}
		value = value<<7 | uint64(b[i]&0x7f)
		if b[i] < 0x80 {
			return value, i + 1
		}
	}
	return 0, 0
}
