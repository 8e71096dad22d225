package download

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// fingerprint is what is kept beside a file, as <file>.json, and beside one that is not complete yet, as <file>.part.json.
type fingerprint struct {
	URL          string    `json:"url"` // without user and password
	ETag         string    `json:"etag,omitempty"`
	LastModified string    `json:"lastModified,omitempty"`
	Date         string    `json:"date,omitempty"` // the server's, when it said so
	SHA256       string    `json:"sha256,omitempty"`
	Published    string    `json:"published,omitempty"` // checksum that the source publishes of the contents, where it does
	Size         int64     `json:"size"`
	At           time.Time `json:"at"` // when the file was last known to be the source's
}

// validators takes them from an answer.
func (f *fingerprint) validators(h http.Header) {
	f.ETag, f.LastModified, f.Date = h.Get("ETag"), h.Get("Last-Modified"), h.Get("Date")
}

// strong gives a validator that two parts of one file must share (RFC 9110, section 8.8): a strong ETag, else a date of change that is a
// second or more before the answer. Empty: parts cannot be joined.
func (f *fingerprint) strong() string {
	if f.ETag != "" && !strings.HasPrefix(f.ETag, "W/") {
		return f.ETag
	}
	changed, err := http.ParseTime(f.LastModified)
	answered, dateErr := http.ParseTime(f.Date)
	if err != nil || dateErr != nil || answered.Sub(changed) < time.Second {
		return ""
	}
	return f.LastModified
}

// load reads the fingerprint of a file; nil where there is none of this URL or the file is another one than it tells of.
func load(ctx context.Context, path, source string) *fingerprint {
	f := read(path+".json", source)
	if f == nil {
		return nil
	}
	if sum, size, err := digest(ctx, path); err != nil || sum != f.SHA256 || size != f.Size {
		return nil
	}
	return f
}

func read(path, source string) *fingerprint {
	text, err := os.ReadFile(filepath.Clean(path))
	if err != nil {
		return nil
	}
	var f fingerprint
	if json.Unmarshal(text, &f) != nil || f.URL != source {
		return nil
	}
	return &f
}

// save writes a fingerprint.
func (f *fingerprint) save(path string) error {
	text, err := json.MarshalIndent(f, "", "  ")
	if err != nil {
		return err
	}
	return replace(path, append(text, '\n'))
}

// replace writes a small file atomically.
func replace(path string, content []byte) error {
	return replaceBy(path, func(w io.Writer) error {
		_, err := w.Write(content)
		return err
	})
}

// replaceBy writes a file beside path and puts it in place when it is whole and on disk.
func replaceBy(path string, write func(io.Writer) error) error {
	out, err := os.CreateTemp(filepath.Dir(path), ".new-*")
	if err != nil {
		return err
	}
	err = write(out)
	if err = errors.Join(err, out.Sync(), out.Close()); err == nil {
		err = os.Rename(out.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(out.Name()))
	}
	return nil
}

// digest gives a file's SHA-256 and size.
func digest(ctx context.Context, path string) (sum string, size int64, err error) {
	f, err := os.Open(filepath.Clean(path))
	if err != nil {
		return "", 0, err
	}
	defer func() { _ = f.Close() }() // only read from
	hash := sha256.New()
	if size, err = io.Copy(hash, &interruptible{ctx.Err, f}); err != nil {
		return "", 0, fmt.Errorf("read %s: %w", path, err)
	}
	return hex.EncodeToString(hash.Sum(nil)), size, nil
}

// interruptible ends a long read with its context.
type interruptible struct {
	ended func() error
	r     io.Reader
}

func (i *interruptible) Read(p []byte) (int, error) {
	if err := i.ended(); err != nil {
		return 0, err
	}
	return i.r.Read(p)
}
