package feed_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	logtest "github.com/sirupsen/logrus/hooks/test"

	"github.com/runecast/runecast/pkg/advisory"
	"github.com/runecast/runecast/pkg/feed"
	"github.com/runecast/runecast/pkg/inventory"
)

// numbered builds an index in which package m of Go has the vulnerability GO-<n>.
func numbered(tb testing.TB, n int, path string) advisory.Info {
	tb.Helper()
	r := record(fmt.Sprintf("GO-%d", n), nil, affected("Go", "m", "introduced", "0"))
	info, err := feed.Build(tb.Context(), feed.Sources{OSVDir: osvDir(tb, map[string][]object{"Go": {r}}), Now: clock}, path, nil)
	if err != nil {
		tb.Fatal(err)
	}
	return info
}

func oldPackage() inventory.Inventory {
	return inventory.Inventory{Packages: []inventory.Package{{Ecosystem: "Go", Name: "m", Version: "1.0.0"}}}
}

func TestImport(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	target := filepath.Join(dir, "feed.index")
	numbered(t, 1, target)
	old, err := os.ReadFile(target)
	if err != nil {
		t.Fatal(err)
	}
	from := filepath.Join(t.TempDir(), "new.index")
	want := numbered(t, 2, from)
	good, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	flipped := bytes.Clone(good)
	flipped[len(flipped)/2] ^= 1
	for name, c := range map[string]struct {
		file []byte
		want string
	}{
		"cut in half":  {good[:len(good)/2], fmt.Sprintf("import feed index: feed index FILE is damaged: it has %d bytes and says that it has %d; build or import it again", len(good)/2, len(good))},
		"flipped byte": {flipped, "import feed index: feed index FILE is damaged: its checksum does not match its contents; build or import it again"},
		"no index":     {[]byte("hello"), "import feed index: FILE is no feed index: it does not start like one; give the file that 'runecast feed build' wrote"},
	} {
		bad := filepath.Join(t.TempDir(), "bad.index")
		if err = os.WriteFile(bad, c.file, 0o600); err != nil {
			t.Fatal(err)
		}
		_, err = feed.Import(t.Context(), bad, target)
		var fault *advisory.IndexError
		if text := strings.ReplaceAll(c.want, "FILE", bad); !errors.As(err, &fault) || err.Error() != text {
			t.Errorf("%s:\ngot  %v\nwant %s", name, err, text)
		}
		if now, readErr := os.ReadFile(target); readErr != nil || !bytes.Equal(now, old) {
			t.Errorf("%s: the old index changed, %v", name, readErr)
		}
	}
	info, err := feed.Import(t.Context(), from, target)
	if err != nil || info.Revision != want.Revision {
		t.Fatalf("%+v, %v", info, err)
	}
	status, err := feed.Status(target)
	if err != nil || status.Revision != want.Revision || status.Bytes != int64(len(good)) {
		t.Errorf("%+v, %v", status, err)
	}
	if files, err := os.ReadDir(dir); err != nil || len(files) != 1 {
		t.Errorf("the directory has %v, %v", files, err)
	}
	if _, err := feed.Status(filepath.Join(dir, "gone")); err == nil || !strings.Contains(err.Error(), "does not exist; build one with 'runecast feed build'") {
		t.Errorf("status of nothing: %v", err)
	}
}

// until polls a condition for at most ten seconds.
func until(t *testing.T, what string, condition func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !condition() {
		select {
		case <-ctx.Done():
			t.Fatalf("not in ten seconds: %s", what)
		case <-tick.C:
		}
	}
}

// current gives the id that the holder's index finds, or the error.
func current(t *testing.T, h *feed.Holder) string {
	t.Helper()
	x, release, err := h.Current()
	if err != nil {
		return err.Error()
	}
	defer release()
	m, err := x.Match(t.Context(), oldPackage())
	if err != nil || len(m.Findings) != 1 {
		t.Errorf("%+v, %v", m, err)
		return ""
	}
	return m.Findings[0].ID
}

