package download

import (
	"bytes"
	"context"
	"time"
)

// ParseListingForTest reads a modified_id.csv, and what write makes of it again.
func ParseListingForTest(text []byte) (list, again map[string]time.Time, err error) {
	l, err := parseListing(text)
	if err != nil {
		return nil, nil, err
	}
	var b bytes.Buffer
	if err = l.write(&b); err == nil {
		again, err = parseListing(b.Bytes())
	}
	return l, again, err
}

// CheckIDForTest is checkID.
func CheckIDForTest(id string) error { return checkID(id) }

// ParseMetaForTest reads a .meta of NVD.
func ParseMetaForTest(text []byte) (size int64, sha256 string, err error) {
	m, err := parseMeta(text)
	return m.size, m.sha256, err
}

// InspectZipForTest reads an export.
func InspectZipForTest(ctx context.Context, file string) (map[string]time.Time, error) {
	return inspectZip(ctx, file)
}
