package advisory

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Write makes an index file at path, atomically: a temporary file in the same directory is written, synced and renamed, so that a
// reader sees the old index or the new one and an error leaves the old one as it is. Equal contents give equal bytes. It returns the
// Info that the index will give: Revision, Ecosystems, Advisories, Rows and Bytes are computed here.
func Write(ctx context.Context, path string, c *Contents) (Info, error) {
	f, err := os.CreateTemp(filepath.Dir(path), ".index-*")
	if err != nil {
		return Info{}, fmt.Errorf("write feed index %s: %w", path, err)
	}
	defer func() { _ = os.Remove(f.Name()) }() // gone already where all went well
	info, err := writeFile(ctx, f, c)
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = Replace(f.Name(), path)
	}
	if err != nil {
		return Info{}, fmt.Errorf("write feed index %s: %w", path, err)
	}
	return info, nil
}

// Replace renames a synced file over another one of the same directory and syncs the directory, so that the name survives a crash.
func Replace(from, to string) error {
	const readable = 0o644 // a feed is public data, and another user may run the server
	if err := os.Chmod(from, readable); err != nil {
		return err
	}
	if err := os.Rename(from, to); err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(to))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

func writeFile(ctx context.Context, f *os.File, c *Contents) (Info, error) {
	w := &writer{
		body: bufio.NewWriterSize(f, 1<<20), file: sha256.New(), data: sha256.New(), at: headerSize,
		strings: map[string]int{}, vulnByBytes: map[string]int{}, aliases: map[string]aliasTarget{},
		info: c.Info, coverage: map[string]*Coverage{},
	}
	if _, err := f.Seek(headerSize, 0); err != nil {
		return Info{}, err
	}
	w.info.Advisories, w.info.Rated = 0, 0
	for _, known := range c.Info.Ecosystems {
		w.coverage[known.Ecosystem] = &Coverage{Ecosystem: known.Ecosystem}
	}
	if err := w.contents(ctx, c); err != nil {
		return Info{}, err
	}
	if err := w.body.Flush(); err != nil {
		return Info{}, err
	}
	if _, err := f.WriteAt(w.header(), 0); err != nil {
		return Info{}, err
	}
	return w.info, f.Sync()
}

// writer is the state of one Write.
type writer struct {
	body     *bufio.Writer
	file     hash.Hash // over all that is written
	data     hash.Hash // over what makes the revision: everything but the description
	at       uint64
	sections [sectionCount][2]uint64

	strings     map[string]int
	texts       []string
	vulnByBytes map[string]int
	vulnRecords [][]byte
	aliases     map[string]aliasTarget
	packages    []byte
	rows        []byte
	info        Info
	coverage    map[string]*Coverage
}

// aliasTarget is the record that an alias names, and how much that record says.
type aliasTarget struct{ advisory, weight int }

// contents writes all sections.
func (w *writer) contents(ctx context.Context, c *Contents) error {
	previous := Entry{}
	for entry, err := range c.Entries {
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return err
		}
		if strings.Compare(previous.Ecosystem, entry.Ecosystem) > 0 ||
			previous.Ecosystem == entry.Ecosystem && previous.Name >= entry.Name {
			return fmt.Errorf("package %s of %s is out of order", entry.Name, entry.Ecosystem)
		}
		previous = entry
		if err := w.entry(entry); err != nil {
			return err
		}
	}
	if err := w.advisories(ctx, c); err != nil {
		return err
	}
	aliases := w.aliasSection() // adds strings, so before these are written
	for _, s := range []struct {
		section int
		parts   [][]byte
	}{
		{sectionAliases, [][]byte{aliases}},
		{sectionPackages, [][]byte{w.packages}},
		{sectionRows, [][]byte{w.rows}},
		{sectionVulns, append([][]byte{offsetTable(w.vulnRecords)}, w.vulnRecords...)},
	} {
		if err := w.section(s.section, s.parts...); err != nil {
			return err
		}
	}
	if err := w.stringSection(); err != nil {
		return err
	}
	return w.description(c.Dates)
}

