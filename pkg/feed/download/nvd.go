package download

import (
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

const (
	firstNVDYear = 2002     // its feed has the years before, too
	maxMeta      = 16 << 10 // bytes
	maxPlain     = 8 << 30  // bytes of one uncompressed file
	completeFile = "complete.txt"
)

// meta is what NVD publishes beside each feed (https://nvd.nist.gov/vuln/data-feeds), a key and a value on each line:
//
//	lastModifiedDate:2026-11-26T03:00:00-05:00
//	size:98765432
//	zipSize:6543210
//	gzSize:6543210
//	sha256:0C1…
//
// Size and checksum are those of the uncompressed JSON.
type meta struct {
	size   int64
	sha256 string // in lower case
}

func parseMeta(text []byte) (meta, error) {
	m := meta{size: -1}
	for line := range strings.Lines(string(text)) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), ":")
		switch key {
		case "size":
			size, err := strconv.ParseInt(value, 10, 64)
			if err != nil || size < 0 {
				return meta{}, errors.New("its size is no number")
			}
			m.size = size
		case "sha256":
			sum := strings.ToLower(value)
			if raw, err := hex.DecodeString(sum); err != nil || len(raw) != sha256.Size {
				return meta{}, errors.New("its sha256 is none")
			}
			m.sha256 = sum
		}
	}
	if m.size < 0 || m.sha256 == "" {
		return meta{}, errors.New("it has no size or no sha256 and is not NVD's")
	}
	return m, nil
}

// nvd gets the feed of every year, and that of what was modified in the last eight days, which comes last because it knows better.
func (f *fetcher) nvd(ctx context.Context, dir string) (files []string, err error) {
	var names []string
	for year := firstNVDYear; year <= f.opts.Now().UTC().Year(); year++ {
		names = append(names, strconv.Itoa(year))
	}
	for i, name := range append(names, "modified") {
		file, err := f.nvdFeed(ctx, dir, name)
		if errors.Is(err, errNotFound) && i == len(names)-1 {
			continue // the first days of a year
		}
		if err != nil {
			return nil, err
		}
		files = append(files, file)
		f.opts.Progress(NVD, int64(i+1), int64(len(names)+1))
	}
	var list strings.Builder
	for _, file := range files {
		list.WriteString(filepath.Base(file) + "\n")
	}
	return files, replace(filepath.Join(dir, completeFile), []byte(list.String()))
}

// lastNVD gives the feeds of the last run that had all of them; each may be newer. None where there are none.
func lastNVD(dir string) []string {
	text, err := os.ReadFile(filepath.Join(filepath.Clean(dir), completeFile))
	if err != nil {
		return nil
	}
	var files []string
	for line := range strings.Lines(string(text)) {
		file := filepath.Join(dir, filepath.Base(strings.TrimSpace(line)))
		if sizeOf(file) == 0 {
			return nil
		}
		files = append(files, file)
	}
	return files
}

// nvdFeed gets one feed that matches the checksum that NVD publishes of it.
func (f *fetcher) nvdFeed(ctx context.Context, dir, name string) (string, error) {
	base := f.opts.URLs.NVD + "/nvdcve-2.0-" + name
	path := filepath.Join(dir, "nvdcve-2.0-"+name+".json.gz")
	source, err := bare(base + ".json.gz")
	if err != nil {
		return "", err
	}
	var failed error
	for range 2 { // a feed can be replaced between its two files
		text, err := f.text(ctx, base+".meta", maxMeta)
		if err != nil {
			return "", err
		}
		m, err := parseMeta(text)
		if err != nil {
			return "", fmt.Errorf("download %s.meta: %w", withoutUser(base), err)
		}
		if known := load(ctx, path, source); known != nil && known.Published == m.sha256 {
			return path, nil
		}
		w := &wanted{stage: NVD + "/" + name, url: base + ".json.gz", path: path, check: m.check}
		known, changed, err := f.file(ctx, w)
		if err == nil && !changed {
			// Unchanged by the server's word, which must be true by the checksum, too.
			err = m.check(ctx, path)
		}
		if err == nil {
			known.Published = m.sha256
			return path, known.save(path + ".json")
		}
		if failed = err; ctx.Err() != nil || !errors.Is(err, errChecksum) {
			break
		}
		_ = removeIfThere(path + ".json") // so that it is fetched and not asked about
	}
	return "", failed
}

var errChecksum = errors.New("it does not match the checksum that its source publishes")

// check compares an uncompressed feed with its size and checksum.
func (m *meta) check(ctx context.Context, path string) error {
	hash := sha256.New()
	n, err := unzipped(ctx, path, hash)
	if err != nil {
		return err
	}
	if n != m.size || hex.EncodeToString(hash.Sum(nil)) != m.sha256 {
		return errChecksum
	}
	return nil
}

// unzipped writes the contents of a gzip file to w, whose checksum is compared at the end.
func unzipped(ctx context.Context, path string, w io.Writer) (int64, error) {
	file, err := os.Open(filepath.Clean(path))
	if err != nil {
		return 0, err
	}
	defer func() { _ = file.Close() }() // only read from
	r, err := gzip.NewReader(&interruptible{ctx.Err, file})
	if err != nil {
		return 0, err
	}
	n, err := io.Copy(w, io.LimitReader(r, maxPlain+1))
	if err == nil && n > maxPlain {
		err = fmt.Errorf("it has more than %d bytes", int64(maxPlain))
	}
	return n, err
}
