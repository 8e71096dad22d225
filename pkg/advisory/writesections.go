package advisory

import (
	"encoding/binary"
	"errors"
	"math"
)

// section writes a section and notes where it is.
func (w *writer) section(section int, parts ...[]byte) error {
	start := w.at
	for _, part := range parts {
		if err := w.write(section, part); err != nil {
			return err
		}
	}
	w.sections[section] = [2]uint64{start, w.at - start}
	return nil
}

// write appends to the file and to the hashes.
func (w *writer) write(section int, part []byte) error {
	if _, err := w.body.Write(part); err != nil {
		return err
	}
	w.file.Write(part)
	if section != sectionInfo {
		w.data.Write(part)
	}
	w.at += uint64(len(part))
	return nil
}

// stringSection writes the string table, whose offsets have four bytes.
func (w *writer) stringSection() error {
	head := binary.LittleEndian.AppendUint32(nil, uint32(min(len(w.texts), math.MaxUint32)))
	var blob []byte
	for i := range len(w.texts) + 1 {
		if len(blob) > math.MaxUint32 {
			return errors.New("the texts of the feed have more than 4 GiB; leave out ecosystems that are not needed")
		}
		head = binary.LittleEndian.AppendUint32(head, uint32(len(blob))) //nolint:gosec // G115: checked above
		if i < len(w.texts) {
			blob = append(blob, w.texts[i]...)
		}
	}
	return w.section(sectionStrings, head, blob)
}

// header gives the header with the checksum of the file.
func (w *writer) header() []byte {
	head := make([]byte, 0, headerSize)
	head = append(head, magic...)
	head = binary.LittleEndian.AppendUint32(head, formatVersion)
	head = binary.LittleEndian.AppendUint32(head, sectionCount)
	head = binary.LittleEndian.AppendUint64(head, w.at)
	for _, s := range w.sections {
		head = binary.LittleEndian.AppendUint64(head, s[0])
		head = binary.LittleEndian.AppendUint64(head, s[1])
	}
	w.file.Write(head)
	return w.file.Sum(head)
}

// offsetTable gives the count and the offsets that stand before records.
func offsetTable(records [][]byte) []byte {
	b := binary.LittleEndian.AppendUint32(nil, uint32(min(len(records), math.MaxUint32)))
	var at uint64
	b = binary.LittleEndian.AppendUint64(b, at)
	for _, r := range records {
		at += uint64(len(r))
		b = binary.LittleEndian.AppendUint64(b, at)
	}
	return b
}
