package inventory

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"strings"
)

// Go binaries carry their build information: a 32-byte header, at a multiple of 16 bytes, that starts with goMagic. Since Go
// 1.18 two strings follow it, each after its length as a varint: Go's version and the module information. Before, the header
// holds the addresses of two string headers, which hold the strings' addresses and lengths
// (https://pkg.go.dev/debug/buildinfo, https://go.dev/src/cmd/link/internal/ld/data.go).
//
// Package debug/buildinfo wants random access. A layer is a stream, so the header is searched for in all of it, in chunks:
// loaders place the section that holds it at the same position within a page as in the file, so it is enough to look at
// multiples of 16. For the older form the strings have gone by when the header comes; the first pass then only learns where
// they are, and a second pass picks them up.
const (
	goMagic      = "\xff Go buildinf:"
	goHeader     = 32
	goAlign      = 16
	goChunk      = 64 << 10 // a multiple of 64; small enough to stay in the processor's cache
	goMarker     = 16       // bytes before and after the module information
	goFlagInline = 2
	goFlagBig    = 1
	maxGoVersion = 512
	maxPrograms  = 64 // Go programs in one file: one may carry another
	goInfoStart  = "\x30\x77\xaf\x0c\x92\x74\x08\x02\x41\xe1\xc1\x07\xe6\xd6\x18\xe6"
	goInfoEnd    = "\xf9\x32\x43\x31\x86\x18\x20\x72\x00\x82\x42\x10\x41\x16\xd8\xf2"
)

// goInfo is the build information of one Go program.
type goInfo struct {
	version string // as Go writes it: go1.22.3; empty where it is not known
	modules *debug.BuildInfo
}

// goSearch looks for build information in streams. It keeps its buffer from file to file.
type goSearch struct {
	buf  []byte
	segs segments
	want captures
	rust rustSearch
	net  bundleSearch
}

// goResult is what a search gives: the programs of a file, mostly none or one, and where the strings are for a program of
// the older form.
type goResult struct {
	infos   []goInfo
	pointer *goPointer
	bundle  *bundle  // of a .NET program; its deps.json is to be read again
	damage  string   // why the bundle cannot be read
	rust    *capture // of the section that lists a Rust program's crates; to be read again where it is not complete
	warning string
}

// isProgram tells from a file's first four bytes whether it can be a program: ELF, PE, Mach-O in either byte order, or Mach-O
// for several processors.
func isProgram(head []byte) bool {
	if len(head) < 4 {
		return false
	}
	switch binary.BigEndian.Uint32(head) {
	case 0x7f454c46, 0xfeedface, 0xfeedfacf, 0xcefaedfe, 0xcffaedfe, 0xcafebabe, 0xcafebabf:
		return true
	}
	return head[0] == 'M' && head[1] == 'Z'
}

// search reads a program to its end. The first bytes, which have been read already, are given apart.
func (g *goSearch) search(head []byte, r io.Reader) (goResult, error) {
	if g.buf == nil {
		g.buf = make([]byte, goChunk)
	}
	g.segs.count, g.want.ranges, g.net = 0, nil, bundleSearch{}
	var out goResult
	kept := copy(g.buf, head) // bytes of the window that are in the buffer
	for base, from, end := int64(0), 0, false; !end; {
		n, err := io.ReadFull(r, g.buf[kept:])
		if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
			return out, fmt.Errorf("read: %w", err)
		}
		end = err != nil
		window := g.buf[:kept+n]
		if base == 0 && from == 0 {
			g.segs.parse(window)
			g.rust.start(window, &g.want)
		}
		next := g.scan(window, base, end, &out)
		g.net.note(window, base, &g.want)
		g.want.take(window, base)
		g.rust.note(window, base)
		kept = copy(g.buf, window[next:])
		base += int64(next)
		if kept == len(g.buf) && !end {
			g.grow()
		}
	}
	g.shrink()
	if out.pointer != nil {
		g.locate(out.pointer)
	}
	out.rust = g.rust.end()
	var err error
	if out.bundle, err = g.net.end(); err != nil {
		out.damage = "its .NET packages cannot be read: " + err.Error()
	}
	g.net = bundleSearch{}
	return out, nil
}

