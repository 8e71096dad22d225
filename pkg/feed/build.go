package feed

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/runecast/runecast/pkg/advisory"
)

// Sources are the files that Build reads. Only OSVDir is required.
type Sources struct {
	OSVDir string           // directory with <Ecosystem>/all.zip as https://google.github.io/osv.dev/data/ describes it; names may be URL-escaped
	NVD    []string         // files of NVD's JSON 2.0, plain or .gz
	CVE    []string         // zips of CVE JSON 5 records
	KEV    string           // CISA's catalogue, JSON
	EPSS   string           // EPSS scores, CSV, plain or .gz
	Now    func() time.Time // the clock of Info.Built; nil: time.Now

	// Ecosystems are those of OSVDir that are read, each of which must be there; none: all that are.
	Ecosystems []string
}

// Build makes an index of the sources and puts it at out, atomically. A source that is missing, or a record in it that cannot be
// read, is an error that names it, and nothing is written. progress may be nil; it is called from the calling goroutine.
//
// Withdrawn records are left out, and what records say of ecosystems whose own export is not read. Info.Date is the newest modification
// date of an OSV record, because the feed is as old as what it knows of versions, however fresh its ratings are; the date of each
// ecosystem is that of its export, 1970 where that has none. Dates more than a day after the build are mistakes and do not count.
//
//nolint:gocritic // hugeParam: once per feed, and a copy cannot change under it
func Build(ctx context.Context, s Sources, out string, progress func(stage string, done, total int64)) (advisory.Info, error) {
	now := time.Now
	if s.Now != nil {
		now = s.Now
	}
	b := &builder{
		texts: interner{}, dates: map[string]time.Time{}, known: newKnowledge(now()), records: map[string]*record{}, members: map[packageKey][]member{},
		info: advisory.Info{Built: now().UTC().Truncate(time.Second)}, progress: progress,
	}
	zips, err := b.findZips(&s)
	if err != nil {
		return advisory.Info{}, fmt.Errorf("build feed index: %w", err)
	}
	if b.details, err = newSpool(filepath.Dir(out)); err != nil {
		return advisory.Info{}, fmt.Errorf("build feed index: %w", err)
	}
	defer b.details.close()
	if err = b.read(ctx, &s, zips); err != nil {
		return advisory.Info{}, fmt.Errorf("build feed index: %w", err)
	}
	stage(progress, "index")(0, int64(len(b.members)))
	info, err := advisory.Write(ctx, out, &advisory.Contents{Info: b.info, Dates: b.dates, Entries: b.entries(), Advisories: b.advisories()})
	if err != nil {
		return advisory.Info{}, fmt.Errorf("build feed index: %w", err)
	}
	stage(progress, "index")(int64(len(b.members)), int64(len(b.members)))
	return info, nil
}

// builder is the state of one Build.
type builder struct {
	texts    interner
	known    *knowledge
	records  map[string]*record // by id: a record of several ecosystems is in several zips
	members  map[packageKey][]member
	details  *spool
	dates    map[string]time.Time // by the ecosystem of a zip: its newest modification date
	info     advisory.Info
	progress progressFunc
}

// osvZip is one ecosystem's export.
type osvZip struct{ ecosystem, file string }

// findZips lists the exports, and looks whether the other files are there before hours of work are done for nothing.
func (b *builder) findZips(s *Sources) ([]osvZip, error) {
	const remedy = "put OSV's exports there as <Ecosystem>/all.zip (https://osv-vulnerabilities.storage.googleapis.com/<Ecosystem>/all.zip)"
	entries, err := os.ReadDir(s.OSVDir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("the OSV directory %q does not exist; %s", s.OSVDir, remedy)
	}
	if err != nil {
		return nil, fmt.Errorf("OSV directory: %w", err)
	}
	var zips []osvZip
	for _, e := range entries {
		dir := filepath.Join(s.OSVDir, e.Name())
		if stat, failure := os.Stat(dir); failure != nil || !stat.IsDir() || strings.HasPrefix(e.Name(), ".") {
			continue
		}
		ecosystem, err := url.PathUnescape(e.Name())
		if err != nil {
			ecosystem = e.Name()
		}
		file := filepath.Join(dir, "all.zip")
		if _, err := os.Stat(file); err != nil {
			return nil, fmt.Errorf("the OSV directory has no %s/all.zip; %s, or remove the directory", e.Name(), remedy)
		}
		if len(s.Ecosystems) == 0 || slices.Contains(s.Ecosystems, ecosystem) {
			zips = append(zips, osvZip{ecosystem: ecosystem, file: file})
		}
	}
	return zips, s.complete(zips, remedy)
}

