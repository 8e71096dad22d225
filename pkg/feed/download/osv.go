package download

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// The files of one ecosystem: OSV's export as it was sent, the records that were fetched since, and the times of modification of all
// records that the two have. Without the last nothing is known of them, and the export is looked at anew.
const (
	exportFile  = "all.zip"
	changesFile = "changes.zip"
	heldFile    = "held.csv"
	listFile    = "modified_id.csv"
)

const maxEcosystems = 4 << 20 // bytes of ecosystems.txt

// ecosystems decides which to get. Those that the caller named must be there; of the default ones, those that OSV does not export are
// told.
func (f *fetcher) ecosystems(ctx context.Context) (names, missing []string, err error) {
	if len(f.opts.Ecosystems) > 0 {
		names = slices.Sorted(slices.Values(f.opts.Ecosystems))
		return slices.Compact(names), nil, nil
	}
	text, err := f.text(ctx, f.opts.URLs.OSV+"/ecosystems.txt", maxEcosystems)
	if err != nil {
		return nil, nil, fmt.Errorf("%w; name the ecosystems of your images where the list of all cannot be had", err)
	}
	exported := map[string]bool{}
	for line := range strings.Lines(string(text)) {
		exported[strings.TrimSpace(line)] = true
	}
	for _, name := range DefaultEcosystems() {
		if exported[name] {
			names = append(names, name)
			continue
		}
		missing = append(missing, name)
	}
	for _, name := range []string{"Alpine", "Debian", "Go", "Maven", "PyPI", "Ubuntu", "npm"} {
		if !exported[name] {
			return nil, nil, fmt.Errorf("%s/ecosystems.txt lacks %s and is not OSV's list", withoutUser(f.opts.URLs.OSV), name)
		}
	}
	return names, missing, nil
}

func withoutUser(address string) string {
	source, err := bare(address)
	if err != nil {
		return "the source"
	}
	return source
}

// ecosystem is the copy of one ecosystem's records.
type ecosystem struct {
	*fetcher
	name  string
	dir   string
	base  string // URL
	stage string
}

func (f *fetcher) ecosystem(osvDir, name string) (*ecosystem, error) {
	e := &ecosystem{
		fetcher: f, name: name, dir: filepath.Join(osvDir, url.PathEscape(name)), base: f.opts.URLs.OSV + "/" + url.PathEscape(name), stage: "osv/" + name,
	}
	return e, os.MkdirAll(e.dir, 0o700)
}

func (e *ecosystem) path(file string) string { return filepath.Join(e.dir, file) }

// update brings the copy up to date: by single records where there are few, else as a whole. note is empty, or what a person should
// know.
func (e *ecosystem) update(ctx context.Context) (note string, err error) {
	why, err := e.increment(ctx)
	if err != nil || why == "" {
		return "", err
	}
	e.opts.Log.WithField("ecosystem", e.name).WithField("reason", why).Info("downloading the whole export")
	if failure := e.whole(ctx); failure != nil {
		return "", failure
	}
	// An export that has not been made anew since lacks what the list has more.
	if why, err = e.increment(ctx); err != nil || why == "" {
		return "", err
	}
	return fmt.Sprintf("the export of %s is taken as it is, without single records: %s", e.name, why), nil
}

// increment fetches what was modified since the last time. Where it cannot, why says for what reason the whole export is needed; err
// is the end of the context or a fault of the disk.
func (e *ecosystem) increment(ctx context.Context) (why string, err error) {
	held, err := e.held(ctx)
	if err != nil {
		return err.Error(), context.Cause(ctx)
	}
	list, err := e.list(ctx)
	if err != nil {
		return err.Error(), context.Cause(ctx)
	}
	changed, gone := list.since(held)
	switch {
	case gone != "":
		return fmt.Sprintf("record %s is here and no longer listed", gone), nil
	case len(changed) > e.opts.MaxChanges:
		return fmt.Sprintf("%d records have changed, more than %d", len(changed), e.opts.MaxChanges), nil
	case len(changed) == 0:
		e.opts.Progress(e.stage, 1, 1)
		return "", nil
	}
	before, err := zipNames(e.path(changesFile))
	if err != nil {
		return err.Error(), nil //nolint:nilerr // a damaged overlay is a reason to take the whole export
	}
	if len(before)+len(changed) > 2*e.opts.MaxChanges {
		return fmt.Sprintf("%d records have changed since the export", len(before)+len(changed)), nil
	}
	records, err := e.records(ctx, changed, list)
	if err != nil {
		return err.Error(), context.Cause(ctx)
	}
	for id, record := range records {
		held[id] = later(record.modified, list[id])
	}
	return "", e.take(ctx, records, held)
}

