package advisory

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"golang.org/x/sys/unix"
)

// Open maps an index file and verifies its kind, format version, length and checksum. Whatever is wrong with the file is an
// *IndexError whose text says what and what to do. Replace an index that may be open by renaming another file over it, never by
// writing into it.
func Open(path string) (*Index, error) {
	mapped, err := mapFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, &IndexError{Path: path, Fault: FaultMissing}
	case err != nil:
		return nil, fmt.Errorf("open feed index %s: %w", path, err)
	}
	x := &Index{path: path, mapped: mapped}
	// The mapping is not shared yet, but the file may be cut short while the checksum is computed.
	if err := x.guarded(x.load); err != nil {
		if mapped != nil {
			_ = unix.Munmap(mapped) // the fault in the file is the error to report
		}
		return nil, err
	}
	return x, nil
}

// load checks the header and splits the file into its sections.
func (x *Index) load() error {
	if err := x.checkHeader(); err != nil {
		return err
	}
	var sections [sectionCount][]byte
	for i := range sections {
		at := x.mapped[24+i*16:]
		offset, size := binary.LittleEndian.Uint64(at), binary.LittleEndian.Uint64(at[8:])
		length := uint64(len(x.mapped))
		if offset < headerSize || offset > length || size > length-offset {
			return x.damaged("section %d lies outside the file", i)
		}
		sections[i] = x.mapped[offset : offset+size]
	}
	return x.split(&sections)
}

// checkHeader verifies everything that can be verified without looking into the sections.
func (x *Index) checkHeader() error {
	file := x.mapped
	if len(file) < len(magic) || string(file[:len(magic)]) != magic {
		detail := "it does not start like one"
		if len(file) == 0 {
			detail = "it is empty"
		}
		return &IndexError{Path: x.path, Fault: FaultNoIndex, Detail: detail}
	}
	if len(file) < headerSize {
		return x.damaged("it is cut off after %d bytes", len(file))
	}
	if v := binary.LittleEndian.Uint32(file[8:]); v != formatVersion {
		return &IndexError{
			Path: x.path, Fault: FaultVersion,
			Detail: fmt.Sprintf("its format version is %d and this program reads %d", v, formatVersion),
		}
	}
	if n := binary.LittleEndian.Uint64(file[16:]); n != uint64(len(file)) {
		return x.damaged("it has %d bytes and says that it has %d", len(file), n)
	}
	if !bytes.Equal(checksum(file), file[checksumStart:headerSize]) {
		return x.damaged("its checksum does not match its contents")
	}
	if n := binary.LittleEndian.Uint32(file[12:]); n != sectionCount {
		return x.damaged("it has %d sections instead of %d", n, sectionCount)
	}
	return nil
}

// hashStep is how much of a mapped file is hashed before its pages are let go. It is a multiple of every system's page size.
const hashStep = 1 << 20

// checksum computes what the header's checksum must be. Pages of the mapping that were read count as the process's memory, so
// that of a large index all but the few that matches need are let go again; the kernel keeps them as it keeps any file's.
func checksum(mapped []byte) []byte {
	hash := sha256.New()
	for at := 0; at < len(mapped); at += hashStep {
		piece := mapped[at:min(at+hashStep, len(mapped))]
		if at == 0 {
			hash.Write(piece[headerSize:])
		} else {
			hash.Write(piece)
		}
		_ = unix.Madvise(piece, unix.MADV_DONTNEED) // advice: memory alone suffers where it is not taken
	}
	hash.Write(mapped[:checksumStart])
	return hash.Sum(nil)
}

func (x *Index) split(sections *[sectionCount][]byte) error {
	var err error
	for _, t := range []struct {
		into    *table
		section int
		width   int
	}{{&x.strings, sectionStrings, 4}, {&x.vulns, sectionVulns, 8}, {&x.advisories, sectionOffsets, 8}} {
		if *t.into, err = newTable(sections[t.section], t.width); err != nil {
			return x.damaged("section %d: %v", t.section, err)
		}
	}
	x.advisories.data = sections[sectionAdvisories]
	x.packages, x.rows, x.aliases = sections[sectionPackages], sections[sectionRows], sections[sectionAliases]
	if len(x.packages)%packageWidth != 0 || len(x.aliases)%aliasWidth != 0 {
		return x.damaged("a section ends in the middle of an entry")
	}
	if err := json.Unmarshal(sections[sectionInfo], &x.info); err != nil {
		return x.damaged("its description cannot be read: %v", err)
	}
	x.info.Bytes = int64(len(x.mapped))
	x.covered = make(map[string]time.Time, len(x.info.Ecosystems))
	for _, c := range x.info.Ecosystems {
		x.covered[c.Ecosystem] = c.Date
	}
	return nil
}
