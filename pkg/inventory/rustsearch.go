package inventory

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// Rust programs that were built with cargo-auditable carry a section .dep-v0: JSON in zlib that lists what they are made of
// (https://github.com/rust-secure-code/cargo-auditable/blob/master/PARSING.md).
//
// In an ELF file the table of sections comes last and the names of sections before it. The first pass through a file, which goes by as
// a stream, therefore learns where the section's name is and what the table says, and a second pass picks the section up. Few
// layers have such a program, and only those are read twice. In a PE file the table comes first, and one pass is enough.
const (
	rustSection     = ".dep-v0"
	maxRustPacked   = 1 << 20 // of the section
	maxRustInfo     = 8 << 20 // of the JSON in it; that of a program of 1,000 crates has about 100 KiB
	maxRustPackages = 20_000
	maxRustNames    = 16   // places at which the section's name is looked for: a program that deals with it has it among its constants
	maxELFSections  = 8192 // of which programs have about 40
)

// rustSearch looks for the section in one file.
type rustSearch struct {
	order    binary.ByteOrder // nil: not ELF
	wide     bool
	names    int      // number of the section with the names
	table    *capture // the ELF file's table of sections
	searched int64    // bytes that were searched for the name
	tail     []byte   // the last of them
	found    []int64  // where the name is
	section  *capture // the section itself, of a PE file
}

// start begins a file with its first window.
func (s *rustSearch) start(b []byte, want *captures) {
	*s = rustSearch{}
	switch {
	case len(b) >= 64 && bytes.HasPrefix(b, []byte("\x7fELF")):
		s.startELF(b, want)
	case len(b) >= 64 && bytes.HasPrefix(b, []byte("MZ")):
		s.startPE(b, want)
	}
}

func (s *rustSearch) startELF(b []byte, want *captures) {
	s.order, s.wide = binary.LittleEndian, b[4] == 2
	if b[5] == 2 {
		s.order = binary.BigEndian
	}
	at, fields := uint64(s.order.Uint32(b[32:])), b[46:]
	if s.wide {
		at, fields = s.order.Uint64(b[40:]), b[58:]
	}
	size, count := int(s.order.Uint16(fields)), int(s.order.Uint16(fields[2:]))
	s.names = int(s.order.Uint16(fields[4:]))
	if size != s.entrySize() || count == 0 || count > maxELFSections || s.names >= count || at > 1<<62 {
		s.order = nil
		return
	}
	s.table = want.add(int64(at), count*size)
}

func (s *rustSearch) entrySize() int {
	if s.wide {
		return 64
	}
	return 40
}

// startPE looks through the table of sections, which follows the headers
// (https://learn.microsoft.com/windows/win32/debug/pe-format#section-table-section-headers).
func (s *rustSearch) startPE(b []byte, want *captures) {
	const coff, entry = 24, 40
	at := int64(binary.LittleEndian.Uint32(b[60:]))
	if at+coff > int64(len(b)) || string(b[at:at+4]) != "PE\x00\x00" {
		return
	}
	count := int(binary.LittleEndian.Uint16(b[at+6:]))
	table := b[at+coff:]
	table = table[min(len(table), int(binary.LittleEndian.Uint16(b[at+20:]))):]
	for ; count > 0 && len(table) >= entry; count, table = count-1, table[entry:] {
		if string(bytes.TrimRight(table[:8], "\x00")) == rustSection {
			size := min(binary.LittleEndian.Uint32(table[8:]), binary.LittleEndian.Uint32(table[16:]), maxRustPacked+1)
			s.section = want.add(int64(binary.LittleEndian.Uint32(table[20:])), int(size))
			return
		}
	}
}

