package rematch_test

import (
	"context"
	"errors"
	"testing"
	"time"

	logtest "github.com/sirupsen/logrus/hooks/test"

	"github.com/runecast/runecast/pkg/advisory"
	"github.com/runecast/runecast/pkg/policy"
	"github.com/runecast/runecast/pkg/rematch"
	"github.com/runecast/runecast/pkg/scan"
	"github.com/runecast/runecast/pkg/store/storetest"
)

func TestFlipsBothWays(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, dsn string) {
		l := newLab(t, dsn)
		l.feeds.set(newIndex(t, "CVE-1", harmless))
		l.scanned(1, 2)
		l.decided(1, "2", policy.VerdictAllow)
		l.decided(1, "5", policy.VerdictAllow) // audit only: its verdict changes too
		l.decided(1, "gone", policy.VerdictAllow)
		l.once()
		l.wantFlips("by the same feed")
		first := l.revision()
		l.feeds.set(newIndex(t, "CVE-1", harmful))
		l.once()
		l.once()
		if got := len(l.flips()); got != 2 {
			t.Fatalf("%d flips after the harmful feed: %+v", got, l.flips())
		}
		for _, f := range l.flips() {
			if f.From != policy.VerdictAllow || f.To != policy.VerdictDeny || f.FromRevision != first || f.ToRevision != l.revision() ||
				f.Digest != storetest.Digest(1) || f.Reference != "shop/app:1" || f.Since.IsZero() || f.At.Before(f.Since) ||
				len(f.Causes) != 1 || f.Causes[0] != (rematch.Cause{ID: "CVE-1", Package: "libssl1.1", Version: installed, Fixed: harmful}) {
				t.Errorf("flip %+v", f)
			}
		}
		l.feeds.set(newIndex(t, "CVE-2", harmless))
		l.once()
		back := l.flips()
		if len(back) != 4 || back[0].To != policy.VerdictAllow || back[0].Causes != nil {
			t.Errorf("flips back: %+v", back)
		}
		if len(l.told) != 4 {
			t.Errorf("%d flips were told", len(l.told))
		}
	})
}

// TestPolicyChanged judges by the policies of the moment: a verdict that only a changed policy explains is a flip too.
func TestPolicyChanged(t *testing.T) {
	t.Parallel()
	set := builtIn(t)
	own, err := policy.New(&policy.Policy{ID: "own", Name: "own", Rules: []policy.Rule{{Severity: advisory.SeverityHigh}}})
	must(t, err)
	set, err = set.With(own)
	must(t, err)
	l := newLab(t, storetest.SQLite().New(t), func(o *rematch.Options) { o.Policies = set })
	l.feeds.set(newIndex(t, "CVE-1", harmful))
	l.scanned(1)
	l.decided(1, "own", policy.VerdictAllow) // by the rules of then
	l.feeds.set(newIndex(t, "CVE-2", harmful))
	l.once()
	l.wantFlips("after the policy became stricter", "own: allow → deny")
}

// TestUnreadInventories counts what an earlier version stored or what is damaged, and judges the rest.
func TestUnreadInventories(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, dsn string) {
		log, hook := logtest.NewNullLogger()
		l := newLab(t, dsn, func(o *rematch.Options) {
			o.Log = log
			o.Store = faulty{Store: o.Store, change: func(page []rematch.Stored) {
				for i := range page {
					if page[i].Digest == storetest.Digest(2) {
						page[i].Load = func() (*scan.Contents, error) { return nil, errors.New("damaged") }
					}
				}
			}}
		})
		l.feeds.set(newIndex(t, "CVE-1", harmless))
		l.scanned(1, 2, 3)
		old := contents()
		old.Format--
		must(t, l.store.PutInventory(t.Context(), storetest.Digest(3), old))
		for n := range 3 {
			l.decided(n+1, "2", policy.VerdictAllow)
		}
		l.feeds.set(newIndex(t, "CVE-1", harmful))
		l.once()
		l.wantFlips("with two that cannot be read", "2: allow → deny")
		last := hook.LastEntry()
		if last.Data["needReading"] != 2 || last.Data["inventories"] != 1 || last.Data["flips"] != 1 {
			t.Errorf("the run's line has %v", last.Data)
		}
	})
}

