package scan

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/runecast/runecast/pkg/image"
)

// Engine is the Scanner that works: it resolves, looks up what is known, reads and matches what is not. It is safe for
// concurrent use. Wait ends it.
type Engine struct {
	images   Images
	feeds    feeds
	reports  *reportCache
	byTable  *memory // reports that rest on tables of contents, for images whose are trusted
	trust    image.TOCTrust
	contents *contentsReader
	flights  *flights
	metrics  Metrics
	now      func() time.Time
}

// NewEngine makes an Engine; it starts nothing.
func NewEngine(opts Options) (*Engine, error) { //nolint:gocritic // hugeParam: called once; a value is the caller's to change afterwards
	if err := opts.fill(); err != nil {
		return nil, err
	}
	kept := &keeper{metrics: opts.Metrics, log: opts.Log}
	layers := &layerReader{
		images: opts.Images, tables: opts.Tables, trust: opts.TrustTables, store: opts.Layers, keeper: kept, limits: opts.LayerLimits, metrics: opts.Metrics, log: opts.Log,
		running: map[string]*layerFlight{},
	}
	return &Engine{
		images:  opts.Images,
		feeds:   feeds{opts.Feeds},
		reports: &reportCache{memory: newMemory(opts.MaxCached, opts.MaxCachedWeight), store: opts.Reports, keeper: kept, metrics: opts.Metrics},
		contents: &contentsReader{
			layers: layers, store: opts.Inventories, keeper: kept, metrics: opts.Metrics, parallel: opts.LayersPerScan, progress: opts.Progress,
			slots: make(chan struct{}, opts.MaxScans), maxQueued: int64(opts.MaxQueued), timeout: opts.Timeout, now: opts.Now,
			maxKept: int64(opts.MaxKept), log: opts.Log,
		},
		flights: &flights{running: map[string]*flight{}, log: opts.Log},
		byTable: newMemory(opts.MaxCached, opts.MaxCachedWeight/4),
		trust:   opts.TrustTables,
		metrics: opts.Metrics,
		now:     opts.Now,
	}, nil
}

// Scan implements Scanner. Without a feed it does nothing and gives KindNoFeed: the inventory alone answers nobody, and the
// first scan after a feed has come finds out the same. A scan that outlasts ctx gives KindPending and goes on.
func (e *Engine) Scan(ctx context.Context, req Request) (*Report, error) {
	revision, err := e.feeds.revision()
	if err != nil {
		return nil, explain(req.Reference, err)
	}
	img, err := e.images.ResolveAs(ctx, req.Reference, req.Platform, req.Access)
	if err != nil {
		return nil, unresolved(ctx, req, err)
	}
	if r := e.reports.get(ctx, img.Digest, revision); r != nil {
		return r.as(img), nil
	}
	if r := e.fromTables(img, revision); r != nil {
		e.metrics.CacheHit(HitMemory)
		return r.as(img), nil
	}
	r, shared, err := e.flights.do(ctx, flightKey(img, img.Digest), func(ctx context.Context, status *status) (*Report, func(context.Context), error) {
		return e.scan(ctx, img, status)
	})
	if shared {
		e.metrics.CacheHit(HitShared)
	}
	if err != nil {
		return nil, explainTo(req, err)
	}
	return r.as(img), nil
}

// flightKey is what callers must have in common to wait for the same reading of an image or of a layer: its digest, the credentials
// that it is read with, and the repository that it is read from, because anyone may name the digest of another's image in a registry
// of his own, which is slow or refuses. What two repositories have in common is therefore read twice if it is read at the same
// time; what was read is kept by its digest alone, which no repository can make to mean anything else.
func flightKey(img *image.Image, digest string) string {
	return img.Repository + "#" + img.Access + "@" + digest
}

// unresolved explains why a reference was not resolved. Where the caller's time ended first nothing is known to be wrong yet: the
// puller goes on asking, and its answer will be there for the next caller.
func unresolved(ctx context.Context, req Request, err error) *Error {
	if ctx.Err() == nil || !errors.Is(err, ctx.Err()) {
		return explainTo(req, err)
	}
	registry := "the registry"
	if pull, ok := errors.AsType[*image.Error](err); ok && pull.Host != "" {
		registry = "registry " + pull.Host
	}
	return &Error{
		Kind: KindPending, Image: req.Reference, Err: &pendingError{registry + " has not answered yet"},
		Remedy: fmt.Sprintf("check that %s runs and that the server can reach it, then retry", registry),
	}
}

// Wait refuses new scans, then waits for those that run. When ctx ends first it stops them and says how many there were.
func (e *Engine) Wait(ctx context.Context) error { return e.flights.wait(ctx) }

// scan makes a report and what is to be done once it is given out: keeping it.
func (e *Engine) scan(ctx context.Context, img *image.Image, status *status) (*Report, func(context.Context), error) {
	begin := e.now()
	if revision, err := e.feeds.revision(); err == nil {
		if r := cmp.Or(e.reports.memory.get(img.Digest, revision), e.fromTables(img, revision)); r != nil { // made between the caller's look and now
			return r, nil, nil
		}
	}
	e.metrics.ScanStarted()
	outcome := string(KindInternal) // what a panic leaves
	defer func() { e.metrics.ScanFinished(outcome, e.now().Sub(begin)) }()
	r, keep, err := e.report(ctx, img, status)
	if err != nil {
		outcome = string(explain(img.Reference, err).Kind)
		return nil, nil, err
	}
	outcome = OutcomeOK
	r.Seconds = e.now().Sub(begin).Seconds()
	if r.ByTable > 0 {
		e.byTable.put(r)
		return r, func(context.Context) {}, nil
	}
	e.reports.memory.put(r)
	return r, func(ctx context.Context) {
		keep(ctx)
		e.reports.put(ctx, r)
	}, nil
}

// fromTables gives a report in memory that rests on tables of contents, where those of the image are trusted.
func (e *Engine) fromTables(img *image.Image, revision string) *Report {
	if !e.trust.Covers(img.Repository) {
		return nil
	}
	return e.byTable.get(img.Digest, revision)
}

func (e *Engine) report(ctx context.Context, img *image.Image, status *status) (*Report, func(context.Context), error) {
	contents, keep, err := e.contents.read(ctx, img, status)
	if err != nil {
		return nil, nil, err
	}
	r, err := e.judge(ctx, img, contents)
	if err != nil {
		return nil, nil, err
	}
	return r, keep, nil
}

// judge matches contents against the feed of the moment.
func (e *Engine) judge(ctx context.Context, img *image.Image, contents *Contents) (*Report, error) {
	matches, feed, err := e.feeds.match(ctx, contents)
	if err != nil {
		return nil, err
	}
	r := newReport(contents, &matches, feed)
	r.Image, r.Digest, r.Index = img.Reference, img.Digest, img.Index
	return r, nil
}

// as gives the report under the name that was asked for: one digest may have many.
func (r *Report) as(img *image.Image) *Report {
	if r.Image == img.Reference && r.Index == img.Index {
		return r
	}
	renamed := *r
	renamed.Image, renamed.Index = img.Reference, img.Index
	return &renamed
}
