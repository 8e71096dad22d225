package rematch

import (
	"context"
	"fmt"
	"runtime"
	"time"

	"github.com/sirupsen/logrus"
	"golang.org/x/sync/errgroup"

	"github.com/runecast/runecast/pkg/admission"
	"github.com/runecast/runecast/pkg/advisory"
	"github.com/runecast/runecast/pkg/policy"
	"github.com/runecast/runecast/pkg/scan"
)

const (
	pageSize   = 64 // inventories in memory at a time
	maxCauses  = 20 // of one flip
	maxLogged  = 100
	maxWorkers = 2
)

// Options are the parts of a Loop. All but Interval, Flipped and Now must be given.
type Options struct {
	Store    Store
	Feeds    scan.Feeds
	Policies *policy.Set
	Log      logrus.FieldLogger
	Interval time.Duration    // between looks at the feed's revision; default 5 s
	Flipped  func(*Flip)      // told of each new flip; default: nobody is
	Now      func() time.Time // default time.Now
}

// Loop matches all stored inventories again whenever the feed changes.
type Loop struct{ Options }

// Summary counts what one run did.
type Summary struct {
	Inventories int // matched again
	Flips       int // recorded
	Unread      int // stored by an earlier version or damaged: they need to be read from their registry again
}

// New makes a Loop; Run starts it.
func New(opts Options) *Loop { //nolint:gocritic // hugeParam: called once
	if opts.Interval <= 0 {
		opts.Interval = 5 * time.Second
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
	revision := ix.Info().Revision
	done, err := l.Store.Rematched(ctx)
	if err != nil || done == revision {
		return err
	}
	_, err = l.Store.Exclusively(ctx, func(ctx context.Context) error {
		now, failure := l.Store.Rematched(ctx)
		if failure != nil || now == revision { // by the process that had the turn before
			return failure
		}
		return l.run(ctx, ix, revision)
	})
	return err
}

func (l *Loop) run(ctx context.Context, ix *advisory.Index, revision string) error {
	begin := l.Now()
	var sum Summary
	for after := ""; ; {
		page, err := l.Store.Inventories(ctx, after, revision, pageSize)
		if err != nil {
			return err
		}
		if len(page) == 0 {
			break
		}
		if err := l.page(ctx, ix, page, &sum); err != nil {
			return err
		}
		after = page[len(page)-1].Digest
	}
	if err := l.Store.FinishRematch(ctx, revision); err != nil {
		return err
	}
	log := l.Log.WithFields(logrus.Fields{
		"revision": revision, "inventories": sum.Inventories, "flips": sum.Flips, "needReading": sum.Unread, "seconds": l.Now().Sub(begin).Seconds(),
	})
	log.Info("stored inventories matched against the new feed")
	return nil
}

// page matches and judges a page of inventories side by side and stores what comes out at once.
func (l *Loop) page(ctx context.Context, ix *advisory.Index, page []Stored, sum *Summary) error {
	reports := make([]*scan.Report, len(page))
	flips := make([][]Flip, len(page))
	group, groupCtx := errgroup.WithContext(ctx)
	group.SetLimit(min(maxWorkers, runtime.GOMAXPROCS(0)))
	for i := range page {
		group.Go(func() (err error) {
			reports[i], flips[i], err = l.one(groupCtx, ix, &page[i])
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	var made []*scan.Report
	var changed []Flip
	for i := range page {
		if reports[i] == nil {
			sum.Unread++
			continue
		}
		made, changed = append(made, reports[i]), append(changed, flips[i]...)
	}
	sum.Inventories += len(made)
	fresh, err := l.Store.PutRematched(ctx, made, changed)
	if err != nil {
		return err
	}
	for i := range fresh {
		l.tell(&fresh[i], sum)
	}
	return nil
}

func (l *Loop) tell(f *Flip, sum *Summary) {
	sum.Flips++
	l.Flipped(f)
	switch {
	case sum.Flips <= maxLogged:
		l.Log.WithFields(logrus.Fields{
			"image": f.Reference, "digest": f.Digest, "policy": f.PolicyID, "from": f.From, "to": f.To, "revision": f.ToRevision,
		}).Warn("a new feed changes the verdict of an image")
	case sum.Flips == maxLogged+1:
		l.Log.Warn("more verdicts change: see runecast flip list")
	}
}

// one judges an image again. There is no report where the inventory needs to be read again.
func (l *Loop) one(ctx context.Context, ix *advisory.Index, s *Stored) (*scan.Report, []Flip, error) {
	contents, err := s.Load()
	if err != nil {
		l.Log.WithError(err).WithField("digest", s.Digest).Warn("a stored inventory cannot be read")
		return nil, nil, nil
	}
	if !contents.Current() {
		return nil, nil, nil
	}
	reference := s.Digest
	if len(s.Judged) > 0 {
		reference = s.Judged[0].Reference
	}
	report, err := scan.Rematch(ctx, ix, reference, s.Digest, contents)
	if err != nil {
		return nil, nil, fmt.Errorf("feed %s: %w", ix.Info().Revision, err)
	}
	var flips []Flip
	now := l.Now()
	for i := range s.Judged {
		if f := l.judge(report, &s.Judged[i], now); f != nil {
			flips = append(flips, *f)
		}
	}
	return report, flips, nil
}

// judge gives the flip where the verdict of an image is another than before.
func (l *Loop) judge(report *scan.Report, before *Judged, now time.Time) *Flip {
	p, ok := l.Policies.Get(before.PolicyID)
	if !ok {
		return nil
	}
	subject, _ := admission.SubjectOf(scan.Request{Reference: before.Reference}, report, nil)
	result := p.Evaluate(subject, now)
	if result.Verdict == before.Verdict {
		return nil
	}
	f := &Flip{
		At: now.UTC(), Digest: report.Digest, Reference: before.Reference, PolicyID: before.PolicyID, From: before.Verdict, To: result.Verdict,
		FromRevision: before.Revision, ToRevision: report.Feed.Revision, Since: before.At,
	}
	for i := range result.Violations {
		if v := result.Violations[i].Finding; v != nil && len(f.Causes) < maxCauses {
			f.Causes = append(f.Causes, Cause{ID: v.ID, Package: v.Package.Name, Version: v.Package.Version, Fixed: v.FixedVersion})
		}
	}
	return f
}
