package rematch_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/runecast/runecast/pkg/policy"
	"github.com/runecast/runecast/pkg/rematch"
	"github.com/runecast/runecast/pkg/store/storetest"
)

// TestBehindTheRun scans and judges images by the old feed while a run is past them: the inventory and the decision come in either
// order, during the run and after it.
func TestBehindTheRun(t *testing.T) {
	t.Parallel()
	for name, store := range map[string]func(l *lab, old string){
		"decision then inventory": func(l *lab, old string) { l.decidedBy(old, 1, "2", policy.VerdictAllow); l.scanned(1) },
		"inventory then decision": func(l *lab, old string) { l.scanned(1); l.decidedBy(old, 1, "2", policy.VerdictAllow) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			onBoth(t, func(t *testing.T, dsn string) {
				var l *lab
				var behind sync.Once
				var old string
				l = newLab(t, dsn, func(o *rematch.Options) {
					o.Store = faulty{Store: o.Store, change: func(page []rematch.Stored) {
						if len(page) > 0 { // the run is past image 1 by now
							behind.Do(func() { store(l, old) })
						}
					}}
				})
				l.feeds.set(newIndex(t, "CVE-1", harmless))
				old = l.revision()
				l.scanned(9)
				l.feeds.set(newIndex(t, "CVE-1", harmful))
				l.once()
				l.wantFlips("of the image behind the run", "2: allow → deny")
				l.scanned(0)
				l.decidedBy(old, 0, "2", policy.VerdictAllow) // by a scan that began before the feed came
				l.once()
				l.wantFlips("of an image after the run", "2: allow → deny", "2: allow → deny")
				l.decided(0, "2", policy.VerdictDeny)
				l.decidedBy(old, 0, "2", policy.VerdictAllow) // by a server that lags behind
				l.once()
				l.wantFlips("once", "2: allow → deny", "2: allow → deny")
			})
		})
	}
}

// TestInventoryAfterTheDecision has the decision by the old feed before the run begins and the inventory behind it.
func TestInventoryAfterTheDecision(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, dsn string) {
		l := newLab(t, dsn)
		l.feeds.set(newIndex(t, "CVE-1", harmless))
		l.once()
		l.decided(1, "2", policy.VerdictAllow)
		l.feeds.set(newIndex(t, "CVE-1", harmful))
		l.once()
		l.wantFlips("without the inventory")
		l.scanned(1)
		l.once()
		l.wantFlips("with it", "2: allow → deny")
	})
}

// TestTwoReplicas lets two servers look at the same time, again and again, while the feed changes.
func TestTwoReplicas(t *testing.T) {
	t.Parallel()
	postgres.Require(t)
	dsn := postgres.NewDatabase(t)
	const images = 100
	one, other := newLab(t, dsn), newLab(t, dsn)
	old, current := newIndex(t, "CVE-1", harmless), newIndex(t, "CVE-1", harmful)
	one.feeds.set(old)
	for n := range images {
		one.scanned(n)
		one.decided(n, "2", policy.VerdictAllow)
	}
	one.feeds.set(current)
	other.feeds.set(current)
	var both sync.WaitGroup
	for _, l := range []*lab{one, other} {
		both.Go(func() {
			for range 3 {
				if err := l.loop.Once(t.Context()); err != nil {
					t.Error(err)
				}
			}
		})
	}
	both.Wait()
	if stored, told := len(one.flips()), len(one.told)+len(other.told); stored != images || told != images {
		t.Errorf("%d flips are stored and %d told, want %d", stored, told, images)
	}
}

// TestReplicaThatLagsBehind has the old feed for a while longer: it must not turn all verdicts back, unless it stays so.
func TestReplicaThatLagsBehind(t *testing.T) {
	t.Parallel()
	postgres.Require(t)
	dsn := postgres.NewDatabase(t)
	now := time.Now()
	one := newLab(t, dsn)
	lagging := newLab(t, dsn, func(o *rematch.Options) { o.Now = func() time.Time { return now } })
	old := newIndex(t, "CVE-1", harmless)
	one.feeds.set(old)
	lagging.feeds.set(old)
	one.scanned(1)
	one.decided(1, "2", policy.VerdictAllow)
	one.once()
	one.feeds.set(newIndex(t, "CVE-1", harmful))
	one.once()
	lagging.once()
	lagging.once()
	lagging.decided(1, "2", policy.VerdictAllow) // its reviews judge by what it has
	one.once()
	one.wantFlips("while a replica lags behind", "2: allow → deny")
	now = now.Add(time.Hour)
	lagging.once()
	one.wantFlips("after an hour the old feed is what the operator wants", "2: deny → allow", "2: allow → deny")
}

// TestPause goes on although reviews are always under way, and waits for each inventory while they are.
func TestPause(t *testing.T) {
	t.Parallel()
	var asked int
	var mu sync.Mutex
	l := newLab(t, storetest.SQLite().New(t), func(o *rematch.Options) {
		o.Busy = func() bool {
			mu.Lock()
			defer mu.Unlock()
			asked++
			return true
		}
	})
	l.feeds.set(newIndex(t, "CVE-1", harmless))
	const images = 5
	for n := range images {
		l.scanned(n)
		l.decided(n, "2", policy.VerdictAllow)
	}
	l.feeds.set(newIndex(t, "CVE-1", harmful))
	begin := time.Now()
	l.once()
	if took := time.Since(begin); took < images*10*time.Millisecond || asked < 2*images {
		t.Errorf("a run under load took %s and asked %d times", took, asked)
	}
	if n := len(l.flips()); n != images {
		t.Errorf("%d flips", n)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	l.feeds.set(newIndex(t, "CVE-2", harmful))
	if err := l.loop.Once(ctx); err == nil {
		t.Error("a run goes on after its context")
	}
}
