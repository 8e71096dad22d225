package download

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"
)

const (
	maxList = 256 << 20 // bytes of a modified_id.csv; that of npm has about 12 MB
	maxIDs  = 4_000_000
)

// listing says when each record of an ecosystem was last modified, by its id.
type listing map[string]time.Time

// parseListing reads OSV's modified_id.csv (https://google.github.io/osv.dev/data/#data-dumps): a line for each record, its time of
// modification and its id, as in 2026-08-15T00:05:00Z,GHSA-3wqf-4x89-9g79. A line that is not so is an error: what cannot be read in
// part cannot be trusted in whole. Of an id that occurs twice the newest time counts.
func parseListing(text []byte) (listing, error) {
	list := listing{}
	for n := 1; len(text) > 0; n++ {
		line, rest, _ := bytes.Cut(text, []byte("\n"))
		text = rest
		row := strings.TrimSuffix(string(line), "\r")
		if row == "" {
			continue
		}
		stamp, id, found := strings.Cut(row, ",")
		if !found {
			return nil, fmt.Errorf("line %d has no comma", n)
		}
		at, err := time.Parse(time.RFC3339Nano, stamp)
		if err != nil {
			return nil, fmt.Errorf("line %d does not begin with a time", n)
		}
		if err := checkID(id); err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
		if known, ok := list[id]; !ok || at.After(known) {
			list[id] = at.UTC()
		}
		if len(list) > maxIDs {
			return nil, fmt.Errorf("it has more than %d records", maxIDs)
		}
	}
	if len(list) == 0 {
		return nil, errors.New("it lists no record")
	}
	return list, nil
}

// checkID lets ids through that are names of files, and of nothing else (https://ossf.github.io/osv-schema/#id-modified-fields).
func checkID(id string) error {
	if id == "" || len(id) > 128 || strings.Contains(id, "..") || strings.Trim(id[:1], "._:+-") == "" {
		return errors.New("it has no id of a record")
	}
	for _, r := range id {
		if (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("._:+-", r) {
			return errors.New("it has an id with characters that ids do not have")
		}
	}
	return nil
}

// write writes the list in the form that parseListing reads, by id.
func (l listing) write(w io.Writer) error {
	var b bytes.Buffer
	for _, id := range slices.Sorted(maps.Keys(l)) {
		b.WriteString(l[id].Format(time.RFC3339Nano) + "," + id + "\n")
	}
	_, err := w.Write(b.Bytes())
	return err
}

// since gives the records of a newer list that are not among those held, or were modified since, by id; gone is one that is held and
// no longer listed, empty for none.
func (l listing) since(held listing) (changed []string, gone string) {
	for id, at := range l {
		if known, ok := held[id]; !ok || at.After(known) {
			changed = append(changed, id)
		}
	}
	slices.Sort(changed)
	for id := range held {
		if _, ok := l[id]; !ok && (gone == "" || id < gone) {
			gone = id
		}
	}
	return changed, gone
}
