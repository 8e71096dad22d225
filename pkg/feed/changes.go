package feed

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"time"

	"github.com/runecast/runecast/pkg/advisory"
)

// changesFile is a zip beside an ecosystem's export with records that were fetched after it. Of a record that is in both the one that
// was modified later counts: the export may have been replaced since. A record that the export lacks counts, too: it may be new, and
// that it was removed cannot be told.
const changesFile = "changes.zip"

// readOSV reads one ecosystem's export, and what has changed since. Both are one source by name: an index says the same, whichever of
// them it is built of.
func (b *builder) readOSV(ctx context.Context, z osvZip) error {
	export := advisory.Source{Name: "osv/" + z.ecosystem, File: z.file}
	changes := advisory.Source{Name: export.Name, File: filepath.Join(filepath.Dir(z.file), changesFile)}
	changed, err := modifiedIn(ctx, changes.File)
	if err != nil {
		return fmt.Errorf("%s: %w", changes.Name, err)
	}
	inExport := map[string]bool{}
	newest := func(name string, o *osvRecord) bool {
		at, there := changed[name]
		inExport[name] = !there || parseTime(o.Modified).After(at)
		return inExport[name]
	}
	if err := b.readZip(ctx, z.ecosystem, export, newest); err != nil {
		return err
	}
	if changed != nil {
		if err := b.readZip(ctx, z.ecosystem, changes, func(name string, _ *osvRecord) bool { return !inExport[name] }); err != nil {
			return err
		}
	}
	if releaseless(z.ecosystem) {
		b.info.Ecosystems = append(b.info.Ecosystems, advisory.Coverage{Ecosystem: z.ecosystem})
	}
	return nil
}

// modifiedIn gives the times of modification of a zip's records by the names of their files; nil where there is no such zip.
func modifiedIn(ctx context.Context, file string) (map[string]time.Time, error) {
	if _, err := os.Stat(file); errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	at := map[string]time.Time{}
	all, silent := func(string) bool { return true }, func(int64, int64) {}
	_, err := zipRecords(ctx, file, all, silent, func(name string, text []byte) error {
		o, err := decodeOSV(text)
		if err == nil {
			at[path.Base(name)] = parseTime(o.Modified)
		}
		return err
	})
	return at, err
}

// readZip reads a zip and keeps those records that take takes, by the names of their files.
func (b *builder) readZip(ctx context.Context, ecosystem string, of advisory.Source, take func(name string, o *osvRecord) bool) error { //nolint:gocritic // hugeParam: once a file
	s, err := describe(ctx, of.Name, of.File)
	if err != nil {
		return err
	}
	all := func(string) bool { return true }
	s.Records, err = zipRecords(ctx, of.File, all, stage(b.progress, s.Name), func(name string, text []byte) error {
		o, decodeErr := decodeOSV(text)
		if decodeErr != nil || !take(path.Base(name), o) {
			return decodeErr
		}
		b.known.date(&s, parseTime(o.Modified))
		r, addErr := b.add(o)
		if r != nil && len(r.affected) > 0 {
			s.Used++
		}
		return addErr
	})
	if err != nil {
		return fmt.Errorf("%s: %w", s.Name, err)
	}
	if s.Modified.After(b.dates[ecosystem]) {
		b.dates[ecosystem] = s.Modified
	}
	if s.Modified.After(b.info.Date) {
		b.info.Date = s.Modified
	}
	b.info.Sources = append(b.info.Sources, s)
	return nil
}
