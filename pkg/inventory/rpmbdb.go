package inventory

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"
)

// Berkeley DB's hash tables (db_page.h of its sources): pages of one size, of which the first describes the table. A page's header has
// 26 bytes; on pages of a table follow the offsets of keys and values, in turn. A value lies on the page itself, after its
// type, or, as nearly all packages do, on a chain of overflow pages.
const (
	bdbHashMagic   = 0x061561
	bdbHeader      = 26
	bdbUnsorted    = 2
	bdbOverflow    = 7
	bdbHashMeta    = 8
	bdbSorted      = 13
	bdbItemInline  = 1
	bdbItemOffPage = 3
)

type bdbTable struct {
	f     *rpmFile
	order binary.ByteOrder
	size  int64
	last  uint32
	do    func([]byte) error
}

func readRPMBDB(f *rpmFile, head []byte, do func([]byte) error) error {
	t := bdbTable{f: f, order: binary.LittleEndian, do: do}
	if binary.BigEndian.Uint32(head[12:]) == bdbHashMagic {
		t.order = binary.BigEndian
	}
	size := t.order.Uint32(head[20:])
	switch {
	case size < 512 || size > 65536 || bits.OnesCount32(size) != 1:
		return fmt.Errorf("its pages have %d bytes", size)
	case head[25] != bdbHashMeta:
		return errors.New("it is no hash table")
	case head[24] != 0:
		return errors.New("it is encrypted")
	}
	t.size, t.last = int64(size), t.order.Uint32(head[32:])
	if (int64(t.last)+1)*t.size > f.size {
		return fmt.Errorf("it is cut short: it has %d bytes of %d pages of %d", f.size, t.last+1, t.size)
	}
	for number := uint32(1); number <= t.last && number != 0; number++ {
		kind, err := f.read(int64(number)*t.size+25, 1)
		if err != nil {
			return err
		}
		if kind[0] != bdbUnsorted && kind[0] != bdbSorted {
			continue
		}
		if err := t.bucket(number); err != nil {
			return err
		}
	}
	return nil
}

// bucket reads a page of the table.
func (t *bdbTable) bucket(number uint32) error {
	page, err := t.f.read(int64(number)*t.size, t.size)
	if err != nil {
		return err
	}
	bad := fmt.Errorf("page %d is damaged", number)
	n := int(t.order.Uint16(page[20:]))
	if n%2 != 0 || bdbHeader+2*n > len(page) {
		return bad
	}
	at := func(i int) int { return int(t.order.Uint16(page[bdbHeader+2*i:])) }
	for i := 1; i < n; i += 2 {
		start, end := at(i), at(i-1) // items are laid from the page's end to its start
		if start < bdbHeader+2*n || end <= start || end > len(page) {
			return bad
		}
		item := page[start:end]
		switch item[0] {
		case bdbItemInline:
			if len(item)-1 < 16 { // under the key 0 there is a number, which is no package
				continue
			}
			item = item[1:]
		case bdbItemOffPage:
			if len(item) < 12 {
				return bad
			}
			if item, err = t.chain(t.order.Uint32(item[4:]), t.order.Uint32(item[8:])); err != nil {
				return err
			}
		default:
			return fmt.Errorf("page %d has a value of the unknown type %d", number, item[0])
		}
		if err := t.do(item); err != nil {
			return err
		}
	}
	return nil
}

// chain puts together what lies on overflow pages.
func (t *bdbTable) chain(number, length uint32) ([]byte, error) {
	if length > maxRPMHeader || int64(length) > t.f.size {
		return nil, fmt.Errorf("a package's header has %d bytes", length)
	}
	out := make([]byte, 0, length)
	for number != 0 {
		page, err := t.f.read(int64(number)*t.size, t.size)
		if err != nil {
			return nil, err
		}
		n := int(t.order.Uint16(page[22:]))
		if page[25] != bdbOverflow || bdbHeader+n > len(page) || len(out)+n > int(length) {
			return nil, fmt.Errorf("page %d is damaged", number)
		}
		out = append(out, page[bdbHeader:bdbHeader+n]...)
		number = t.order.Uint32(page[16:])
	}
	if len(out) != int(length) {
		return nil, fmt.Errorf("a package's header has %d bytes of %d", len(out), length)
	}
	return out, nil
}