// scan handles every header in a window and gives the offset from which the window is to be kept: where a header's strings
// go on beyond the window, else its end.
func (g *goSearch) scan(window []byte, base int64, end bool, out *goResult) int {
	for at := 0; at <= len(window); at += goAlign {
		i := indexGoMagic(window[at:])
		if i < 0 {
			break
		}
		if len(out.infos) == maxPrograms {
			out.warning = fmt.Sprintf("it has more than %d Go programs in it", maxPrograms)
			break
		}
		at += i
		size, state := g.header(window[at:], base+int64(at), out)
		switch state {
		case headerCut:
			if !end {
				return at
			}
			out.warning = "the Go build information is cut short"
		case headerTooLarge:
			out.warning = fmt.Sprintf("the Go build information is larger than %d bytes", maxModInfo)
		case headerRead:
			at += size &^ (goAlign - 1) // what it holds is not searched again
		case headerBad:
		}
	}
	return len(window)
}

// grow makes room for module information that is longer than a chunk.
func (g *goSearch) grow() {
	bigger := make([]byte, min(4*len(g.buf), maxModInfo+goChunk))
	copy(bigger, g.buf)
	g.buf = bigger
}

// shrink gives up what one file with long module information needed.
func (g *goSearch) shrink() {
	if len(g.buf) > goChunk {
		g.buf = make([]byte, goChunk)
	}
}

// indexGoMagic gives the first multiple of 16 at which a header starts. Only whole 16-byte pieces are looked at. Comparing
// eight bytes in every sixteen is ten times faster than a general search, which stops at each 0xff of machine code.
func indexGoMagic(b []byte) int {
	want := binary.LittleEndian.Uint64([]byte(goMagic))
	i := 0
	for ; i+64 <= len(b); i += 64 {
		c := b[i : i+64 : i+64]
		if binary.LittleEndian.Uint64(c) == want || binary.LittleEndian.Uint64(c[16:]) == want ||
			binary.LittleEndian.Uint64(c[32:]) == want || binary.LittleEndian.Uint64(c[48:]) == want {
			for j := i; j < i+64; j += goAlign {
				if bytes.HasPrefix(b[j:], []byte(goMagic)) {
					return j
				}
			}
		}
	}
	for ; i+goAlign <= len(b); i += goAlign {
		if bytes.HasPrefix(b[i:], []byte(goMagic)) {
			return i
		}
	}
	return -1
}

// headerState is what came of reading a header.
type headerState int

const (
	headerRead headerState = iota
	headerBad              // not a header: a program that deals with them has the magic among its constants
	headerCut              // more bytes are needed
	headerTooLarge
)

// header reads one header and, in the newer form, its strings. size counts the bytes of all that, where it was read.
func (g *goSearch) header(b []byte, offset int64, out *goResult) (size int, state headerState) {
	if len(b) < goHeader {
		return 0, headerCut
	}
	if b[15]&goFlagInline == 0 {
		return 0, g.pointerHeader(b, offset, out)
	}
	version, rest, state := goString(b[goHeader:], maxGoVersion)
	if state == headerTooLarge || state == headerRead && !isGoVersion(string(version)) {
		return 0, headerBad
	}
	if state != headerRead {
		return 0, state
	}
	modules, rest, state := goString(rest, maxModInfo)
	if state != headerRead {
		return 0, state
	}
	info, ok := newGoInfo(string(version), modules)
	if !ok {
		out.warning = "the Go module information cannot be read"
	}
	out.infos = append(out.infos, info)
	return len(b) - len(rest), headerRead
}

// goString reads a string after its length.
func goString(b []byte, limit uint64) (s, rest []byte, state headerState) {
	size, n := binary.Uvarint(b)
	switch {
	case n < 0:
		return nil, nil, headerBad
	case n == 0:
		return nil, nil, headerCut
	case size > limit:
		return nil, nil, headerTooLarge
	}
	end := n + int(size) //nolint:gosec // no more than limit
	if len(b) < end {
		return nil, nil, headerCut
	}
	return b[n:end], b[end:], headerRead
}

func isGoVersion(v string) bool { return strings.HasPrefix(v, "go1") || strings.HasPrefix(v, "devel ") }

// newGoInfo reads module information, which stands between two markers. A program that was built without modules has none.
func newGoInfo(version string, framed []byte) (goInfo, bool) {
	info := goInfo{version: version, modules: &debug.BuildInfo{}}
	if len(framed) < 2*goMarker+1 || framed[len(framed)-goMarker-1] != '\n' {
		return info, len(framed) == 0
	}
	modules, err := debug.ParseBuildInfo(string(framed[goMarker : len(framed)-goMarker]))
	if err != nil {
		return info, false
	}
	info.modules = modules
	return info, true
}