// take puts fetched records in place. In between nothing is known of the copy, so that a crash costs a download, no more.
func (e *ecosystem) take(ctx context.Context, records map[string]record, held listing) error {
	if err := removeIfThere(e.path(heldFile)); err != nil {
		return err
	}
	if err := e.keep(records); err != nil {
		return fmt.Errorf("keep the changes of %s: %w", e.name, err)
	}
	return e.note(ctx, held)
}

// list gets OSV's list of when each record was modified.
func (e *ecosystem) list(ctx context.Context) (listing, error) {
	var list listing
	w := &wanted{
		stage: e.stage, url: e.base + "/" + listFile, path: e.path(listFile), maxBytes: maxList,
		check: func(_ context.Context, path string) (err error) {
			list, err = readListing(path)
			return err
		},
	}
	_, changed, err := e.file(ctx, w)
	if err == nil && !changed {
		list, err = readListing(w.path)
	}
	return list, err
}

func readListing(path string) (listing, error) {
	text, err := os.ReadFile(filepath.Clean(path))
	if err != nil {
		return nil, err
	}
	return parseListing(text)
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// held gives what the copy has, or why that is not known.
func (e *ecosystem) held(ctx context.Context) (listing, error) {
	text, err := os.ReadFile(e.path(heldFile))
	if err != nil {
		return nil, errors.New("there is no copy yet, or it is not known which records it has")
	}
	first, rest, _ := bytes.Cut(text, []byte("\n"))
	sums, err := e.sums(ctx)
	if err != nil || string(first) != sums {
		return nil, errors.New("the copy is not what was put there")
	}
	held, err := parseListing(rest)
	if err != nil {
		return nil, errors.New("it cannot be read which records the copy has")
	}
	return held, nil
}

// note writes which records the copy has, beneath the fingerprints of the files that have them.
func (e *ecosystem) note(ctx context.Context, held listing) error {
	sums, err := e.sums(ctx)
	if err != nil {
		return err
	}
	return replaceBy(e.path(heldFile), func(w io.Writer) error {
		if _, err := fmt.Fprintln(w, sums); err != nil {
			return err
		}
		return held.write(w)
	})
}

// sums gives the fingerprints of the export and of the records fetched since.
func (e *ecosystem) sums(ctx context.Context) (string, error) {
	export, _, err := digest(ctx, e.path(exportFile))
	if err != nil {
		return "", err
	}
	changes, _, err := digest(ctx, e.path(changesFile))
	if errors.Is(err, os.ErrNotExist) {
		changes, err = "none", nil
	}
	return "# " + export + " " + changes, err
}

// whole gets the export, reads all of it, and forgets the single records.
func (e *ecosystem) whole(ctx context.Context) error {
	var held listing
	inspect := func(ctx context.Context, path string) (err error) {
		held, err = inspectZip(ctx, path)
		if err != nil {
			return err
		}
		// From here on nothing is known of the copy until it is all in place.
		return removeIfThere(e.path(heldFile))
	}
	w := &wanted{stage: e.stage, url: e.base + "/" + exportFile, path: e.path(exportFile), check: inspect}
	_, changed, err := e.file(ctx, w)
	if errors.Is(err, errNotFound) {
		return fmt.Errorf("OSV has no export of the ecosystem %q there, or its name is another one: %w", e.name, err)
	}
	if err != nil {
		return err
	}
	if !changed {
		// The export is still the one that is here, read once already; what was fetched on top of it may be what cannot be trusted.
		if held, err = inspectZip(ctx, e.path(exportFile)); err != nil {
			return errors.Join(fmt.Errorf("%s: the copy is damaged: %w", e.name, err), removeIfThere(e.path(exportFile)+".json"))
		}
	}
	if err := errors.Join(removeIfThere(e.path(heldFile)), removeIfThere(e.path(changesFile))); err != nil {
		return err
	}
	e.opts.Progress(e.stage, 1, 1)
	return e.note(ctx, held)
}
