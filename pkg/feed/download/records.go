package download

import (
	"archive/zip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
)

const maxRecord = 16 << 20 // bytes of one record, as feed.Build takes it

// record is a record as it was sent.
type record struct {
	text     []byte
	modified time.Time
}

// head is what must be in every record.
type head struct {
	ID       string    `json:"id"`
	Modified time.Time `json:"modified"`
}

func readHead(text []byte) (head, error) {
	var h head
	if err := json.Unmarshal(text, &h); err != nil {
		return h, fmt.Errorf("it is no OSV record: %w", err)
	}
	return h, nil
}

// records fetches single records, a few at a time. One that is another one, or older than the list says, is an error.
func (e *ecosystem) records(ctx context.Context, ids []string, list listing) (map[string]record, error) {
	var (
		mu    sync.Mutex
		found = map[string]record{}
	)
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(e.opts.Parallel)
	for _, id := range ids {
		group.Go(func() error {
			text, err := e.text(ctx, e.base+"/"+url.PathEscape(id)+".json", maxRecord)
			if err != nil {
				return err
			}
			h, err := readHead(text)
			switch {
			case err != nil:
				return fmt.Errorf("record %s: %w", id, err)
			case h.ID != id:
				return fmt.Errorf("record %s: what came has another id", id)
			case h.Modified.Before(list[id].Truncate(time.Second)):
				return fmt.Errorf("record %s: what came is older than its entry in modified_id.csv", id)
			}
			mu.Lock()
			defer mu.Unlock()
			found[id] = record{text: text, modified: h.Modified.UTC()}
			e.opts.Progress(e.stage, int64(len(found)), int64(len(ids)))
			return nil
		})
	}
	return found, group.Wait()
}

// keep puts records into changes.zip, in place of those of the same id.
func (e *ecosystem) keep(records map[string]record) error {
	return replaceBy(e.path(changesFile), func(w io.Writer) error {
		out := zip.NewWriter(w)
		if err := copyZip(out, e.path(changesFile), func(id string) bool { _, replaced := records[id]; return !replaced }); err != nil {
			return err
		}
		for id, r := range records {
			entry, err := out.CreateHeader(&zip.FileHeader{Name: id + ".json", Method: zip.Deflate, Modified: r.modified})
			if err != nil {
				return err
			}
			if _, err := entry.Write(r.text); err != nil {
				return err
			}
		}
		return out.Close()
	})
}

// copyZip copies the records of a zip that is wanted to another, compressed as they are. A zip that is not there has none.
func copyZip(out *zip.Writer, from string, want func(id string) bool) error {
	in, err := zip.OpenReader(from)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }() // only read from
	for _, entry := range in.File {
		if want(strings.TrimSuffix(entry.Name, ".json")) {
			if err := out.Copy(entry); err != nil {
				return err
			}
		}
	}
	return nil
}

// zipNames gives the names of a zip's files; none where it is not there.
func zipNames(file string) ([]string, error) {
	in, err := zip.OpenReader(file)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer func() { _ = in.Close() }() // only read from
	var names []string
	for _, entry := range in.File {
		names = append(names, entry.Name)
	}
	return names, nil
}

// inspectZip reads every record of an export, so that a damaged one is found before it replaces a good one, and gives their times of
// modification. Records whose name is not their id's could not be told apart from their changes.
func inspectZip(ctx context.Context, file string) (listing, error) {
	in, err := zip.OpenReader(file)
	if err != nil {
		return nil, err
	}
	defer func() { _ = in.Close() }() // only read from
	list := listing{}
	for _, entry := range in.File {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if entry.FileInfo().IsDir() || path.Ext(entry.Name) != ".json" {
			continue
		}
		h, err := headOf(entry)
		if err != nil {
			return nil, fmt.Errorf("record %s: %w", entry.Name, err)
		}
		if h.ID != strings.TrimSuffix(entry.Name, ".json") {
			return nil, fmt.Errorf("record %s has the id %.140q", entry.Name, h.ID)
		}
		list[h.ID] = h.Modified.UTC()
	}
	if len(list) == 0 {
		return nil, errors.New("it has no record")
	}
	return list, nil
}

func headOf(entry *zip.File) (head, error) {
	r, err := entry.Open()
	if err != nil {
		return head{}, err
	}
	defer func() { _ = r.Close() }() // the read below compares the checksum
	text, err := io.ReadAll(io.LimitReader(r, maxRecord+1))
	if err != nil {
		return head{}, err
	}
	if len(text) > maxRecord {
		return head{}, fmt.Errorf("it has more than %d bytes", maxRecord)
	}
	h, err := readHead(text)
	if err == nil {
		err = checkID(h.ID)
	}
	return h, err
}
