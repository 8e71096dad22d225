package notify

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/sirupsen/logrus"
	"golang.org/x/sync/errgroup"
)

const (
	atOnce      = 4 // notifications to one destination at a time, and of one claim
	lease       = 2 * time.Minute
	settleTime  = 10 * time.Second // for taking note of what came of one
	pruneEach   = time.Hour
	pruneBatch  = 500
	endingGrace = 3 * time.Second // for attempts under way when the server ends
)

// Outcomes of attempts, for metrics.
const (
	OutcomeSent   = "sent"
	OutcomeFailed = "failed" // it is tried again
	OutcomeDead   = "dead"
)

// Options are the parts of a Loop. Outbox, Destinations, Sinks and Log must be given.
type Options struct {
	Outbox       Outbox
	Destinations []Destination
	Sink         func(*Destination) Sink
	Log          logrus.FieldLogger
	Interval     time.Duration                     // between looks at the outbox; default 2 s
	Keep         time.Duration                     // how long notifications are kept that were sent or given up; 0: for ever
	Attempted    func(destination, outcome string) // told of each attempt; default: nobody is
	Now          func() time.Time                  // default time.Now
}

// Loop sends what is in the outbox.
type Loop struct{ Options }

// NewLoop makes a Loop; Run starts it.
func NewLoop(opts Options) *Loop { //nolint:gocritic // hugeParam: called once
	if opts.Interval <= 0 {
		opts.Interval = 2 * time.Second
	}
	if opts.Attempted == nil {
		opts.Attempted = func(string, string) {}
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	return &Loop{opts}
}

// Run sends until ctx ends, and gives the cause. A destination that is slow or away keeps no other one waiting.
func (l *Loop) Run(ctx context.Context) error {
	group, groupCtx := errgroup.WithContext(ctx)
	for i := range l.Destinations {
		to := &l.Destinations[i]
		sink := l.Sink(to)
		group.Go(func() error { return l.each(groupCtx, l.Interval, func() { l.drain(groupCtx, to.Name, sink) }) })
	}
	group.Go(func() error { return l.each(groupCtx, pruneEach, func() { l.prune(groupCtx) }) })
	return group.Wait() //nolint:wrapcheck // the context's cause
}

// each does something at once and at every interval until ctx ends.
func (l *Loop) each(ctx context.Context, interval time.Duration, do func()) error {
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		do()
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-ticker.C:
		}
	}
}

// drain sends all that is due to a destination.
func (l *Loop) drain(ctx context.Context, destination string, sink Sink) {
	for ctx.Err() == nil {
		n, err := l.Once(ctx, destination, sink)
		if err != nil && ctx.Err() == nil {
			l.Log.WithError(err).WithField("destination", destination).Warn("notifications cannot be read; it is tried again")
		}
		if err != nil || n < atOnce {
			return
		}
	}
}

// Once sends a few of the notifications that are due to a destination, and gives how many.
func (l *Loop) Once(ctx context.Context, destination string, sink Sink) (int, error) {
	now := l.Now()
	claim := Claim{Destination: destination, Lease: uuid.NewString(), Now: now, Until: now.Add(lease), Limit: atOnce}
	list, err := l.Outbox.ClaimNotifications(ctx, claim)
	if err != nil {
		return 0, err //nolint:wrapcheck // the store says it all
	}
	var wait sync.WaitGroup
	for i := range list {
		wait.Go(func() { l.send(ctx, sink, &list[i], claim.Lease) })
	}
	wait.Wait()
	return len(list), nil
}

// send sends one and takes note of what came of it. What the server's end cuts off counts as not tried.
func (l *Loop) send(ctx context.Context, sink Sink, n *Notification, lease string) {
	work, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	defer context.AfterFunc(ctx, func() { time.AfterFunc(endingGrace, stop) })()
	_, err := sink.Send(work, n, l.Now())
	outcome := l.outcome(n, err)
	if err != nil && work.Err() != nil {
		outcome = Outcome{State: StateWaiting, At: l.Now(), DueAt: l.Now(), Error: n.Error, Again: true}
	}
	note, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleTime)
	defer cancel()
	if _, failure := l.Outbox.SettleNotification(note, n.ID, lease, outcome); failure != nil {
		// It is sent again when the lease ends, with the same id.
		l.Log.WithError(failure).WithField("notification", n.ID).Warn("what came of a notification cannot be stored")
	}
	l.tell(n, &outcome)
}

// outcome says what is next.
func (l *Loop) outcome(n *Notification, err error) Outcome {
	now := l.Now()
	if err == nil {
		return Outcome{State: StateSent, At: now}
	}
	failure := fault(err)
	if failure.Permanent || n.Attempts >= maxAttempts {
		return Outcome{State: StateDead, At: now, Error: failure.Text}
	}
	return Outcome{State: StateWaiting, At: now, DueAt: now.Add(delay(n.Attempts, failure.RetryAfter)), Error: failure.Text}
}

func (l *Loop) tell(n *Notification, outcome *Outcome) {
	log := l.Log.WithFields(logrus.Fields{"notification": n.ID, "destination": n.Destination, "kind": n.Kind, "attempt": n.Attempts})
	switch {
	case outcome.Again:
	case outcome.State == StateSent:
		log.Debug("notification sent")
		l.Attempted(n.Destination, OutcomeSent)
	case outcome.State == StateDead:
		log.WithError(errors.New(outcome.Error)).Error("notification given up: see the page Notifications")
		l.Attempted(n.Destination, OutcomeDead)
	default:
		log.WithError(errors.New(outcome.Error)).WithField("again", outcome.DueAt.UTC().Format(time.RFC3339)).Warn("notification not sent; it is tried again")
		l.Attempted(n.Destination, OutcomeFailed)
	}
}

// prune deletes what is too old.
func (l *Loop) prune(ctx context.Context) {
	for l.Keep > 0 && ctx.Err() == nil {
		gone, err := l.Outbox.PruneNotifications(ctx, l.Now().Add(-l.Keep), pruneBatch)
		if err != nil && ctx.Err() == nil {
			l.Log.WithError(err).Warn("old notifications cannot be deleted; it is tried again")
		}
		if err != nil || gone < pruneBatch {
			return
		}
	}
}
