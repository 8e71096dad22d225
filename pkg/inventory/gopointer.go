package inventory

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// goPointer is what the first pass learned of a program of before Go 1.18: where its strings are. A range of no length is one
// that could not be followed.
type goPointer struct {
	version, modules *capture
}

// segments maps addresses of an ELF program to offsets in its file.
type segments struct {
	order binary.ByteOrder
	count int
	list  [32]segment
}

type segment struct{ address, offset, size uint64 }

// parse reads the program headers, which follow the file's header in what every linker writes. Anything odd leaves no
// segments, and then addresses cannot be followed.
func (s *segments) parse(b []byte) {
	s.count = 0
	if len(b) < 64 || !bytes.HasPrefix(b, []byte("\x7fELF")) {
		return
	}
	s.order = binary.LittleEndian
	if b[5] == 2 {
		s.order = binary.BigEndian
	}
	wide := b[4] == 2
	at, size, count := uint64(s.order.Uint32(b[28:])), s.order.Uint16(b[42:]), s.order.Uint16(b[44:])
	if wide {
		at, size, count = s.order.Uint64(b[32:]), s.order.Uint16(b[54:]), s.order.Uint16(b[56:])
	}
	for i := uint64(0); i < uint64(count) && s.count < len(s.list); i++ {
		from := at + i*uint64(size)
		if size < 32 || wide && size < 56 || at > uint64(len(b)) || from+uint64(size) > uint64(len(b)) {
			return
		}
		h := b[from : from+uint64(size)]
		if s.order.Uint32(h) != 1 { // PT_LOAD
			continue
		}
		s.list[s.count] = s.segment(h, wide)
		s.count++
	}
}

func (s *segments) segment(h []byte, wide bool) segment {
	if wide {
		return segment{offset: s.order.Uint64(h[8:]), address: s.order.Uint64(h[16:]), size: s.order.Uint64(h[32:])}
	}
	return segment{
		offset:  uint64(s.order.Uint32(h[4:])),
		address: uint64(s.order.Uint32(h[8:])), size: uint64(s.order.Uint32(h[16:])),
	}
}

// offset gives where in the file size bytes from an address are.
func (s *segments) offset(address, size uint64) (int64, bool) {
	for _, seg := range s.list[:s.count] {
		if address >= seg.address && address-seg.address < seg.size && size <= seg.size-(address-seg.address) {
			at := seg.offset + address - seg.address
			return int64(at), at < 1<<62 //nolint:gosec // checked to be small beside it
		}
	}
	return 0, false
}

// capture is a range of a file that is wanted. Its bytes come in order; there is never room for more than the file has, since
// any size can be claimed.
type capture struct {
	offset int64
	size   int
	data   []byte
}

func (c *capture) complete() bool { return c != nil && c.size == len(c.data) }

// captures collects ranges from a file's windows as they go by.
type captures struct{ ranges []*capture }

func (c *captures) add(offset int64, size int) *capture {
	r := &capture{offset: offset, size: size}
	c.ranges = append(c.ranges, r)
	return r
}

// take copies what a window has of the ranges. Windows may overlap and leave no gaps.
func (c *captures) take(window []byte, base int64) {
	for _, r := range c.ranges {
		at := r.offset + int64(len(r.data)) - base
		if missing := r.size - len(r.data); missing > 0 && at >= 0 && at < int64(len(window)) {
			part := window[at:]
			r.data = append(r.data, part[:min(len(part), missing)]...)
		}
	}
}

// pointerHeader reads a header of before Go 1.18. The string headers it points to lie in the data that follows it, so they
// are picked up in the same pass.
func (g *goSearch) pointerHeader(b []byte, offset int64, out *goResult) headerState {
	size := int(b[14])
	if size != 4 && size != 8 || b[15]&^goFlagBig != 0 {
		return headerBad
	}
	if out.pointer != nil { // one is enough to make the file worth a second pass
		return headerRead
	}
	order := binary.ByteOrder(binary.LittleEndian)
	if b[15]&goFlagBig != 0 {
		order = binary.BigEndian
	}
	out.pointer = &goPointer{
		version: g.follow(word(order, b[16:], size), size, offset),
		modules: g.follow(word(order, b[16+size:], size), size, offset),
	}
	return headerRead
}

