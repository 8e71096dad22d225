package feed_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	logtest "github.com/sirupsen/logrus/hooks/test"

	"github.com/runecast/runecast/pkg/advisory"
	"github.com/runecast/runecast/pkg/feed"
)

// builtAt builds an index at a time.
func builtAt(t *testing.T, path string, at time.Time) {
	t.Helper()
	dir := osvDir(t, map[string][]object{"Go": {record("GO-1", nil, affected("Go", "m", "introduced", "0"))}})
	if _, err := feed.Build(t.Context(), feed.Sources{OSVDir: dir, Now: func() time.Time { return at }}, path, nil); err != nil {
		t.Fatal(err)
	}
}

func TestImportNewer(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		there, comes time.Time
		refused      bool
	}{
		"newer":               {clock().Add(-time.Hour), clock(), false},
		"built at that time":  {clock(), clock(), false},
		"older":               {clock(), clock().Add(-time.Second), true},
		"a clock a bit ahead": {clock().Add(time.Hour), clock(), true},
		"a clock far ahead":   {clock().Add(48 * time.Hour), clock(), false},
	} {
		dir := t.TempDir()
		target, from := filepath.Join(dir, "feed.index"), filepath.Join(dir, "new.index")
		builtAt(t, target, c.there)
		builtAt(t, from, c.comes)
		before, err := os.ReadFile(target)
		if err != nil {
			t.Fatal(err)
		}
		info, err := feed.ImportNewer(t.Context(), from, target, clock())
		if errors.Is(err, feed.ErrOlder) != c.refused || (err == nil) == c.refused || err == nil && !info.Built.Equal(c.comes) {
			t.Errorf("%s: %+v, %v", name, info, err)
		}
		if after, err := os.ReadFile(target); err != nil || c.refused && !bytes.Equal(after, before) {
			t.Errorf("%s: the index in place changed, %v", name, err)
		}
		if _, err := feed.Import(t.Context(), from, target); err != nil {
			t.Errorf("%s: by hand: %v", name, err)
		}
	}
	dir := t.TempDir()
	target, from := filepath.Join(dir, "feed.index"), filepath.Join(dir, "new.index")
	builtAt(t, from, clock())
	for _, there := range []string{"", "damaged"} {
		if err := os.WriteFile(target, []byte(there), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := feed.ImportNewer(t.Context(), from, target, clock()); err != nil {
			t.Errorf("over %q: %v", there, err)
		}
	}
}

// TestUpdaterPauses counts the updates of hours in a bubble of time: each interval, sooner after a failure.
func TestUpdaterPauses(t *testing.T) {
	t.Parallel()
	index := filepath.Join(t.TempDir(), "feed.index")
	synctest.Test(t, func(t *testing.T) {
		log, _ := logtest.NewNullLogger()
		var fails atomic.Bool
		var (
			mu      sync.Mutex
			updates []time.Duration
		)
		since := func() []time.Duration { // the updates since the last call
			mu.Lock()
			defer mu.Unlock()
			all := updates
			updates = nil
			return all
		}
		began := time.Now()
		u := feed.NewUpdater(feed.UpdaterOptions{
			Index: index, Source: "oci://registry.example/feed:1", Log: log, Interval: time.Hour,
			Update: func(context.Context) (advisory.Info, bool, error) {
				mu.Lock()
				defer mu.Unlock()
				updates = append(updates, time.Since(began))
				if fails.Load() {
					return advisory.Info{}, false, errors.New("503")
				}
				return advisory.Info{}, false, nil
			},
		})
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- u.Run(ctx) }()
		time.Sleep(10*time.Hour + time.Minute)
		if at := since(); len(at) < 10 || len(at) > 12 || at[0] != 0 {
			t.Errorf("updates at %v", at)
		}
		fails.Store(true)
		time.Sleep(4 * time.Hour)
		// After 1, 2, 4, 8, 16 and 32 minutes, then each hour; a tenth more or less.
		synctest.Wait()
		at := since()
		if n := len(at); n < 8 || n > 10 || u.Failures() != n || u.State().Failures != n {
			t.Fatalf("failed updates at %v, %d counted, %+v", at, u.Failures(), u.State())
		}
		for i, want := range []time.Duration{time.Minute, 2 * time.Minute, 4 * time.Minute} {
			if pause := at[i+1] - at[i]; pause < want*9/10 || pause > want*11/10 {
				t.Errorf("pause %d is %s, want %s", i, pause, want)
			}
		}
		fails.Store(false)
		time.Sleep(2 * time.Hour)
		if err := u.Err(); err != nil || u.State().Failures != 0 || u.Failures() < 8 {
			t.Errorf("after it: %v, %+v, %d", err, u.State(), u.Failures())
		}
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("ended by %v", err)
		}
	})
}

