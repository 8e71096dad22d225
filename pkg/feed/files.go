package feed

import (
	"archive/zip"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/runecast/runecast/pkg/advisory"
)

const (
	maxRecord = 16 << 20 // bytes of one record, uncompressed; the largest public one has about 5 MB
	maxPlain  = 8 << 30  // bytes of one uncompressed file that is not a zip
)

// progressFunc tells how far a stage is; total is 0 where it is not known.
type progressFunc func(stage string, done, total int64)

// describe starts the description of a source by its file's checksum.
func describe(ctx context.Context, name, file string) (advisory.Source, error) {
	s := advisory.Source{Name: name, File: filepath.Base(file)}
	f, err := os.Open(filepath.Clean(file))
	if err != nil {
		return s, fmt.Errorf("%s: %w", name, err)
	}
	defer func() { _ = f.Close() }() // only read from
	hash := sha256.New()
	if _, err := io.Copy(hash, contextReader{ctx: ctx.Err, r: f}); err != nil {
		return s, fmt.Errorf("%s: read %s: %w", name, file, err)
	}
	s.SHA256 = hex.EncodeToString(hash.Sum(nil))
	return s, nil
}

// contextReader ends a long read when its context does.
type contextReader struct {
	ctx func() error
	r   io.Reader
}

func (c contextReader) Read(p []byte) (int, error) {
	if err := c.ctx(); err != nil {
		return 0, err
	}
	return c.r.Read(p)
}

// readPlain gives a file's contents to fn, uncompressed where its name ends in .gz.
func readPlain(ctx context.Context, file string, fn func(r io.Reader) error) error {
	f, err := os.Open(filepath.Clean(file))
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }() // only read from
	var r io.Reader = contextReader{ctx: ctx.Err, r: f}
	if strings.HasSuffix(file, ".gz") {
		zr, err := gzip.NewReader(r)
		if err != nil {
			return fmt.Errorf("read %s: %w", file, err)
		}
		r = zr
	}
	limited := &io.LimitedReader{R: r, N: maxPlain}
	if err := fn(limited); err != nil {
		if limited.N <= 0 {
			err = fmt.Errorf("it has more than %d bytes", int64(maxPlain))
		} else if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			err = errors.New("it is cut off; fetch it again")
		}
		return fmt.Errorf("read %s: %w", file, err)
	}
	return nil
}

// zipRecords gives every JSON file of a zip that want takes to fn, in the zip's own order, and counts all that there are.
func zipRecords(
	ctx context.Context, file string, want func(name string) bool, progress func(done, total int64), fn func(name string, text []byte) error,
) (int, error) {
	z, err := zip.OpenReader(file)
	if err != nil {
		return 0, fmt.Errorf("read %s: %w", file, err)
	}
	defer func() { _ = z.Close() }() // only read from
	records := 0
	for i, entry := range z.File {
		if i%256 == 0 {
			progress(int64(i), int64(len(z.File)))
			if err := ctx.Err(); err != nil {
				return records, fmt.Errorf("read %s: %w", file, err)
			}
		}
		if entry.FileInfo().IsDir() || path.Ext(entry.Name) != ".json" {
			continue
		}
		records++
		if !want(path.Base(entry.Name)) {
			continue
		}
		text, err := zipText(entry)
		if err == nil {
			err = fn(entry.Name, text)
		}
		if err != nil {
			return records, fmt.Errorf("read %s: record %s: %w", file, entry.Name, err)
		}
	}
	progress(int64(len(z.File)), int64(len(z.File)))
	return records, nil
}

// zipText reads one file of a zip, whatever size its header claims.
func zipText(entry *zip.File) ([]byte, error) {
	r, err := entry.Open()
	if err != nil {
		return nil, err
	}
	defer func() { _ = r.Close() }() // the read below checks the checksum
	text, err := io.ReadAll(io.LimitReader(r, maxRecord+1))
	if err != nil {
		return nil, err
	}
	if len(text) > maxRecord {
		return nil, errors.New("it has more than 16 MiB")
	}
	return text, nil
}
