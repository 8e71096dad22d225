package scan_test

import (
	"context"
	"encoding/json"
	"errors"
	"iter"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"

	"github.com/runecast/runecast/pkg/advisory"
	"github.com/runecast/runecast/pkg/image"
	"github.com/runecast/runecast/pkg/image/imagetest"
	"github.com/runecast/runecast/pkg/inventory"
	"github.com/runecast/runecast/pkg/scan"
)

// bench is an engine with all its parts: a registry, a feed and stores.
type bench struct {
	*scan.Engine
	reg     *imagetest.Registry
	puller  *image.Puller
	feed    *feedOfMoment
	stores  *stores
	metrics *counters
}

// newBench makes an engine that ends with the test; no scan may be left running then.
func newBench(tb testing.TB, change ...func(*scan.Options)) *bench {
	tb.Helper()
	b := &bench{reg: imagetest.NewRegistry(), feed: &feedOfMoment{}, stores: newStores(), metrics: newCounters()}
	tb.Cleanup(b.reg.Close)
	b.feed.set(newFeed(tb, opensslFeed("1")))
	var err error
	b.puller, err = image.NewPuller(image.Options{
		Keychain: authn.NewMultiKeychain(), Backoff: time.Millisecond, AllowNetworks: []string{"127.0.0.0/8"},
	})
	if err != nil {
		tb.Fatal(err)
	}
	b.restart(tb, change...)
	return b
}

// restart replaces the engine by a new one with the same parts and an empty memory.
func (b *bench) restart(tb testing.TB, change ...func(*scan.Options)) {
	tb.Helper()
	opts := scan.Options{
		Images: b.puller, Feeds: b.feed, Reports: reportStore{b.stores}, Inventories: inventoryStore{b.stores}, Layers: layerStore{b.stores}, Metrics: b.metrics,
	}
	for _, f := range change {
		f(&opts)
	}
	engine, err := scan.NewEngine(opts)
	if err != nil {
		tb.Fatal(err)
	}
	b.Engine = engine
	tb.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := engine.Wait(ctx); err != nil {
			tb.Errorf("scans are left running: %v", err)
		}
	})
}

// report scans where nothing may fail.
func (b *bench) report(tb testing.TB, ref string) *scan.Report {
	tb.Helper()
	r, err := b.Scan(tb.Context(), scan.Request{Reference: ref})
	if err != nil {
		tb.Fatalf("scan %s: %v", ref, err)
	}
	return r
}

// leave starts a scan, gives it up once a condition holds, and gives the error of that.
func (b *bench) leave(tb testing.TB, ref, when string, holds func() bool) error {
	tb.Helper()
	ctx, cancel := context.WithCancel(tb.Context())
	defer cancel()
	ended := make(chan error, 1)
	go func() {
		_, err := b.Scan(ctx, scan.Request{Reference: ref})
		ended <- err
	}()
	eventually(tb, when, holds)
	cancel()
	return <-ended
}

// wantError checks an *scan.Error to the letter.
func wantError(tb testing.TB, err error, kind scan.Kind, text, remedy string) {
	tb.Helper()
	var e *scan.Error
	if !errors.As(err, &e) {
		tb.Fatalf("error %v (%T), want a *scan.Error", err, err)
	}
	if e.Kind != kind {
		tb.Errorf("kind %s, want %s", e.Kind, kind)
	}
	if e.Error() != text {
		tb.Errorf("text\n  %s\nwant\n  %s", e.Error(), text)
	}
	if e.Remedy != remedy {
		tb.Errorf("remedy\n  %s\nwant\n  %s", e.Remedy, remedy)
	}
}

func itoa(n int64) string { return strconv.FormatInt(n, 10) }

// eventually polls until a condition holds.
func eventually(tb testing.TB, what string, holds func() bool) {
	tb.Helper()
	for deadline := time.Now().Add(10 * time.Second); !holds(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			tb.Fatalf("never: %s", what)
		}
	}
}

// feedOfMoment is a scan.Feeds whose index can be changed.
type feedOfMoment struct {
	mu sync.Mutex
	ix *advisory.Index
}

func (f *feedOfMoment) set(ix *advisory.Index) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.ix = ix
}

func (f *feedOfMoment) Current() (*advisory.Index, func(), error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.ix == nil {
		return nil, nil, errors.New("no file feed.index")
	}
	return f.ix, func() {}, nil
}