// complete tells what is asked for and not there, so that it shows before minutes of work are done for nothing.
func (s *Sources) complete(zips []osvZip, remedy string) error {
	for _, name := range s.Ecosystems {
		if !slices.ContainsFunc(zips, func(z osvZip) bool { return z.ecosystem == name }) {
			return fmt.Errorf("the OSV directory %q has no export of %s; %s", s.OSVDir, name, remedy)
		}
	}
	if len(zips) == 0 {
		return fmt.Errorf("the OSV directory %q has no <Ecosystem>/all.zip; %s", s.OSVDir, remedy)
	}
	for _, file := range slices.Concat(s.NVD, s.CVE, []string{s.KEV, s.EPSS}) {
		if _, err := os.Stat(file); file != "" && err != nil {
			return fmt.Errorf("%w; give a file that exists, or leave this source out", err)
		}
	}
	return nil
}

// read reads all sources: the records first, since they say which CVEs matter.
func (b *builder) read(ctx context.Context, s *Sources, zips []osvZip) error {
	for _, z := range zips {
		b.dates[z.ecosystem] = noDate()
	}
	for _, z := range zips {
		if err := b.readOSV(ctx, z); err != nil {
			return err
		}
	}
	type reader func(context.Context, string, progressFunc) (advisory.Source, error)
	for _, step := range []struct {
		read  reader
		files []string
	}{{b.known.readCVE, s.CVE}, {b.known.readNVD, s.NVD}, {b.known.readKEV, []string{s.KEV}}, {b.known.readEPSS, []string{s.EPSS}}} {
		for _, file := range step.files {
			if file == "" {
				continue
			}
			source, err := step.read(ctx, file, b.progress)
			if err != nil {
				return err
			}
			b.info.Sources = append(b.info.Sources, source)
		}
	}
	return nil
}

// add keeps a record; nil for one that is withdrawn.
func (b *builder) add(o *osvRecord) (*record, error) {
	if o.Withdrawn != "" {
		return nil, nil
	}
	if known := b.records[o.ID]; known != nil {
		return known, nil
	}
	r, err := b.texts.newRecord(o)
	if err != nil {
		return nil, err
	}
	r.affected = slices.DeleteFunc(r.affected, func(a affected) bool { return !b.reads(a.ecosystem) })
	b.records[r.id] = r
	b.known.learn(r)
	if len(r.affected) == 0 {
		return r, nil
	}
	a := details(o)
	if r.spooled, err = b.details.put(&a); err != nil {
		return nil, err
	}
	for i := range r.affected {
		key := packageKey{ecosystem: r.affected[i].ecosystem, name: r.affected[i].name}
		b.members[key] = append(b.members[key], member{record: r, affected: &r.affected[i]})
	}
	return r, nil
}

// noDate is the date of an export without any: as old as can be, so that it is not taken for as fresh as the others.
func noDate() time.Time { return time.Unix(0, 0).UTC() }

// reads tells whether the export of an ecosystem is read. A record of several ecosystems is in the exports of all of them; what it says
// of one whose export is missing would make that one look covered, by a handful of its packages.
func (b *builder) reads(ecosystem string) bool {
	_, release := b.dates[ecosystem] // some releases have exports of their own
	_, base := b.dates[advisory.BaseEcosystem(ecosystem)]
	return release || base
}

// entries gives the packages in the order of the index.
func (b *builder) entries() iter.Seq2[advisory.Entry, error] {
	keys := slices.SortedFunc(maps.Keys(b.members), func(x, y packageKey) int {
		return cmp.Or(strings.Compare(x.ecosystem, y.ecosystem), strings.Compare(x.name, y.name))
	})
	return func(yield func(advisory.Entry, error) bool) {
		for _, key := range keys {
			rows := b.known.rows(key.ecosystem, b.members[key])
			if !yield(advisory.Entry{Ecosystem: key.ecosystem, Name: key.name, Rows: rows}, nil) {
				return
			}
		}
	}
}

// advisories gives the records that say anything about a package, with their ratings.
func (b *builder) advisories() iter.Seq2[advisory.Advisory, error] {
	ids := slices.Sorted(maps.Keys(b.records))
	return func(yield func(advisory.Advisory, error) bool) {
		for _, id := range ids {
			r := b.records[id]
			if len(r.affected) == 0 {
				continue
			}
			a, err := b.details.get(r.spooled)
			b.known.complete(&a, r)
			if !yield(a, err) {
				return
			}
		}
	}
}

// complete adds to a record's details what other sources know. A record about several CVEs is rated only by itself.
func (k *knowledge) complete(a *advisory.Advisory, r *record) {
	cve := ""
	if cves := k.resolve(r); len(cves) == 1 {
		cve = cves[0]
	}
	rating := k.rate([]member{{record: r, affected: &r.affected[0]}}, cve)
	a.Severity, a.SeveritySource, a.CVSS = rating.severity, rating.source, rating.cvss
	a.EPSS, a.KEV = k.epss[cve], k.kev[cve]
	if a.Summary == "" && a.Details == "" {
		a.Summary = k.titles[cve]
	}
}

// stage gives the progress of one stage; a nil progress is told nothing.
func stage(progress progressFunc, name string) func(done, total int64) {
	return func(done, total int64) {
		if progress != nil {
			progress(name, done, total)
		}
	}
}
