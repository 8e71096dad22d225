package inventory

import (
	"archive/tar"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
)

// ScanLayer reads an uncompressed layer tar to its end. open gives the stream from its start; it is called again only where
// a link needs a file that the first pass did not keep, and for Go programs of before Go 1.18.
//
// A stream that is no tar, or is cut short, is an *Error of KindCorrupt; what exceeds a limit is one of KindTooLarge. An
// error of the stream itself, and the context's, are returned wrapped. A package database that cannot be read is noted in the
// Layer, since a later layer may replace it: Merge gives the *Error. A language's file that cannot be read is noted too:
// Merge lists it among what is unread, or as a warning where it need not belong to a package.
func ScanLayer(ctx context.Context, open func(context.Context) (io.ReadCloser, error), opts Options) (*Layer, error) {
	opts = opts.withDefaults()
	s := newScanner(opts, extractors())
	if err := s.pass(ctx, open, s.first); err != nil {
		return nil, err
	}
	again, err := s.needsSecond()
	if err != nil {
		return nil, err
	}
	if again {
		if err := s.pass(ctx, open, s.second); err != nil {
			return nil, err
		}
	}
	return s.layer(), nil
}

// entry is one entry of the tar.
type entry struct {
	header *tar.Header
	path   string // clean, never the root
	number int    // from the start of the layer
	left   bool   // its contents were not wanted and are not there
	r      entryReader
}

// pass reads the layer once and hands each entry to do.
func (s *scanner) pass(ctx context.Context, open func(context.Context) (io.ReadCloser, error), do func(context.Context, *entry) error) error {
	rc, err := open(ctx)
	if err != nil {
		return fmt.Errorf("open layer: %w", err)
	}
	defer rc.Close()
	from := newStream(ctx, rc, s.opts.MaxBytes)
	archive := tar.NewReader(from)
	var logical int64 // a sparse file is larger than what the stream has of it
	var e entry       // one for all, since there may be a million
	for number := 0; ; number++ {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) && from.err == nil {
			return from.drain()
		}
		if err != nil {
			return from.explain("", err)
		}
		if err := s.admit(number, header, &logical); err != nil {
			return err
		}
		e = entry{header: header, path: cleanPath(header.Name), number: number, r: entryReader{from: archive}}
		if e.path == "" || header.Typeflag == tar.TypeXGlobalHeader {
			continue
		}
		if err := do(ctx, &e); err != nil {
			if e.r.err != nil || from.err != nil {
				return from.explain(e.path, err)
			}
			return err
		}
	}
}

// admit checks an entry against the limits; logical are the bytes of all files so far.
func (s *scanner) admit(number int, header *tar.Header, logical *int64) error {
	if *logical += header.Size; number >= s.opts.MaxFiles || *logical > s.opts.MaxBytes || *logical < 0 {
		return s.over(number)
	}
	if n := max(len(header.Name), len(header.Linkname)); n > maxPath {
		return &Error{Kind: KindCorrupt, Err: fmt.Errorf("entry %d has a path of %d bytes, more than the %d that Linux takes", number+1, n, maxPath)}
	}
	return nil
}

func (s *scanner) over(number int) error {
	if number >= s.opts.MaxFiles {
		return &Error{Kind: KindTooLarge, Err: fmt.Errorf("it has more than %d entries", s.opts.MaxFiles)}
	}
	return &Error{Kind: KindTooLarge, Err: fmt.Errorf("it has more than %d bytes", s.opts.MaxBytes)}
}

func tooLargeResult() error {
	return &Error{Kind: KindTooLarge, Err: fmt.Errorf("what is to be kept of it exceeds %d bytes", maxResult)}
}

// first handles an entry of the first pass.
func (s *scanner) first(ctx context.Context, e *entry) error {
	if err := s.locate(e); err != nil {
		return err
	}
	s.implyDirectory(e.path)
	if what, of := whiteout(e.path); what != notWhiteout {
		switch what {
		case deletes:
			s.replaced = append(s.replaced, hashPath(of))
		case opaque:
			if of != "" { // overlayfs always shows what is below its root
				s.opaque = append(s.opaque, hashPath(of))
			}
		case notWhiteout, meaningless:
		}
		return nil
	}
	hash := hashPath(e.path)
	if e.header.Typeflag == tar.TypeDir {
		s.dirs = append(s.dirs, hash)
		if s.files[e.path] != nil {
			s.again = append(s.again, hash)
		}
		s.forget(e.path)
		return nil
	}
	if err := s.clear(e.path, hash); err != nil {
		return err
	}
	switch e.header.Typeflag {
	case tar.TypeReg, tar.TypeCont, tar.TypeGNUSparse:
		return s.regular(ctx, e, hash)
	case tar.TypeLink:
		return s.hardLink(e, hash)
	case tar.TypeSymlink:
		s.symlink(e.path, e.header.Linkname)
		s.replaced = append(s.replaced, hash)
		return nil
	default:
		return s.irregular(e, hash)
	}
}

// regular handles a regular file of the first pass.
func (s *scanner) regular(ctx context.Context, e *entry, hash uint64) error {
	if kind := classify(e.path); kind != kindNone {
		if e.left { // a link led it here
			c := notRead(kind, "its contents were not asked for")
			s.want(inode{path: e.path, before: e.number + 1}, e.path, c)
			return s.keep(e.path, hash, c)
		}
		c, err := s.read(ctx, kind, e.path, e)
		if err != nil {
			return err
		}
		return s.keep(e.path, hash, c)
	}
	head, err := s.head(e)
	if err != nil {
		return err
	}
	if isProgram(head) {
		c, err := s.program(ctx, e, head)
		if err != nil {
			return err
		}
		if c != nil {
			return s.keep(e.path, hash, c)
		}
	}
	s.replace(e.path, hash)
	return nil
}

// head gives a file's first bytes, where it is large enough to be a program with build information.
func (s *scanner) head(e *entry) ([]byte, error) {
	if e.left || e.header.Size < goHeader {
		return nil, nil
	}
	if _, err := io.ReadFull(&e.r, s.start[:]); err != nil {
		return nil, fmt.Errorf("read: %w", err)
	}
	return s.start[:], nil
}

// program searches a program for what Go, .NET or cargo-auditable left in it; nil is none.
func (s *scanner) program(ctx context.Context, e *entry, head []byte) (*contents, error) {
	res, searchErr := s.golang.search(head, &e.r)
	if err := cmp.Or(e.r.err, searchErr); err != nil {
		return nil, err
	}
	if len(res.infos) == 0 && res.pointer == nil && res.warning == "" && res.rust == nil && res.bundle == nil && res.damage == "" {
		return nil, nil //nolint:nilnil // most programs are neither Go's nor list what they are made of
	}
	c, elf := &contents{Kind: kindGo}, string(head) == "\x7fELF"
	for _, info := range res.infos {
		c.addGo(info, elf)
	}
	if res.warning != "" {
		c.damaged(elf, res.warning)
	}
	if res.damage != "" {
		c.damaged(elf, res.damage)
	}
	p := pendingProgram{contents: c, pointer: res.pointer, rust: res.rust, bundle: res.bundle, elf: elf}
	if p.isWanting() {
		s.kept += pointerSize
		s.pointers[e.number] = p
		return c, nil
	}
	p.finish(ctx)
	return c, nil
}