func TestHolderTakesAndRefuses(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "feed.index")
	log, hook := logtest.NewNullLogger()
	h := feed.NewHolder(path, time.Millisecond, log)
	want := "there is no vulnerability data: feed index " + path + " does not exist; build one with 'runecast feed build' or import one with 'runecast feed import'"
	if got := current(t, h); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if _, _, err := h.Current(); !errors.Is(err, feed.ErrNoIndex) || h.LastError() == nil || h.Refused() != 0 {
		t.Errorf("%v, %v, %d", err, h.LastError(), h.Refused())
	}
	ctx, cancel := context.WithCancel(t.Context())
	stopped := make(chan error, 1)
	go func() { stopped <- h.Run(ctx) }()

	numbered(t, 1, path)
	until(t, "the first index is in use", func() bool { return current(t, h) == "GO-1" && h.LastError() == nil })
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	half := path + ".half"
	if err := errors.Join(os.WriteFile(half, good[:len(good)/2], 0o600), os.Rename(half, path)); err != nil {
		t.Fatal(err)
	}
	until(t, "the damaged index is refused", func() bool { return h.Refused() == 1 })
	var fault *advisory.IndexError
	if !errors.As(h.LastError(), &fault) || fault.Fault != advisory.FaultDamaged || current(t, h) != "GO-1" {
		t.Errorf("%v, %s", h.LastError(), current(t, h))
	}
	logged := false
	for _, e := range hook.AllEntries() {
		logged = logged || e.Level.String() == "error" && e.Message == "feed index refused" && e.Data["previousStaysInUse"] == true
	}
	if !logged {
		t.Error("the refusal was not logged")
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	until(t, "the missing file is told", func() bool {
		return errors.As(h.LastError(), &fault) && fault.Fault == advisory.FaultMissing
	})
	if current(t, h) != "GO-1" || h.Refused() != 1 {
		t.Errorf("%s, %d refused", current(t, h), h.Refused())
	}
	numbered(t, 2, path)
	until(t, "the second index is in use", func() bool { return current(t, h) == "GO-2" && h.LastError() == nil })
	cancel()
	if err := <-stopped; !errors.Is(err, context.Canceled) {
		t.Errorf("Run gave %v", err)
	}
	if current(t, h) != "GO-2" {
		t.Error("the index is gone after Run")
	}
}

// Matches run all the time while the file is replaced many times: none is lost, and every one sees one whole index.
func TestSwapsLoseNoMatch(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "feed.index")
	const files = 4
	for n := range files {
		numbered(t, n, filepath.Join(dir, fmt.Sprintf("%d.index", n)))
	}
	if _, err := feed.Import(t.Context(), filepath.Join(dir, "0.index"), path); err != nil {
		t.Fatal(err)
	}
	log, _ := logtest.NewNullLogger()
	h := feed.NewHolder(path, time.Millisecond, log)
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { _ = h.Run(ctx) }) // ends with the context, as its error says
	var matched, seen atomic.Int64
	for range 4 {
		running.Go(func() {
			for ctx.Err() == nil {
				id := current(t, h) //nolint:contextcheck // a match must not end with the loop that is tested
				if !strings.HasPrefix(id, "GO-") {
					t.Errorf("got %q", id)
					return
				}
				matched.Add(1)
				seen.Store(int64(id[3] - '0'))
			}
		})
	}
	for i := range 40 {
		n := i % files
		if _, err := feed.Import(t.Context(), filepath.Join(dir, fmt.Sprintf("%d.index", n)), path); err != nil {
			t.Fatal(err)
		}
		until(t, "the new index is used", func() bool { return seen.Load() == int64(n) })
	}
	cancel()
	running.Wait()
	if matched.Load() < 40 {
		t.Errorf("only %d matches", matched.Load())
	}
}

func TestReleaseTwiceIsOnce(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "feed.index")
	numbered(t, 1, path)
	log, _ := logtest.NewNullLogger()
	h := feed.NewHolder(path, 0, log)
	_, release, err := h.Current()
	if err != nil {
		t.Fatal(err)
	}
	release()
	release()
	if current(t, h) != "GO-1" {
		t.Error("a second release closed the index")
	}
}

// TestHolderTriesAgain: that a file could not be opened for a moment says nothing about the file.
func TestHolderTriesAgain(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "feed.index")
	want := numbered(t, 1, path)
	var short atomic.Bool
	short.Store(true)
	var tries atomic.Int32
	log, hook := logtest.NewNullLogger()
	h := feed.NewHolderForTest(path, time.Millisecond, log, func(path string) (*advisory.Index, error) {
		tries.Add(1)
		if short.Load() {
			return nil, fmt.Errorf("open feed index %s: %w", path, os.ErrPermission)
		}
		return advisory.Open(path)
	})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- h.Run(ctx) }()
	defer func() {
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("Run gave %v", err)
		}
	}()
	until(t, "it tries again", func() bool { return tries.Load() > 5 })
	if _, _, err := h.Current(); !errors.Is(err, feed.ErrNoIndex) || !errors.Is(err, os.ErrPermission) || h.Refused() != 1 || len(hook.AllEntries()) != 1 {
		t.Errorf("%v, refused %d, %d log lines", err, h.Refused(), len(hook.AllEntries()))
	}
	short.Store(false)
	until(t, "the file is in use", func() bool {
		x, release, err := h.Current()
		if err != nil {
			return false
		}
		defer release()
		return x.Info().Revision == want.Revision
	})
}
