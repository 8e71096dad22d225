package rematch_test

import (
	"iter"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/runecast/runecast/pkg/admission"
	"github.com/runecast/runecast/pkg/advisory"
	"github.com/runecast/runecast/pkg/inventory"
	"github.com/runecast/runecast/pkg/policy"
	"github.com/runecast/runecast/pkg/rematch"
	"github.com/runecast/runecast/pkg/scan"
	"github.com/runecast/runecast/pkg/store"
	"github.com/runecast/runecast/pkg/store/storetest"
)

// The version of openssl that the images of the tests have, and versions that an advisory says it is fixed in.
const (
	installed = "1.1.1d-0+deb10u6"
	harmless  = "1.1.1d-0+deb10u6"
	harmful   = "1.1.1d-0+deb10u7"
)

// onBoth runs a test on both databases, each with a new one.
func onBoth(t *testing.T, test func(t *testing.T, dsn string)) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		test(t, storetest.SQLite().New(t))
	})
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		postgres.Require(t)
		test(t, postgres.NewDatabase(t))
	})
}

// feeds is a scan.Feeds whose index can be changed.
type feeds struct {
	mu sync.Mutex
	ix *advisory.Index
}

func (f *feeds) set(ix *advisory.Index) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.ix = ix
}

func (f *feeds) Current() (*advisory.Index, func(), error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.ix, func() {}, nil
}

func items[T any](list ...T) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for _, item := range list {
			if !yield(item, nil) {
				return
			}
		}
	}
}

// newIndex makes an index with one critical vulnerability of openssl, fixed in a version. Another id makes another revision.
func newIndex(tb testing.TB, id, fixed string) *advisory.Index {
	tb.Helper()
	path := filepath.Join(tb.TempDir(), "feed.index")
	_, err := advisory.Write(tb.Context(), path, &advisory.Contents{
		Info: advisory.Info{Date: time.Now(), Built: time.Now(), Ecosystems: []advisory.Coverage{{Ecosystem: "Debian:10"}}},
		Entries: items(advisory.Entry{Ecosystem: "Debian:10", Name: "openssl", Rows: []advisory.Row{{
			Vulnerability: &advisory.Vulnerability{ID: id, Advisory: id, Severity: advisory.SeverityCritical, SeveritySource: "test"},
			Ranges:        []advisory.Range{{{Kind: advisory.EventIntroduced, Version: "0"}, {Kind: advisory.EventFixed, Version: fixed}}},
		}}}),
		Advisories: items[advisory.Advisory](),
	})
	if err != nil {
		tb.Fatal(err)
	}
	return openIndex(tb, path)
}

func openIndex(tb testing.TB, path string) *advisory.Index {
	tb.Helper()
	ix, err := advisory.Open(path)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = ix.Close() })
	return ix
}

// lab is a server's part in re-matching: a store, a feed, policies and the loop.
type lab struct {
	t     *testing.T
	store *store.Store
	feeds *feeds
	loop  *rematch.Loop
	mu    sync.Mutex
	told  []rematch.Flip
}

func newLab(t *testing.T, dsn string, change ...func(*rematch.Options)) *lab {
	t.Helper()
	l := &lab{t: t, store: storetest.Open(t, dsn), feeds: &feeds{}}
	opts := rematch.Options{
		Store: l.store, Feeds: l.feeds, Policies: builtIn(t), Log: storetest.Log(),
		Flipped: func(f *rematch.Flip) {
			l.mu.Lock()
			defer l.mu.Unlock()
			l.told = append(l.told, *f)
		},
	}
	for _, f := range change {
		f(&opts)
	}
	l.loop = rematch.New(opts)
	return l
}

func builtIn(tb testing.TB) *policy.Set {
	tb.Helper()
	set, err := policy.NewSet(policy.BuiltInOptions{})
	if err != nil {
		tb.Fatal(err)
	}
	return set
}

func contents() *scan.Contents {
	return &scan.Contents{
		Format: scan.ContentsFormat, Platform: "linux/amd64", Layers: 1, ReadAt: time.Now().UTC(),
		Inventory: inventory.Inventory{
			OS: inventory.OS{ID: "debian", VersionID: "10"}, Databases: []string{"var/lib/dpkg/status"},
			Packages: []inventory.Package{{
				Type: inventory.TypeDeb, Ecosystem: "Debian:10", Name: "libssl1.1", Version: installed, Source: "openssl", Path: "var/lib/dpkg/status",
			}},
		},
	}
}

// scanned stores an image as a scan does.
func (l *lab) scanned(images ...int) {
	l.t.Helper()
	for _, n := range images {
		must(l.t, l.store.PutInventory(l.t.Context(), storetest.Digest(n), contents()))
	}
}

// decided stores a decision about an image by the feed of the moment, as a review does.
func (l *lab) decided(image int, policyID string, verdict policy.Verdict) {
	l.t.Helper()
	l.decidedBy(l.revision(), image, policyID, verdict)
}

func (l *lab) decidedBy(revision string, image int, policyID string, verdict policy.Verdict) {
	l.t.Helper()
	must(l.t, l.store.CreateDecision(l.t.Context(), admission.Decision{
		ID: uuid.NewString(), At: time.Now().UTC(), PolicyID: policyID, Verdict: verdict,
		Images: []admission.DecisionImage{{Reference: "shop/app:1", Digest: storetest.Digest(image), FeedRevision: revision, Verdict: verdict}},
	}))
}

func (l *lab) revision() string {
	ix, _, _ := l.feeds.Current()
	return ix.Info().Revision
}

func (l *lab) once() {
	l.t.Helper()
	must(l.t, l.loop.Once(l.t.Context()))
}

// flips gives the stored ones, newest first.
func (l *lab) flips() []rematch.Flip {
	l.t.Helper()
	list, err := l.store.Flips(l.t.Context(), "", 1000)
	must(l.t, err)
	return list
}

// wantFlips compares the stored flips, newest first, written "2: allow → deny".
func (l *lab) wantFlips(what string, want ...string) {
	l.t.Helper()
	list := l.flips()
	got := make([]string, len(list))
	for i := range list {
		got[i] = list[i].PolicyID + ": " + string(list[i].From) + " → " + string(list[i].To)
	}
	if len(got) != len(want) {
		l.t.Fatalf("%s: flips %q, want %q", what, got, want)
	}
	for i := range got {
		if got[i] != want[i] {
			l.t.Errorf("%s: flips %q, want %q", what, got, want)
		}
	}
}

func must(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}
