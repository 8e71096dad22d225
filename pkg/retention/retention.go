package retention

import (
	"context"
	"time"

	"github.com/sirupsen/logrus"
)

const (
	batch = 500 // rows that are deleted at a time
	pause = 100 * time.Millisecond
)

// What is pruned, as Options.Pruned and the log have it.
const (
	Decisions = "decisions"
	Flips     = "flips"
	Audit     = "audit"
)

// Store deletes up to limit rows, the oldest first, and gives how many there were.
type Store interface {
	// PruneDecisions deletes decisions, with their images, that came in before a time.
	PruneDecisions(ctx context.Context, before time.Time, limit int) (int64, error)
	// PruneFlips deletes flips before a time, and those after it by which there are more than most (0: any number), but for those
	// that are the last verdict of an image that is judged again.
	PruneFlips(ctx context.Context, before time.Time, most int64, limit int) (int64, error)
	// PruneAudit deletes entries of the audit log of before a time.
	PruneAudit(ctx context.Context, before time.Time, limit int) (int64, error)
}

// Options say what is kept. Store and Log must be given.
type Options struct {
	Store     Store
	Log       logrus.FieldLogger
	Decisions time.Duration               // how long decisions are kept; 0: for ever
	Flips     time.Duration               // how long flips are kept; 0: for ever
	MaxFlips  int64                       // how many flips are kept; 0: any number
	Audit     time.Duration               // how long the audit log is kept; 0: for ever
	Interval  time.Duration               // between looks; default 1 h
	Pruned    func(what string, n int64)  // told of each batch; default: nobody is
	Now       func() time.Time            // default time.Now
	Pause     func(context.Context) error // between batches; default: waits 100 ms
}

// Loop deletes what is too old.
type Loop struct{ Options }

// New makes a Loop; Run starts it.
func New(opts Options) *Loop { //nolint:gocritic // hugeParam: called once
	if opts.Interval <= 0 {
		opts.Interval = time.Hour
	}
	if opts.Pruned == nil {
		opts.Pruned = func(string, int64) {}
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	if opts.Pause == nil {
		opts.Pause = wait
	}
	return &Loop{opts}
}

func wait(ctx context.Context) error {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Run looks at once and at every interval until ctx ends, and gives the cause. A look that fails is logged and repeated at the next.
func (l *Loop) Run(ctx context.Context) error {
	ticker := time.NewTicker(l.Interval)
	defer ticker.Stop()
	for {
		if err := l.Once(ctx); err != nil && ctx.Err() == nil {
			l.Log.WithError(err).Warn("what is too old could not be deleted; it is tried again")
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-ticker.C:
		}
	}
}

// Once deletes all that is too old now.
func (l *Loop) Once(ctx context.Context) error {
	now := l.Now()
	if l.Decisions > 0 {
		before := now.Add(-l.Decisions)
		err := l.all(ctx, Decisions, before, func() (int64, error) { return l.Store.PruneDecisions(ctx, before, batch) })
		if err != nil {
			return err
		}
	}
	if l.Audit > 0 {
		before := now.Add(-l.Audit)
		if err := l.all(ctx, Audit, before, func() (int64, error) { return l.Store.PruneAudit(ctx, before, batch) }); err != nil {
			return err
		}
	}
	if l.Flips <= 0 && l.MaxFlips <= 0 {
		return nil
	}
	before := time.UnixMicro(0)
	if l.Flips > 0 {
		before = now.Add(-l.Flips)
	}
	return l.all(ctx, Flips, before, func() (int64, error) { return l.Store.PruneFlips(ctx, before, l.MaxFlips, batch) })
}

// all deletes batch after batch and tells how many rows that were.
func (l *Loop) all(ctx context.Context, what string, before time.Time, prune func() (int64, error)) (err error) {
	var sum int64
	defer func() {
		if sum > 0 {
			l.Log.WithFields(logrus.Fields{"what": what, "deleted": sum, "before": before.UTC().Format(time.RFC3339)}).Info("deleted what is too old to be kept")
		}
	}()
	for {
		n, err := prune()
		if err != nil {
			return err
		}
		sum += n
		l.Pruned(what, n)
		if n < batch {
			return nil
		}
		if err := l.Pause(ctx); err != nil {
			return err
		}
	}
}
