package inventory

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/adler32"
)

// rpm's own form (https://github.com/rpm-software-management/rpm/blob/master/lib/backend/ndb/rpmpkg.c): pages of 4096 bytes with slots
// of 16 each, of which the first two are the file's header, then blocks of 16 bytes. A slot gives the number of a package, and the first
// block and the number of blocks of its blob: a header, the package's header, zeros, and an end with a checksum of all before it.
const (
	ndbPage    = 4096
	ndbBlock   = 16
	ndbTail    = 12
	maxNDBPage = 2048
)

func readRPMNDB(f *rpmFile, head []byte, do func([]byte) error) error {
	if len(head) < 32 || binary.LittleEndian.Uint32(head[4:]) != 0 {
		return errors.New("it is of a version of rpm's form that is not known")
	}
	pages := binary.LittleEndian.Uint32(head[12:])
	if pages == 0 || pages > maxNDBPage {
		return fmt.Errorf("it says that it has %d pages of slots", pages)
	}
	slots, err := f.read(0, int64(pages)*ndbPage)
	if err != nil {
		return err
	}
	for slot := slots[2*ndbBlock:]; len(slot) > 0; slot = slot[ndbBlock:] {
		if string(slot[:4]) != "Slot" {
			return errors.New("one of its slots is damaged")
		}
		number := binary.LittleEndian.Uint32(slot[4:])
		if number == 0 {
			continue
		}
		header, err := ndbBlob(f, number, binary.LittleEndian.Uint32(slot[8:]), binary.LittleEndian.Uint32(slot[12:]))
		if err != nil {
			return err
		}
		if err := do(header); err != nil {
			return err
		}
	}
	return nil
}

// ndbBlob gives the header of a package.
func ndbBlob(f *rpmFile, number, block, blocks uint32) ([]byte, error) {
	size := int64(blocks) * ndbBlock
	if size < ndbBlock+ndbTail || size > maxRPMHeader {
		return nil, fmt.Errorf("package %d has %d bytes", number, size)
	}
	b, err := f.read(int64(block)*ndbBlock, size)
	if err != nil {
		return nil, err
	}
	tail := b[len(b)-ndbTail:]
	n := binary.LittleEndian.Uint32(b[12:])
	switch {
	case string(b[:4]) != "BlbS", string(tail[8:]) != "BlbE", binary.LittleEndian.Uint32(b[4:]) != number,
		binary.LittleEndian.Uint32(tail[4:]) != n, int64(n) > size-ndbBlock-ndbTail:
		return nil, fmt.Errorf("package %d is damaged", number)
	case adler32.Checksum(b[:len(b)-ndbTail]) != binary.LittleEndian.Uint32(tail):
		return nil, fmt.Errorf("package %d is damaged: its checksum is wrong", number)
	}
	return b[ndbBlock : ndbBlock+int(n)], nil
}