// TestCutOff breaks a run after its first page of flips; the next look does the rest and records no flip twice.
func TestCutOff(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, dsn string) {
		const images = 150 // three pages
		puts := 0
		l := newLab(t, dsn, func(o *rematch.Options) {
			o.Store = faulty{Store: o.Store, put: func() error {
				if puts++; puts == 2 {
					return errors.New("disk full")
				}
				return nil
			}}
		})
		l.feeds.set(newIndex(t, "CVE-1", harmless))
		for n := range images {
			l.scanned(n)
			l.decided(n, "2", policy.VerdictAllow)
		}
		l.feeds.set(newIndex(t, "CVE-1", harmful))
		if err := l.loop.Once(t.Context()); err == nil || err.Error() != "disk full" {
			t.Fatalf("the broken run gives %v", err)
		}
		if n := len(l.flips()); n == 0 || n == images {
			t.Errorf("%d flips are stored of a run that broke in the middle", n)
		}
		if p, err := l.store.Rematched(t.Context()); err != nil || p.Revision != "" {
			t.Errorf("the broken run counts as done: %+v, %v", p, err)
		}
		l.once()
		l.once()
		if n := len(l.flips()); n != images || len(l.told) != images {
			t.Errorf("%d flips are stored and %d told, want %d", n, len(l.told), images)
		}
	})
}

// TestFeedReplacedDuringARun ends the run by the feed that it began with and then begins another.
func TestFeedReplacedDuringARun(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, dsn string) {
		var l *lab
		newest := newIndex(t, "CVE-2", harmless)
		l = newLab(t, dsn, func(o *rematch.Options) {
			o.Store = faulty{Store: o.Store, change: func([]rematch.Stored) { l.feeds.set(newest) }}
		})
		l.feeds.set(newIndex(t, "CVE-1", harmless))
		l.scanned(1, 2)
		l.decided(1, "2", policy.VerdictAllow)
		l.decided(2, "2", policy.VerdictAllow)
		second := newIndex(t, "CVE-1", harmful)
		l.feeds.set(second)
		l.once()
		l.wantFlips("of the feed that the run began with", "2: allow → deny", "2: allow → deny")
		if p, err := l.store.Rematched(t.Context()); err != nil || p.Revision != second.Info().Revision {
			t.Errorf("done is %+v, %v", p, err)
		}
		l.once()
		l.wantFlips("of both feeds", "2: deny → allow", "2: deny → allow", "2: allow → deny", "2: allow → deny")
	})
}

// TestRun looks at once and ends with its context.
func TestRun(t *testing.T) {
	t.Parallel()
	l := newLab(t, storetest.SQLite().New(t), func(o *rematch.Options) { o.Interval = time.Millisecond })
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	l.feeds.set(newIndex(t, "CVE-1", harmless))
	l.scanned(1)
	l.decided(1, "2", policy.VerdictAllow)
	ended := make(chan error, 1)
	go func() { ended <- l.loop.Run(ctx) }()
	l.feeds.set(newIndex(t, "CVE-1", harmful))
	for len(l.flips()) == 0 && ctx.Err() == nil {
		time.Sleep(2 * time.Millisecond)
	}
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("run ends with %v", err)
	}
	l.wantFlips("of the loop", "2: allow → deny")
}

// TestWithoutAFeed does nothing.
func TestWithoutAFeed(t *testing.T) {
	t.Parallel()
	l := newLab(t, storetest.SQLite().New(t), func(o *rematch.Options) { o.Store = nil })
	l.once()
}

// faulty is a store with faults.
type faulty struct {
	rematch.Store
	change func(page []rematch.Stored) // of each page
	put    func() error                // before flips are stored
}

func (f faulty) Inventories(ctx context.Context, q rematch.Query) ([]rematch.Stored, error) {
	page, err := f.Store.Inventories(ctx, q)
	if f.change != nil {
		f.change(page)
	}
	return page, err
}

func (f faulty) PutFlips(ctx context.Context, page []rematch.Stored, flips []rematch.Flip) ([]rematch.Flip, error) {
	if f.put != nil && len(flips) > 0 {
		if err := f.put(); err != nil {
			return nil, err
		}
	}
	return f.Store.PutFlips(ctx, page, flips)
}