// note searches a window of an ELF file for the section's name. Windows may overlap and leave no gaps.
func (s *rustSearch) note(window []byte, base int64) {
	const name = rustSection + "\x00"
	if s.order == nil || base+int64(len(window)) <= s.searched {
		return
	}
	part := window[s.searched-base:]
	for from, text := s.searched-int64(len(s.tail)), slices.Concat(s.tail, part[:min(len(part), len(name)-1)]); ; {
		i := bytes.Index(text, []byte(name))
		if i < 0 {
			break
		}
		s.add(from + int64(i))
		from, text = from+int64(i)+1, text[i+1:]
	}
	for at := 0; ; at++ {
		i := bytes.Index(part[at:], []byte(name))
		if i < 0 {
			break
		}
		at += i
		s.add(s.searched + int64(at))
	}
	s.searched += int64(len(part))
	last := slices.Concat(s.tail, part[max(0, len(part)-len(name)+1):])
	s.tail = last[max(0, len(last)-len(name)+1):]
}

func (s *rustSearch) add(at int64) {
	if n := len(s.found); n < maxRustNames && (n == 0 || s.found[n-1] < at) {
		s.found = append(s.found, at)
	}
}

// end gives where the section is, once the file has gone by: nil where there is none. It is complete where one pass was enough.
func (s *rustSearch) end() *capture {
	if s.section != nil || s.order == nil || len(s.found) == 0 || !s.table.complete() {
		return s.section
	}
	names, _ := s.place(s.names)
	for i := range len(s.table.data) / s.entrySize() {
		name := s.order.Uint32(s.table.data[i*s.entrySize():])
		for _, at := range s.found {
			if names+uint64(name) == uint64(at) { //nolint:gosec // an offset is not negative
				offset, size := s.place(i)
				return &capture{offset: int64(min(offset, 1<<62)), size: int(min(size, maxRustPacked+1))}
			}
		}
	}
	return nil
}

// place gives a section's offset in the file and its size.
func (s *rustSearch) place(i int) (offset, size uint64) {
	entry := s.table.data[i*s.entrySize():]
	if s.wide {
		return s.order.Uint64(entry[24:]), s.order.Uint64(entry[32:])
	}
	return uint64(s.order.Uint32(entry[16:])), uint64(s.order.Uint32(entry[20:]))
}

// rustPackages reads the section: every crate that is part of the program, the program's own included. Crates that only took
// part in the build are not.
func rustPackages(section *capture) ([]found, error) {
	switch {
	case section.size > maxRustPacked:
		return nil, fmt.Errorf("they have more than %d bytes", maxRustPacked)
	case !section.complete():
		return nil, errors.New("they are cut short")
	}
	packed, err := zlib.NewReader(bytes.NewReader(section.data))
	if err != nil {
		return nil, fmt.Errorf("decompress them: %w", err)
	}
	text, err := io.ReadAll(io.LimitReader(packed, maxRustInfo+1))
	if err != nil {
		return nil, fmt.Errorf("decompress them: %w", err)
	}
	if len(text) > maxRustInfo {
		return nil, fmt.Errorf("they have more than %d bytes", maxRustInfo)
	}
	var info struct {
		Packages []struct {
			Name    string `json:"name"`
			Version string `json:"version"`
			Kind    string `json:"kind"`
		} `json:"packages"`
	}
	if err := json.Unmarshal(text, &info); err != nil {
		return nil, fmt.Errorf("decode them: %w", err)
	}
	if len(info.Packages) > maxRustPackages {
		return nil, fmt.Errorf("they are more than %d", maxRustPackages)
	}
	var pkgs []found
	for _, p := range info.Packages {
		switch {
		case p.Name == "" || p.Version == "":
			return nil, errors.New("one has no name or no version")
		case strings.EqualFold(p.Kind, "build"):
		default:
			pkgs = append(pkgs, found{Name: strings.ToValidUTF8(p.Name, "\uFFFD"), Version: strings.ToValidUTF8(p.Version, "\uFFFD")})
		}
	}
	return pkgs, nil
}

// addRust lists what a Rust program is made of. A program that is Go's as well is listed as that alone, and not all of it is known.
func (c *contents) addRust(section *capture, elf bool) {
	pkgs, err := rustPackages(section)
	switch {
	case err != nil:
		c.damaged(elf, "its Rust dependencies cannot be read: "+err.Error())
	case len(c.Packages) > 0 && c.Kind == kindGo:
		c.damaged(elf, "it is a Go program with Rust dependencies, which are not listed")
	default:
		c.Kind, c.Packages = kindRust, pkgs
	}
}
