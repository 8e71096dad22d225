package inventory

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
)

// Tags of a package's header and the types of their values
// (https://github.com/rpm-software-management/rpm/blob/master/include/rpm/rpmtag.h).
const (
	rpmTagName      = 1000
	rpmTagVersion   = 1001
	rpmTagRelease   = 1002
	rpmTagEpoch     = 1003
	rpmTagVendor    = 1011
	rpmTagArch      = 1022
	rpmTagOldFiles  = 1027
	rpmTagSource    = 1044
	rpmTagDirIndex  = 1116
	rpmTagBaseNames = 1117
	rpmTagDirNames  = 1118
	rpmTagModule    = 5096 // MODULARITYLABEL: nodejs:18:9040020240807131341:rhel9

	rpmInt32   = 4
	rpmString  = 6
	rpmStrings = 8
	rpmI18N    = 9
)

// rpmHeader is one package's header: the number of index entries and of data bytes, both in four bytes, then entries of tag, type,
// offset and count, then the data. All numbers are big-endian.
type rpmHeader struct {
	entries map[uint32]rpmEntry
	data    []byte
}

type rpmEntry struct{ kind, offset, count uint32 }

func parseRPMHeader(blob []byte) (*rpmHeader, error) {
	if len(blob) < 8 {
		return nil, errors.New("a package's header is cut short")
	}
	n, size := uint64(binary.BigEndian.Uint32(blob)), uint64(binary.BigEndian.Uint32(blob[4:]))
	if n == 0 || 8+16*n+size != uint64(len(blob)) {
		return nil, fmt.Errorf("a package's header of %d bytes says that it has %d entries and %d bytes", len(blob), n, size)
	}
	h := &rpmHeader{entries: map[uint32]rpmEntry{}, data: blob[8+16*n:]}
	for at := blob[8 : 8+16*n]; len(at) > 0; at = at[16:] {
		switch tag := binary.BigEndian.Uint32(at); tag {
		case rpmTagName, rpmTagVersion, rpmTagRelease, rpmTagEpoch, rpmTagVendor, rpmTagArch, rpmTagOldFiles, rpmTagSource,
			rpmTagDirIndex, rpmTagBaseNames, rpmTagDirNames, rpmTagModule:
			e := rpmEntry{kind: binary.BigEndian.Uint32(at[4:]), offset: binary.BigEndian.Uint32(at[8:]), count: binary.BigEndian.Uint32(at[12:])}
			if uint64(e.offset) > size || e.count == 0 || uint64(e.count) > size {
				return nil, fmt.Errorf("a package's header has the bad entry %d", tag)
			}
			h.entries[tag] = e // one that is added on installation follows those of the package and counts
		}
	}
	return h, nil
}

// text gives a string; empty where there is none.
func (h *rpmHeader) text(tag uint32) (string, error) {
	e, ok := h.entries[tag]
	if !ok {
		return "", nil
	}
	if e.kind != rpmString && e.kind != rpmI18N {
		return "", fmt.Errorf("a package's header has entry %d of type %d, which is no text", tag, e.kind)
	}
	text, _, ok := bytes.Cut(h.data[e.offset:], []byte{0})
	if !ok || len(text) > maxLine {
		return "", fmt.Errorf("a package's header has a text without an end in entry %d", tag)
	}
	return string(text), nil
}

// number gives the first of an entry's numbers.
func (h *rpmHeader) number(tag uint32) (value uint32, ok bool, err error) {
	e, ok := h.entries[tag]
	if !ok {
		return 0, false, nil
	}
	if e.kind != rpmInt32 || len(h.data)-int(e.offset) < 4 {
		return 0, false, fmt.Errorf("a package's header has the bad number %d", tag)
	}
	return binary.BigEndian.Uint32(h.data[e.offset:]), true, nil
}

// texts hands out a list of strings, in the header's own memory.
func (h *rpmHeader) texts(tag uint32, do func(i int, text []byte) error) error {
	e, ok := h.entries[tag]
	if !ok {
		return nil
	}
	if e.kind != rpmStrings {
		return fmt.Errorf("a package's header has entry %d of type %d, which is no list of texts", tag, e.kind)
	}
	rest := h.data[e.offset:]
	for i := range int(e.count) {
		text, after, ok := bytes.Cut(rest, []byte{0})
		if !ok {
			return fmt.Errorf("a package's header has a text without an end in entry %d", tag)
		}
		if err := do(i, text); err != nil {
			return err
		}
		rest = after
	}
	return nil
}

// files hands out the clean paths of a package's files: a base name each, and the number of its directory. Before rpm 4 there were
// whole paths.
func (h *rpmHeader) files(do func(string) error) error {
	if err := h.texts(rpmTagOldFiles, func(_ int, text []byte) error { return do(cleanPath(string(text))) }); err != nil {
		return err
	}
	var dirs []string
	if err := h.texts(rpmTagDirNames, func(_ int, text []byte) error {
		dirs = append(dirs, string(text))
		return nil
	}); err != nil {
		return err
	}
	index := h.entries[rpmTagDirIndex]
	bad := errors.New("a package's header has a bad list of files")
	if index.count != h.entries[rpmTagBaseNames].count || index.count > 0 && (index.kind != rpmInt32 || uint64(len(h.data)) < uint64(index.offset)+4*uint64(index.count)) {
		return bad
	}
	return h.texts(rpmTagBaseNames, func(i int, text []byte) error {
		dir := binary.BigEndian.Uint32(h.data[int(index.offset)+4*i:])
		if uint64(dir) >= uint64(len(dirs)) || len(text)+len(dirs[dir]) > maxPath {
			return bad
		}
		return do(cleanPath(dirs[dir] + string(text)))
	})
}
