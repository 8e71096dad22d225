package feed_test

import (
	"maps"
	"path/filepath"
	"testing"

	"github.com/runecast/runecast/pkg/feed"
	"github.com/runecast/runecast/pkg/inventory"
)

// TestChangesAndExport: of a record in both the one modified later counts, wherever it is.
func TestChangesAndExport(t *testing.T) {
	t.Parallel()
	const before, since, after = "2026-08-01T00:00:00Z", "2026-08-02T00:00:00Z", "2026-08-03T00:00:00Z"
	at := func(id, modified, fixed string, more object) object {
		r := record(id, object{"modified": modified}, affected("Go", id, "introduced", "0", "fixed", fixed))
		maps.Copy(r, more)
		return r
	}
	withdrawn := object{"withdrawn": since}
	dir := osvDir(t, map[string][]object{"Go": {
		at("GO-1", before, "1.1.0", nil), at("GO-2", after, "1.3.0", nil), at("GO-3", since, "1.1.0", nil), at("GO-4", before, "1.1.0", nil),
		at("GO-5", after, "1.1.0", withdrawn), at("GO-6", before, "1.1.0", nil),
	}})
	zipFile(t, filepath.Join(dir, "Go", "changes.zip"),
		at("GO-1", since, "1.2.0", nil), at("GO-2", since, "1.2.0", nil), at("GO-3", since, "1.2.0", nil), at("GO-4", since, "1.2.0", withdrawn),
		at("GO-5", since, "1.2.0", nil), at("GO-7", before, "1.2.0", nil))
	x, info := build(t, feed.Sources{OSVDir: dir})
	for id, want := range map[string]string{
		"GO-1": "1.2.0", // changed since the export
		"GO-2": "1.3.0", // the export was replaced by a newer one since
		"GO-3": "1.2.0", // as old
		"GO-4": "",      // withdrawn since
		"GO-5": "",      // withdrawn in the newer export
		"GO-6": "1.1.0", // not changed
		"GO-7": "1.2.0", // not in the export
	} {
		got := ""
		if m := match(t, x, inventory.Package{Ecosystem: "Go", Name: id, Version: "1.0.0"}); len(m.Findings) == 1 {
			got = m.Findings[0].FixedVersion
		} else if want != "" || len(m.Findings) > 1 {
			t.Errorf("%s: %+v", id, m)
		}
		if got != want {
			t.Errorf("%s is fixed in %q, want %q", id, got, want)
		}
	}
	if len(info.Sources) != 2 || info.Sources[0].Name != "osv/Go" || info.Sources[0].Records != 6 || info.Sources[0].Used != 2 ||
		info.Sources[1].Name != "osv/Go" || info.Sources[1].File != "changes.zip" || info.Sources[1].Records != 6 || info.Sources[1].Used != 3 {
		t.Errorf("sources %+v", info.Sources)
	}
	zipFile(t, filepath.Join(dir, "Go", "changes.zip"), object{"id": ""})
	if _, err := feed.Build(t.Context(), feed.Sources{OSVDir: dir}, filepath.Join(t.TempDir(), "feed.index"), nil); err == nil {
		t.Error("a damaged record in changes.zip was taken")
	}
}