// TestUpdaterFaults: an update that hangs, panics or fails is counted, logged and told; the end of the server is none.
func TestUpdaterFaults(t *testing.T) {
	t.Parallel()
	index := filepath.Join(t.TempDir(), "feed.index")
	log, hook := logtest.NewNullLogger()
	var update feed.UpdateFunc
	changed := 0
	opts := feed.UpdaterOptions{
		Index: index, Source: "oci://registry.example/feed:1", Log: log, Timeout: 20 * time.Millisecond, Now: clock, Changed: func() { changed++ },
		Update: func(ctx context.Context) (advisory.Info, bool, error) { return update(ctx) },
	}
	u := feed.NewUpdater(opts)
	if u.Err() != nil || u.Failures() != 0 {
		t.Errorf("before the first: %v", u.Err())
	}
	update = func(context.Context) (advisory.Info, bool, error) { return advisory.Info{}, true, nil }
	u.Once(t.Context())
	if u.Err() != nil || changed != 1 || !u.State().LastSuccess.Equal(clock()) {
		t.Errorf("a good one: %v, %d, %+v", u.Err(), changed, u.State())
	}
	for i, c := range []struct {
		update feed.UpdateFunc
		want   string
	}{
		{func(ctx context.Context) (advisory.Info, bool, error) {
			<-ctx.Done()
			return advisory.Info{}, false, context.Cause(ctx)
		}, "the update was not done in 20ms"},
		{func(context.Context) (advisory.Info, bool, error) { panic("no good") }, "the update panicked: no good"},
		{func(context.Context) (advisory.Info, bool, error) {
			return advisory.Info{}, false, errors.New(strings.Repeat("ü", 5000))
		}, strings.Repeat("ü", 999) + "…"},
	} {
		update = c.update
		u.Once(t.Context())
		err := u.Err()
		if err == nil || !strings.HasSuffix(err.Error(), " updates in a row failed, last success 0s ago: "+c.want) || u.Failures() != i+1 || changed != 1 {
			t.Errorf("got %v, %d failures, want %s", err, u.Failures(), c.want)
		}
		if last := hook.LastEntry(); last.Message != "feed update failed; the index in place stays in use" || last.Data["failures"] != i+1 || last.Data["source"] != opts.Source {
			t.Errorf("log %+v", last)
		}
		kept, err := feed.ReadUpdateState(index)
		if err != nil || kept.Failures != i+1 || !strings.HasSuffix(kept.Error, c.want) {
			t.Errorf("kept %+v, %v", kept, err)
		}
	}
	if again := feed.NewUpdater(opts); again.State() != u.State() || again.Failures() != 0 {
		t.Errorf("after a restart %+v", again.State())
	}
	opts.Source = "oci://registry.example/other:1"
	if other := feed.NewUpdater(opts); other.Err() != nil {
		t.Errorf("of another source: %v", other.Err())
	}
	ctx, cancel := context.WithCancel(t.Context())
	update = func(ctx context.Context) (advisory.Info, bool, error) {
		cancel()
		return advisory.Info{}, false, ctx.Err()
	}
	if u.Once(ctx); u.Failures() != 3 {
		t.Errorf("the end of the server was counted: %d", u.Failures())
	}
}
