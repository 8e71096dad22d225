package inventory

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// A .NET program that is published as a single file is a host with all its files behind it, the deps.json among them
// (https://github.com/dotnet/designs/blob/main/accepted/2020/single-file/bundler.md). In the host stands a marker: where the bundle's header
// is, in eight bytes, and 32 bytes that tell that it is the marker. The header, at the end of the file, says where the deps.json is: since
// version 2 by itself, before in its list of files (https://github.com/dotnet/runtime/blob/main/src/native/corehost/bundle/header.h).
//
// The deps.json has gone by when the header comes, so a second pass picks it up, as a Rust program's section is. It is the one file that is
// never compressed.
const (
	bundleMarker    = "\x8b\x12\x02\xb9\x6a\x61\x20\x38\x72\x7b\x93\x02\x14\xd7\xa0\x32\x13\xf5\xb9\xe6\xef\xae\x33\x18\xee\x3b\x2d\xce\x24\xb3\x6a\xae"
	bundleRare      = 13        // from here on the marker has bytes that are rare in machine code, which makes a search fast
	bundleOffset    = 8         // bytes before the marker
	maxBundleHost   = 128 << 20 // of a program in which a marker is looked for; a host with all of .NET in it has some 10 MiB
	maxBundleHeader = 1 << 20   // of the header with the list of files
	maxBundleFiles  = 50_000
)

// bundleSearch looks for a bundle in one file.
type bundleSearch struct {
	searched int64 // bytes that were searched for the marker
	tail     []byte
	size     int64 // of the file, as far as it went by
	header   *capture
}

// note searches a window for the marker. Windows may overlap and leave no gaps; the one in which the marker is must be handed to the captures afterwards.
func (s *bundleSearch) note(window []byte, base int64, want *captures) {
	s.size = max(s.size, base+int64(len(window)))
	if s.header != nil || s.searched >= maxBundleHost || s.size <= s.searched {
		return
	}
	const all = bundleOffset + len(bundleMarker)
	part := window[s.searched-base:]
	s.look(slices.Concat(s.tail, part[:min(len(part), all-1)]), s.searched-int64(len(s.tail)), want)
	s.look(part, s.searched, want)
	s.searched += int64(len(part))
	last := slices.Concat(s.tail, part[max(0, len(part)-all+1):])
	s.tail = last[max(0, len(last)-all+1):]
}

// look asks for the header that a marker in a text tells of. Before the marker of a host without a bundle are zeros, and before that
// of a program that deals with bundles is anything.
func (s *bundleSearch) look(text []byte, from int64, want *captures) {
	for at := 0; s.header == nil; at++ {
		i := bytes.Index(text[at:], []byte(bundleMarker[bundleRare:]))
		if i < 0 {
			return
		}
		at += i
		start := at - bundleRare
		if start < bundleOffset || string(text[start:at]) != bundleMarker[:bundleRare] {
			continue
		}
		offset := binary.LittleEndian.Uint64(text[start-bundleOffset:])
		if offset >= uint64(from)+uint64(at) && offset < 1<<62 { //nolint:gosec // neither is negative
			s.header = want.add(int64(offset), maxBundleHeader)
		}
	}
}

// end gives where the deps.json is, once the file has gone by: nil where there is no bundle.
func (s *bundleSearch) end() (*bundle, error) {
	if s.header == nil || len(s.header.data) == 0 {
		return nil, nil //nolint:nilnil // most programs are no bundles
	}
	h := bundleReader{rest: s.header.data}
	major, _, files := h.number(4), h.number(4), h.number(4)
	if h.err == nil && (major == 0 || major > 100 || files > maxBundleFiles) { // what the marker tells of is something else
		return nil, nil //nolint:nilnil // as above
	}
	_ = h.text() // the bundle's id
	var offset, size uint64
	if major == 1 {
		offset, size = h.depsOf(files)
	} else {
		offset, size = h.number(8), h.number(8)
	}
	switch {
	case h.err != nil:
		return nil, h.err
	case offset == 0:
		return &bundle{}, nil
	case size > maxManifest:
		return nil, fmt.Errorf("its deps.json is larger than %d bytes", maxManifest)
	case offset > uint64(s.size) || size > uint64(s.size)-offset: //nolint:gosec // a size is not negative
		return nil, errors.New("its deps.json is cut short")
	}
	return &bundle{deps: &capture{offset: int64(offset), size: int(size)}}, nil //nolint:gosec // both are within the file
}

// bundle is a single-file program. deps is its deps.json, nil where it was published without.
type bundle struct{ deps *capture }

// bundleReader reads a header, whose numbers are little-endian.
type bundleReader struct {
	rest []byte
	err  error
}

var errBundleCut = errors.New("its header is cut short or too long")

func (r *bundleReader) take(n int) []byte {
	if r.err != nil || n > len(r.rest) {
		r.err, r.rest = errBundleCut, nil
		return make([]byte, min(n, 8))
	}
	out := r.rest[:n]
	r.rest = r.rest[n:]
	return out
}

func (r *bundleReader) number(bytes int) uint64 {
	b := r.take(bytes)
	if bytes == 4 {
		return uint64(binary.LittleEndian.Uint32(b))
	}
	return binary.LittleEndian.Uint64(b)
}

// text reads a text after its length, of which each byte has seven bits; paths are shorter than two of them tell.
func (r *bundleReader) text() string {
	n := int(r.take(1)[0])
	if n > 127 {
		n = n&127 | int(r.take(1)[0])<<7
	}
	if n >= 1<<14 {
		r.err = errBundleCut
	}
	if r.err != nil {
		return ""
	}
	return string(r.take(n))
}

// depsOf looks through the list of files of version 1: offset, size, kind and path of each.
func (r *bundleReader) depsOf(files uint64) (offset, size uint64) {
	for range files {
		at, n, _, path := r.number(8), r.number(8), r.take(1), r.text()
		if r.err != nil {
			return 0, 0
		}
		if strings.HasSuffix(path, ".deps.json") {
			return at, n
		}
	}
	return 0, 0
}

// addBundle lists what a single-file program has in it.
func (c *contents) addBundle(ctx context.Context, b *bundle, elf bool) {
	if len(c.Packages) > 0 {
		c.damaged(elf, "it is a program of several languages, and its .NET packages are not listed")
		return
	}
	c.Kind = kindBundle
	if b.deps == nil {
		c.warn("it is a .NET program in one file, without a deps.json: nothing is known of its packages")
		return
	}
	deps := candidate{size: int64(b.deps.size), r: bytes.NewReader(b.deps.data)}
	if !b.deps.complete() {
		c.damaged(elf, "its .NET packages cannot be read: its deps.json is cut short")
		return
	}
	read, err := dotnetExtractor{}.extract(ctx, deps)
	if err == nil && !read.isUTF8() {
		err = errors.New("it is not text in UTF-8")
	}
	if err != nil {
		c.damaged(elf, "its .NET packages cannot be read: "+err.Error())
		return
	}
	c.Packages = read.Packages
}
