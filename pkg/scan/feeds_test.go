package scan_test

import (
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/runecast/runecast/pkg/advisory"
	"github.com/runecast/runecast/pkg/image/imagetest"
)

// TestReportOfAFeedThatLacksRatings: policies about severity must know that nothing is rated.
func TestReportOfAFeedThatLacksRatings(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		sources []string
		ratings []advisory.Severity
		want    []string
	}{
		{"no source and no rating", nil, []advisory.Severity{advisory.SeverityUnknown}, []string{"epss", "kev", "ratings"}},
		{"hardly any", []string{"kev", "epss"}, []advisory.Severity{advisory.SeverityHigh, 0, 0}, []string{"ratings"}},
		{"half of them", []string{"kev", "epss"}, []advisory.Severity{advisory.SeverityHigh, 0}, nil},
		{"NVD", []string{"kev", "epss", "nvd"}, []advisory.Severity{0, 0}, nil},
		{"CVE records", []string{"kev", "epss", "cve"}, []advisory.Severity{0, 0}, nil},
	} {
		contents := &advisory.Contents{
			Entries: func(func(advisory.Entry, error) bool) {},
			Advisories: func(yield func(advisory.Advisory, error) bool) {
				for i, severity := range c.ratings {
					if !yield(advisory.Advisory{ID: string(rune('A' + i)), Severity: severity}, nil) {
						return
					}
				}
			},
		}
		for _, name := range c.sources {
			contents.Info.Sources = append(contents.Info.Sources, advisory.Source{Name: name})
		}
		b := newBench(t)
		b.feed.set(indexOf(t, contents))
		r := b.report(t, b.reg.MustPush(t.Context(), "nginx:1.19", imagetest.Nginx119()))
		if !slices.Equal(r.Feed.Lacks, c.want) {
			t.Errorf("%s: lacks %q, want %q", c.name, r.Feed.Lacks, c.want)
		}
	}
}

// TestReportIsAsOldAsTheDataThatJudgedIt: a fresh export of another ecosystem makes Debian's no fresher.
func TestReportIsAsOldAsTheDataThatJudgedIt(t *testing.T) {
	t.Parallel()
	fresh, stale := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC), time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		dates map[string]time.Time
		want  time.Time
	}{
		{map[string]time.Time{"Debian": stale, "npm": fresh}, stale},
		{map[string]time.Time{"Debian": fresh, "npm": stale}, fresh},
		{nil, fresh},
	} {
		b := newBench(t)
		b.feed.set(indexOf(t, &advisory.Contents{
			Info:       advisory.Info{Date: fresh, Ecosystems: []advisory.Coverage{{Ecosystem: "Debian:10"}, {Ecosystem: "npm"}}},
			Dates:      c.dates,
			Entries:    func(func(advisory.Entry, error) bool) {},
			Advisories: func(func(advisory.Advisory, error) bool) {},
		}))
		r := b.report(t, b.reg.MustPush(t.Context(), "nginx:1.19", imagetest.Nginx119()))
		if !r.Feed.Date.Equal(c.want) || r.Packages == 0 {
			t.Errorf("%v: the report's feed is of %v, want %v", c.dates, r.Feed.Date, c.want)
		}
	}
}

func indexOf(t *testing.T, contents *advisory.Contents) *advisory.Index {
	t.Helper()
	path := filepath.Join(t.TempDir(), "feed.index")
	if _, err := advisory.Write(t.Context(), path, contents); err != nil {
		t.Fatal(err)
	}
	ix, err := advisory.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ix.Close() })
	return ix
}
