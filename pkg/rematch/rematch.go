package rematch

import (
	"context"
	"fmt"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/runecast/runecast/pkg/advisory"
	"github.com/runecast/runecast/pkg/policy"
	"github.com/runecast/runecast/pkg/scan"
)

const (
	pageSize  = 64 // inventories in memory at a time
	maxCauses = 20 // of one flip
	maxLogged = 100
)

// Policies finds policies by their id.
type Policies interface {
	Get(id string) (*policy.Policy, bool)
}

// Options are the parts of a Loop. Store, Feeds, Policies and Log must be given.
type Options struct {
	Store    Store
	Feeds    scan.Feeds
	Policies Policies
	Log      logrus.FieldLogger
	Interval time.Duration // between looks at the feed's revision; default 5 s
	// Settle is how long the revision that was replaced last is left alone: several servers do not take a new feed at the same
	// moment, and the last to do so must not turn all verdicts back. Default 10 min.
	Settle  time.Duration
	Busy    func() bool      // tells whether reviews are under way, for which a run pauses; default: never
	Flipped func(*Flip)      // told of each new flip; default: nobody is
	Now     func() time.Time // default time.Now
}

// Loop matches all stored inventories again whenever the feed changes.
type Loop struct{ Options }

// New makes a Loop; Run starts it.
func New(opts Options) *Loop { //nolint:gocritic // hugeParam: called once
	if opts.Interval <= 0 {
		opts.Interval = 5 * time.Second
	}
	if opts.Settle <= 0 {
		opts.Settle = 10 * time.Minute
	}
	if opts.Busy == nil {
		opts.Busy = func() bool { return false }
	}
	if opts.Flipped == nil {
		opts.Flipped = func(*Flip) {}
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	return &Loop{opts}
}

// Run looks at the feed's revision at once and at every interval until ctx ends, and gives the cause. A run that fails is logged
// and begins again at the next look.
func (l *Loop) Run(ctx context.Context) error {
	ticker := time.NewTicker(l.Interval)
	defer ticker.Stop()
	for {
		if err := l.Once(ctx); err != nil && ctx.Err() == nil {
			l.Log.WithError(err).Warn("stored inventories could not be matched again; it is tried again")
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-ticker.C:
		}
	}
}

// Once does what is to be done for the feed of the moment; without a feed, or where all is done, that is nothing.
func (l *Loop) Once(ctx context.Context) error {
	ix, release, err := l.Feeds.Current()
	if release != nil {
		defer release()
	}
	if err != nil || ix == nil {
		return nil // without a feed there is nothing to match; the server says so elsewhere
	}
	r := &run{Loop: l, ix: ix, revision: ix.Info().Revision}
	due, err := r.due(ctx)
	if err != nil {
		return err
	}
	if due {
		if _, failure := l.Store.Exclusively(ctx, r.all); failure != nil {
			return failure
		}
	}
	progress, err := l.Store.Rematched(ctx)
	if err != nil || progress.Revision != r.revision {
		return err
	}
	return r.late(ctx)
}

// run is one pass over stored inventories.
type run struct {
	*Loop
	ix       *advisory.Index
	revision string
	sum      summary
}

// summary counts what a run did.
type summary struct {
	inventories int // matched again
	flips       int // recorded
	unread      int // stored by an earlier version or damaged: they need to be read from their registry again
}

// due tells whether all inventories are to be matched.
func (r *run) due(ctx context.Context) (bool, error) {
	progress, err := r.Store.Rematched(ctx)
	if err != nil || progress.Revision == r.revision {
		return false, err
	}
	return progress.Previous != r.revision || r.Now().Sub(progress.At) >= r.Settle, nil
}

// all matches every stored inventory.
func (r *run) all(ctx context.Context) error {
	if due, err := r.due(ctx); err != nil || !due { // done by the process that had the turn before
		return err
	}
	begin := r.Now()
	if err := r.Store.BeginRematch(ctx, r.revision); err != nil {
		return err
	}
	if err := r.pages(ctx, Query{Revision: r.revision, Limit: pageSize}); err != nil {
		return err
	}
	if err := r.Store.FinishRematch(ctx, r.revision); err != nil {
		return err
	}
	r.Log.WithFields(logrus.Fields{
		"revision": r.revision, "inventories": r.sum.inventories, "flips": r.sum.flips, "needReading": r.sum.unread, "seconds": r.Now().Sub(begin).Seconds(),
	}).Info("stored inventories matched against the new feed")
	return nil
}

// late matches what came behind a run.
func (r *run) late(ctx context.Context) error {
	return r.pages(ctx, Query{Revision: r.revision, Late: true, Limit: pageSize})
}

// pages goes through all inventories of a query.
func (r *run) pages(ctx context.Context, q Query) error {
	for {
		page, err := r.Store.Inventories(ctx, q)
		if err != nil || len(page) == 0 {
			return err
		}
		flips, err := r.page(ctx, page)
		if err != nil {
			return err
		}
		fresh, err := r.Store.PutFlips(ctx, page, flips)
		if err != nil {
			return err
		}
		for i := range fresh {
			r.tell(&fresh[i])
		}
		q.After = page[len(page)-1].Digest
	}
}

func (r *run) tell(f *Flip) {
	r.sum.flips++
	r.Flipped(f)
	switch {
	case r.sum.flips <= maxLogged:
		r.Log.WithFields(logrus.Fields{
			"image": f.Reference, "digest": f.Digest, "policy": f.PolicyID, "from": f.From, "to": f.To, "revision": f.ToRevision,
		}).Warn("a new feed changes the verdict of an image")
	case r.sum.flips == maxLogged+1:
		r.Log.Warn("more verdicts change: see runecast flip list")
	}
}

// one judges an image again, and tells whether its inventory was one that can be. It gives the report to reports.
func (r *run) one(ctx context.Context, s *Stored, reports chan<- *scan.Report) (flips []Flip, read bool, err error) {
	contents, err := s.Load()
	if err != nil {
		r.Log.WithError(err).WithField("digest", s.Digest).Warn("a stored inventory cannot be read")
		return nil, false, nil
	}
	if !contents.Current() {
		return nil, false, nil
	}
	report, err := scan.Rematch(ctx, r.ix, s.Digest, s.Digest, contents)
	if err != nil {
		return nil, false, fmt.Errorf("feed %s: %w", r.revision, err)
	}
	now := r.Now()
	for i := range s.Judged {
		if f := r.judge(report, &s.Judged[i], now); f != nil {
			flips = append(flips, *f)
		}
	}
	select {
	case reports <- report:
	case <-ctx.Done():
		return nil, false, ctx.Err()
	}
	return flips, true, nil
}
