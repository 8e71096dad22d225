package inventory

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// Bounds of a database.
const (
	pieceSize   = 256     // packages that the library is given at a time
	maxPackages = 100_000 // different packages; the largest installations have some thousands
)

// errManyPackages says that a database is larger than any distribution's.
var errManyPackages = fmt.Errorf("it has more than %d packages", maxPackages)

// pieces hands a database to the library's extractor in pieces, because that takes many times a piece's size, and keeps each
// package once.
type pieces struct {
	run func(ctx context.Context, text string) ([]found, error)

	text   strings.Builder // of the piece, reduced to what matters
	want   int             // packages in it
	found  []found
	seen   map[found]struct{}
	listed int // bytes of found, about
}

// end closes a package whose text has been written.
func (p *pieces) end(ctx context.Context) error {
	if p.want++; p.want < pieceSize {
		return nil
	}
	return p.flush(ctx)
}

// flush takes the packages of the piece.
func (p *pieces) flush(ctx context.Context) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if p.want == 0 {
		return nil
	}
	pkgs, err := p.run(ctx, p.text.String())
	if err != nil {
		return err
	}
	if len(pkgs) != p.want {
		return fmt.Errorf("%d of %d installed packages can be read", len(pkgs), p.want)
	}
	p.text.Reset()
	p.want = 0
	if p.seen == nil {
		p.seen = map[found]struct{}{}
	}
	for _, f := range pkgs {
		if _, twice := p.seen[f]; twice {
			continue
		}
		p.seen[f] = struct{}{}
		p.found = append(p.found, f)
		if p.listed += f.size(); p.listed > maxResult {
			return tooLargeResult()
		}
	}
	if len(p.found) > maxPackages {
		return errManyPackages
	}
	return nil
}

// faultOf tells what kind of fault a database has that cannot be read.
func faultOf(err error) Kind {
	if errors.Is(err, errManyPackages) {
		return KindTooLarge
	}
	return KindCorrupt
}