// follow asks for the string header at an address; nil where it cannot be reached any more.
func (g *goSearch) follow(address uint64, size int, passed int64) *capture {
	at, ok := g.segs.offset(address, uint64(2*size)) //nolint:gosec // 8 or 16
	if !ok || at < passed {
		return nil
	}
	return g.want.add(at, 2*size)
}

func word(order binary.ByteOrder, b []byte, size int) uint64 {
	if size == 4 {
		return uint64(order.Uint32(b))
	}
	return order.Uint64(b)
}

// locate turns the string headers that the first pass picked up into the ranges of the strings themselves.
func (g *goSearch) locate(p *goPointer) {
	p.version, p.modules = g.stringAt(p.version, maxGoVersion), g.stringAt(p.modules, maxModInfo)
}

func (g *goSearch) stringAt(header *capture, limit uint64) *capture {
	if !header.complete() {
		return nil
	}
	size := len(header.data) / 2
	address, length := word(g.segs.order, header.data, size), word(g.segs.order, header.data[size:], size)
	if length > limit {
		return nil
	}
	at, ok := g.segs.offset(address, length)
	if !ok {
		return nil
	}
	return &capture{offset: at, size: int(length)} //nolint:gosec // no more than limit
}

// second reads a program of before Go 1.18 again, for its strings, or any for ranges that others want; p may be nil. Where they could not be located, as in PE and Mach-O
// files, the module information is found by its markers, and Go's version stays unknown.
func (g *goSearch) second(r io.Reader, p *goPointer, ranges ...*capture) (goInfo, error) {
	g.want.ranges = nil
	for _, c := range ranges {
		if c != nil && !c.complete() {
			g.want.ranges = append(g.want.ranges, c)
		}
	}
	if p == nil {
		_, err := g.sweep(r, false)
		return goInfo{}, err
	}
	for _, c := range []*capture{p.version, p.modules} {
		if c != nil {
			c.data = nil
			g.want.ranges = append(g.want.ranges, c)
		}
	}
	byMarker, err := g.sweep(r, p.modules == nil)
	if err != nil {
		return goInfo{}, err
	}
	var version string
	if p.version.complete() && isGoVersion(string(p.version.data)) {
		version = string(p.version.data)
	}
	framed := byMarker
	if p.modules.complete() {
		framed = p.modules.data
	}
	info, ok := newGoInfo(version, framed)
	if !ok {
		return info, errors.New("the Go module information cannot be read")
	}
	return info, nil
}

// sweep reads a file for the ranges that are wanted and, if asked, for module information between its markers.
func (g *goSearch) sweep(r io.Reader, byMarker bool) ([]byte, error) {
	var framed []byte
	kept, end := 0, false
	for base := int64(0); !end; {
		n, err := io.ReadFull(r, g.buf[kept:])
		end = errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
		if err != nil && !end {
			return nil, fmt.Errorf("read: %w", err)
		}
		window := g.buf[:kept+n]
		g.want.take(window, base)
		next := len(window)
		if byMarker && framed == nil {
			framed, next = markedInfo(window)
		}
		kept = copy(g.buf, window[next:])
		base += int64(next)
		if kept == len(g.buf) && !end {
			if len(g.buf) >= maxModInfo {
				return nil, fmt.Errorf("the Go build information is larger than %d bytes", maxModInfo)
			}
			g.grow()
		}
	}
	g.shrink()
	return framed, nil
}

// markedInfo finds module information with its markers in a window, or gives the offset from which the window is to be kept.
func markedInfo(window []byte) (framed []byte, keep int) {
	start := bytes.Index(window, []byte(goInfoStart))
	if start < 0 {
		return nil, max(len(window)-goMarker+1, 0)
	}
	size := bytes.Index(window[start:], []byte(goInfoEnd))
	if size < 0 {
		return nil, start
	}
	return bytes.Clone(window[start : start+size+goMarker]), len(window)
}
