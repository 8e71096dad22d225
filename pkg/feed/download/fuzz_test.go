package download_test

import (
	"archive/zip"
	"bytes"
	"encoding/hex"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/runecast/runecast/pkg/feed/download"
)

// isName tells whether an id is the name of one file below a directory, on disk and in a URL.
func isName(id string) bool {
	return filepath.IsLocal(id) && filepath.Base(id) == id && url.PathEscape(id) == id
}

// FuzzListing reads hostile lists of records: an error, or ids that are names of files, and the same list when written again.
func FuzzListing(f *testing.F) {
	f.Add([]byte("2026-08-15T00:05:00Z,GHSA-3wqf-4x89-9g79\n2026-08-15T00:05:00.123456789Z,GO-2021-0001\r\n\n"))
	f.Add([]byte("2026-08-15T00:05:00+02:00,openSUSE-SU-2024:1234-1\n2026-08-14T00:05:00Z,openSUSE-SU-2024:1234-1"))
	f.Add([]byte("2026-08-15T00:05:00Z,../../etc/passwd\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		list, again, err := download.ParseListingForTest(text)
		if err != nil {
			if list != nil {
				t.Errorf("written, it cannot be read: %v", err)
			}
			return
		}
		if len(list) == 0 || !maps.Equal(list, again) {
			t.Errorf("%v, written and read again %v", list, again)
		}
		for id := range list {
			if !isName(id) {
				t.Errorf("%q is no name", id)
			}
		}
	})
}

func FuzzID(f *testing.F) {
	for _, id := range []string{"GO-2021-0001", "ALSA-2021:1234", "..", "a/../b", "a%2fb", "-rf", "a\x00", "A_1.2+3:4", ".hidden", "C:"} {
		f.Add(id)
	}
	f.Fuzz(func(t *testing.T, id string) {
		if err := download.CheckIDForTest(id); err == nil && (!isName(id) || len(id) > 128) {
			t.Errorf("%q is no name", id)
		}
	})
}

func FuzzMeta(f *testing.F) {
	f.Add([]byte("lastModifiedDate:2026-11-26T03:00:00-05:00\r\nsize:98765432\r\nzipSize:1\r\ngzSize:1\r\nsha256:" + strings.Repeat("0C", 32) + "\r\n"))
	f.Add([]byte("size:-1\nsha256:00\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		size, sum, err := download.ParseMetaForTest(text)
		if err != nil {
			return
		}
		raw, err := hex.DecodeString(sum)
		if size < 0 || err != nil || len(raw) != 32 || sum != strings.ToLower(sum) {
			t.Errorf("size %d, checksum %q", size, sum)
		}
	})
}

// FuzzExport reads hostile zips: an error, or records whose ids are names of files.
func FuzzExport(f *testing.F) {
	for _, records := range []map[string]string{
		{"GO-1": osvRecord("GO-1", "2026-01-01T00:00:00Z", "1.0.0"), "GO-2": osvRecord("GO-2", "2026-01-01T00:00:00Z", "1.0.0")},
		{"../GO-1": osvRecord("../GO-1", "2026-01-01T00:00:00Z", "1.0.0")},
		{"a/GO-1": osvRecord("GO-1", "2026-01-01T00:00:00Z", "1.0.0")},
	} {
		var b bytes.Buffer
		z := zip.NewWriter(&b)
		for name, body := range records {
			w, err := z.CreateHeader(&zip.FileHeader{Name: name + ".json", Method: zip.Store}) // so that bytes of records can change
			if err == nil {
				_, err = w.Write([]byte(body))
			}
			if err != nil {
				f.Fatal(err)
			}
		}
		if err := z.Close(); err != nil {
			f.Fatal(err)
		}
		f.Add(b.Bytes())
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		file := filepath.Join(t.TempDir(), "all.zip")
		if err := os.WriteFile(file, text, 0o600); err != nil {
			t.Fatal(err)
		}
		list, err := download.InspectZipForTest(t.Context(), file)
		if err != nil {
			return
		}
		for id := range list {
			if !isName(id) {
				t.Errorf("%q is no name", id)
			}
		}
	})
}
