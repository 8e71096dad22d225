package scan

import (
	"context"

	"github.com/runecast/runecast/pkg/image"
)

// Examination is what an image contains, and what is known against it.
type Examination struct {
	Image    string    // the reference that was asked for
	Digest   string    // of the platform's manifest
	Index    string    // of the index that the reference named, where it is one
	Contents *Contents // never nil
	Report   *Report   // nil where NotJudged is not
	// NotJudged is why there is no report: there is no feed, or it cannot be used.
	NotJudged *Error
}

// Examine gives the contents of an image beside its report, for lists of what is in it. Contents that are stored are not read
// again. Unlike a Scan it is not shared with other callers and ends with ctx, and it needs no feed: without one the
// contents are given all the same. Errors are *Error.
func (e *Engine) Examine(ctx context.Context, req Request) (*Examination, error) {
	img, err := e.images.ResolveAs(ctx, req.Reference, req.Platform, req.Access)
	if err != nil {
		return nil, unresolved(ctx, req, err)
	}
	x := &Examination{Image: img.Reference, Digest: img.Digest, Index: img.Index}
	err = guarded(e.contents.log, "the examination of "+img.Digest, func() error { return e.examine(ctx, img, x) })
	if err != nil {
		return nil, explain(req.Reference, err)
	}
	return x, nil
}

func (e *Engine) examine(ctx context.Context, img *image.Image, x *Examination) error {
	begin := e.now()
	contents, keep, err := e.contents.read(ctx, img, &status{})
	if err != nil {
		return err
	}
	keep(ctx)
	x.Contents = contents
	r, err := e.judge(ctx, img, contents)
	switch {
	case err == nil:
		r.Seconds = e.now().Sub(begin).Seconds()
		x.Report = r
	case ctx.Err() != nil:
		return err
	default:
		x.NotJudged = explain(img.Reference, err)
	}
	return nil
}
