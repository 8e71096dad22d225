package download

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/runecast/runecast/pkg/feed"
)

// Result is what Run got.
type Result struct {
	Sources feed.Sources
	Notes   []string     // what a person should know: sources that are of an earlier run, ecosystems that OSV does not export
	Release func() error // lets other processes use the directory; call it when Sources have been read
}

// Run gets all sources into Options.Dir. It fails where OSV's exports cannot be had, all of them and whole, or where ratings cannot be
// had and there are none of an earlier run; an index that was built before stays then. The directory is locked against other processes
// until the result's Release is called.
func Run(ctx context.Context, opts Options) (*Result, error) { //nolint:gocritic // hugeParam: called once; a value is the caller's to change afterwards
	if err := opts.fill(); err != nil {
		return nil, fmt.Errorf("download: %w", err)
	}
	if err := os.MkdirAll(opts.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("download: %w", err)
	}
	release, err := lock(opts.Dir)
	if err != nil {
		return nil, fmt.Errorf("download: %w", err)
	}
	result := &Result{Release: release}
	if err := result.get(ctx, newFetcher(&opts)); err != nil {
		return nil, errors.Join(err, release())
	}
	return result, nil
}

func (r *Result) get(ctx context.Context, f *fetcher) error {
	for _, name := range All() {
		if !slices.Contains(f.opts.Sources, name) {
			continue
		}
		dir := filepath.Join(f.opts.Dir, name)
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return fmt.Errorf("download: %w", err)
		}
		if err := r.source(ctx, f, name, dir); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

func (r *Result) source(ctx context.Context, f *fetcher, name, dir string) error {
	if name == OSV {
		return r.osv(ctx, f, dir)
	}
	var (
		files []string
		err   error
	)
	if name == NVD {
		files, err = f.nvd(ctx, dir)
	} else {
		var file string
		file, err = f.one(ctx, name, dir)
		files = []string{file}
	}
	if err != nil {
		if ctx.Err() != nil {
			return err
		}
		if files = lastGood(name, dir); len(files) == 0 {
			return fmt.Errorf("%w; there is no copy of an earlier run, so leave the source out or try again", err)
		}
		r.Notes = append(r.Notes, fmt.Sprintf("%s is of an earlier run: %v", name, err))
	}
	switch name {
	case NVD:
		r.Sources.NVD = files
	case CVE:
		r.Sources.CVE = files
	case EPSS:
		r.Sources.EPSS = files[0]
	case KEV:
		r.Sources.KEV = files[0]
	}
	return nil
}

// osv gets every ecosystem. One that cannot be had would look like one without advisories, so that it ends the run.
func (r *Result) osv(ctx context.Context, f *fetcher, dir string) error {
	names, missing, err := f.ecosystems(ctx)
	if err != nil {
		return err
	}
	if len(missing) > 0 {
		r.Notes = append(r.Notes, "OSV has no exports of "+strings.Join(missing, ", ")+"; images with their packages are not judged")
	}
	for _, name := range names {
		e, err := f.ecosystem(dir, name)
		if err != nil {
			return err
		}
		note, err := e.update(ctx)
		if err != nil {
			return fmt.Errorf("ecosystem %s: %w", name, err)
		}
		if note != "" {
			r.Notes = append(r.Notes, note)
		}
	}
	r.Sources.OSVDir, r.Sources.Ecosystems = dir, names
	return nil
}

// File gets one file, which is none of the sources, into Options.Dir under name, as Run does: it is not fetched again while it is the
// server's, and a download that was cut goes on. It gives the file's path. A new file is taken only if check has no error for it.
func File(ctx context.Context, opts Options, address, name string, check func(path string) error) (string, error) { //nolint:gocritic // hugeParam: as for Run
	if err := errors.Join(opts.fill(), checkURL(address)); err != nil {
		return "", fmt.Errorf("download: %w", err)
	}
	if err := os.MkdirAll(opts.Dir, 0o700); err != nil {
		return "", fmt.Errorf("download: %w", err)
	}
	release, err := lock(opts.Dir)
	if err != nil {
		return "", fmt.Errorf("download: %w", err)
	}
	defer func() { _ = release() }() // the file is in place, or the error is told
	w := &wanted{stage: name, url: address, path: filepath.Join(opts.Dir, filepath.Base(name))}
	w.check = func(_ context.Context, path string) error { return check(path) }
	_, _, err = newFetcher(&opts).file(ctx, w)
	return w.path, err
}