// opensslFeed knows one vulnerability of Debian 10 and one of npm; a mark makes revisions differ.
func opensslFeed(mark string) []advisory.Entry {
	critical := &advisory.Vulnerability{
		ID: "CVE-2021-3711", Advisory: "DEBIAN-CVE-2021-3711", Summary: "SM2 decryption overflow, revision " + mark,
		Severity: advisory.SeverityCritical, SeveritySource: "NVD",
	}
	medium := &advisory.Vulnerability{ID: "CVE-2020-11022", Advisory: "GHSA-x", Severity: advisory.SeverityMedium, SeveritySource: "GHSA"}
	fixedIn := func(v *advisory.Vulnerability, version string) []advisory.Row {
		return []advisory.Row{{Vulnerability: v, Ranges: []advisory.Range{{
			{Kind: advisory.EventIntroduced, Version: "0"}, {Kind: advisory.EventFixed, Version: version},
		}}}}
	}
	return []advisory.Entry{
		{Ecosystem: "Debian:10", Name: "openssl", Rows: fixedIn(critical, "1.1.1d-0+deb10u7")},
		{Ecosystem: "npm", Name: "jquery", Rows: fixedIn(medium, "3.5.0")},
	}
}

func newFeed(tb testing.TB, entries []advisory.Entry) *advisory.Index {
	tb.Helper()
	ix, err := advisory.Open(feedFile(tb, entries))
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = ix.Close() })
	return ix
}

func feedFile(tb testing.TB, entries []advisory.Entry) string {
	tb.Helper()
	path := filepath.Join(tb.TempDir(), "feed.index")
	_, err := advisory.Write(tb.Context(), path, &advisory.Contents{
		Info: advisory.Info{Date: time.Date(2026, 8, 1, 0, 0, 0, 0, time.UTC)},
		Entries: func(yield func(advisory.Entry, error) bool) {
			for _, e := range entries {
				if !yield(e, nil) {
					return
				}
			}
		},
		Advisories: iter.Seq2[advisory.Advisory, error](func(func(advisory.Advisory, error) bool) {}),
	})
	if err != nil {
		tb.Fatal(err)
	}
	return path
}

// stores keeps everything as JSON, as databases do, and fails on demand.
type stores struct {
	mu   sync.Mutex
	data map[string][]byte
	fail error
}

func newStores() *stores { return &stores{data: map[string][]byte{}} }

// keys gives the keys of layers, and how many reports and inventories there are.
func (s *stores) keys() (layers []string, reports, inventories int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for key := range s.data {
		kind, name, _ := strings.Cut(key, " ")
		switch kind {
		case "layer":
			layers = append(layers, name)
		case "report":
			reports++
		case "inventory":
			inventories++
		}
	}
	return layers, reports, inventories
}

func (s *stores) breakWith(fail error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fail = fail
}

func (s *stores) has(key string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, ok := s.data[key]
	return ok
}

func (s *stores) trouble() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.fail
}

func get[T any](s *stores, key string) (*T, error) {
	if err := s.trouble(); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	data, ok := s.data[key]
	if !ok {
		return nil, nil //nolint:nilnil // the contract of the stores
	}
	value := new(T)
	return value, json.Unmarshal(data, value)
}

func put(s *stores, key string, value any) error {
	if err := s.trouble(); err != nil {
		return err
	}
	data, err := json.Marshal(value)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.data[key] = data
	return nil
}

type reportStore struct{ *stores }

func (s reportStore) Report(_ context.Context, digest, revision string) (*scan.Report, error) {
	return get[scan.Report](s.stores, "report "+digest+" "+revision)
}

func (s reportStore) PutReport(_ context.Context, r *scan.Report) error {
	return put(s.stores, "report "+r.Digest+" "+r.Feed.Revision, r)
}

type inventoryStore struct{ *stores }

func (s inventoryStore) Inventory(_ context.Context, digest string) (*scan.Contents, error) {
	return get[scan.Contents](s.stores, "inventory "+digest)
}

func (s inventoryStore) PutInventory(_ context.Context, digest string, c *scan.Contents) error {
	return put(s.stores, "inventory "+digest, c)
}

type layerStore struct{ *stores }

func (s layerStore) Layer(_ context.Context, digest string) (*inventory.Layer, error) {
	return get[inventory.Layer](s.stores, "layer "+digest)
}

func (s layerStore) PutLayer(_ context.Context, digest string, l *inventory.Layer) error {
	return put(s.stores, "layer "+digest, l)
}

// counters counts what an engine tells of itself.
type counters struct {
	mu     sync.Mutex
	counts map[string]int
}

func newCounters() *counters { return &counters{counts: map[string]int{}} }

func (c *counters) add(name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.counts[name]++
}

func (c *counters) get(name string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.counts[name]
}

func (c *counters) ScanStarted() { c.add("started") }

func (c *counters) ScanFinished(outcome string, _ time.Duration) { c.add("finished " + outcome) }

func (c *counters) CacheHit(hit scan.Hit) { c.add("hit " + string(hit)) }

func (c *counters) StoreFailed(operation string) { c.add("failed " + operation) }

func (c *counters) LayerRead(int64, time.Duration) { c.add("layer") }
