package inventory

import (
	"archive/tar"
	"context"
	"fmt"
	"io"
)

// Entries gives a layer's entries where their contents can be had one by one, as of layers with a table of contents.
type Entries interface {
	// Each calls do with every entry in the order of the layer. number counts them from 0. contents is that of the regular files
	// that want chooses, and nil for all others; it is good until do returns. An error of do ends it and is given back as it is.
	Each(ctx context.Context, want func(number int, h *tar.Header) bool, do func(number int, h *tar.Header, contents io.Reader) error) error
}

// ScanEntries is ScanLayer for a layer of which only what is Wanted is read, and what links lead to. The result is the same as that
// of the whole stream but for Go programs whose contents were not wanted. An error of the entries themselves is returned wrapped.
func ScanEntries(ctx context.Context, from Entries, opts Options) (*Layer, error) {
	opts = opts.withDefaults()
	s := newScanner(opts, extractors())
	if err := s.visit(ctx, from, func(_ int, h *tar.Header) bool { return Wanted(h) }, s.first); err != nil {
		return nil, err
	}
	again, err := s.needsSecond()
	if err != nil {
		return nil, err
	}
	if again {
		if err := s.visit(ctx, from, s.wantsAgain, s.second); err != nil {
			return nil, err
		}
	}
	return s.layer(), nil
}

// visit hands each entry to do, as pass does for a stream.
func (s *scanner) visit(ctx context.Context, from Entries, want func(int, *tar.Header) bool, do func(context.Context, *entry) error) error {
	var logical int64
	err := from.Each(ctx, want, func(number int, h *tar.Header, contents io.Reader) error {
		if err := s.admit(number, h, &logical); err != nil {
			return err
		}
		e := entry{header: h, path: cleanPath(h.Name), number: number, left: contents == nil}
		if e.path == "" {
			return nil
		}
		if contents == nil {
			contents = noContents{}
		}
		e.r.from = contents
		err := do(ctx, &e)
		if e.r.err != nil { // it explains whatever was made of the file
			return e.r.err
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("read entries: %w", err)
	}
	return nil
}

// noContents is a file that was not asked for: nothing may be concluded from it.
type noContents struct{}

func (noContents) Read([]byte) (int, error) {
	return 0, fmt.Errorf("it was not asked for: %w", io.ErrUnexpectedEOF)
}

// wantsAgain tells whether the second pass reads an entry.
func (s *scanner) wantsAgain(number int, h *tar.Header) bool {
	if !isRegular(h.Typeflag) {
		return false
	}
	if _, ok := s.pointers[number]; ok {
		return true
	}
	p, ok := s.moved[number]
	if !ok {
		p = cleanPath(h.Name)
	}
	if len(s.wanted[p]) > 0 {
		return true
	}
	_, kind := s.aliasOf(p)
	return kind != kindNone
}