// entry adds one package.
func (w *writer) entry(e Entry) error {
	bounds, err := newBoundaries(e.Ecosystem, e.Rows)
	if err != nil {
		return fmt.Errorf("package %s of %s: %w", e.Name, e.Ecosystem, err)
	}
	vulns := make([]int, len(e.Rows))
	rows := make([]compiledRow, len(e.Rows))
	for i, row := range e.Rows {
		vulns[i] = w.vulnerability(row.Vulnerability)
		rows[i] = bounds.compileRow(row)
	}
	var key [packageWidth]byte
	binary.LittleEndian.PutUint32(key[:], w.number32(e.Ecosystem))
	binary.LittleEndian.PutUint32(key[4:], w.number32(e.Name))
	binary.LittleEndian.PutUint64(key[8:], uint64(len(w.rows)))
	w.packages = append(w.packages, key[:]...)
	w.rows = appendRows(w.rows, bounds, vulns, rows, w.number)
	covered := w.coverage[e.Ecosystem]
	if covered == nil {
		covered = &Coverage{Ecosystem: e.Ecosystem}
		w.coverage[e.Ecosystem] = covered
	}
	covered.Packages++
	covered.Rows += len(e.Rows)
	return nil
}

// number gives the number of a string and adds it when it is new.
func (w *writer) number(s string) int {
	n, ok := w.strings[s]
	if !ok {
		n = len(w.texts)
		w.strings[s] = n
		w.texts = append(w.texts, s)
	}
	return n
}

func (w *writer) number32(s string) uint32 {
	return uint32(w.number(s)) //nolint:gosec // G115: stringSection refuses more than 2^32 strings
}

// vulnerability gives the number of a vulnerability; equal ones share it.
func (w *writer) vulnerability(v *Vulnerability) int {
	record := appendVulnerability(nil, v, w.number)
	n, ok := w.vulnByBytes[string(record)]
	if !ok {
		n = len(w.vulnRecords)
		w.vulnByBytes[string(record)] = n
		w.vulnRecords = append(w.vulnRecords, record)
	}
	return n
}

// description completes Info and writes it.
func (w *writer) description(dates map[string]time.Time) error {
	w.info.Ecosystems = nil
	w.info.Rows = 0
	for _, c := range w.coverage {
		if c.Date = dates[c.Ecosystem]; c.Date.IsZero() {
			c.Date = dates[BaseEcosystem(c.Ecosystem)]
		}
		w.info.Ecosystems = append(w.info.Ecosystems, *c)
		w.info.Rows += c.Rows
	}
	slices.SortFunc(w.info.Ecosystems, func(a, b Coverage) int { return strings.Compare(a.Ecosystem, b.Ecosystem) })
	if err := w.hashDescription(); err != nil {
		return err
	}
	w.info.Revision = hex.EncodeToString(w.data.Sum(nil))
	w.info.Bytes = 0
	text, err := json.Marshal(w.info)
	if err != nil {
		return err
	}
	if err := w.section(sectionInfo, text); err != nil {
		return err
	}
	w.info.Bytes = int64(w.at) //nolint:gosec // G115: the length of a file that was just written
	return nil
}

// hashDescription adds to the revision what decides beside the records: what is covered, how old it is, and which sources were read,
// because what a source says nothing about differs from what nobody asked.
func (w *writer) hashDescription() error {
	names := make([]string, len(w.info.Sources))
	for i := range w.info.Sources {
		names[i] = w.info.Sources[i].Name
	}
	slices.Sort(names)
	text, err := json.Marshal([]any{formatVersion, w.info.Date.Unix(), w.info.Ecosystems, slices.Compact(names)})
	if err != nil {
		return err
	}
	w.data.Write(text)
	return nil
}
