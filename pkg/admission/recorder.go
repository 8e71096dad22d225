package admission

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/sirupsen/logrus"
)

// Recorder stores decisions in the background, so that a slow or broken database never delays an answer. A decision that
// cannot be stored is not lost: it is written whole to the log, as an error, and counted.
type Recorder struct {
	store    DecisionStore
	log      logrus.FieldLogger
	queue    chan waiting
	unstored atomic.Int64
	lastErr  atomic.Pointer[error]
}

// waiting is a decision with the time since when it waits.
type waiting struct {
	*Decision
	since time.Time
}

const (
	recorderQueue    = 10_000          // decisions that wait for the store
	recorderBatch    = 100             // stored in one transaction
	recordTimeout    = 5 * time.Second // for one attempt
	recordPatience   = 2 * time.Minute // for all attempts of one decision, unless the queue is full before
	recordRetryAfter = 500 * time.Millisecond
	drainTime        = 10 * time.Second // for what is left when the server ends; Kubernetes gives it 30 s in all
)

// NewRecorder makes a recorder. Nothing is stored until Run runs.
func NewRecorder(store DecisionStore, log logrus.FieldLogger) *Recorder {
	return &Recorder{store: store, log: log, queue: make(chan waiting, recorderQueue)}
}

// Record takes a decision over for storing. It never blocks.
func (r *Recorder) Record(d *Decision) {
	select {
	case r.queue <- waiting{d, time.Now()}:
	default:
		r.giveUp(d, fmt.Errorf("the queue of %d decisions is full", cap(r.queue)))
	}
}

// Unstored is how many decisions went to the log because they could not be stored.
func (r *Recorder) Unstored() int64 { return r.unstored.Load() }

// Err gives the error of the last attempt to store a decision, nil if it worked.
func (r *Recorder) Err() error {
	if err := r.lastErr.Load(); err != nil {
		return *err
	}
	return nil
}

// Run stores decisions until the context ends. What waits then has drainTime to be stored, and goes to the log after that.
func (r *Recorder) Run(ctx context.Context) error {
	work, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	defer context.AfterFunc(ctx, func() { time.AfterFunc(drainTime, stop) })()
	for {
		select {
		case d := <-r.queue:
			r.keepAll(ctx, work, r.batch(d))
		case <-ctx.Done():
			for len(r.queue) > 0 {
				r.keepAll(ctx, work, r.batch(<-r.queue))
			}
			return nil
		}
	}
}

// batch takes what waits in the queue already, as storing many at once costs little more than storing one.
func (r *Recorder) batch(first waiting) []waiting {
	list := []waiting{first}
	for len(list) < recorderBatch {
		select {
		case d := <-r.queue:
			list = append(list, d)
		default:
			return list
		}
	}
	return list
}

// keepAll stores decisions together, or one by one where that fails, so that none stands in the way of the others. server ends with
// the server, work when the time for storing is over.
func (r *Recorder) keepAll(server, work context.Context, list []waiting) {
	if r.attempt(work, list) == nil {
		r.lastErr.Store(nil)
		return
	}
	for _, d := range list {
		r.keep(server, work, d)
	}
}

// keep tries to store one decision until it has waited for recordPatience or the server ends. A queue that fills up ends the
// patience too: the decisions behind would go to the log otherwise.
func (r *Recorder) keep(server, work context.Context, d waiting) {
	for {
		err := r.attempt(work, []waiting{d})
		if err == nil {
			r.lastErr.Store(nil)
			return
		}
		if r.lastErr.Swap(&err) == nil {
			r.log.WithError(err).Error("decisions cannot be stored; trying again")
		}
		if server.Err() != nil || time.Since(d.since) > recordPatience || len(r.queue) > recorderQueue/2 {
			r.giveUp(d.Decision, err)
			return
		}
		select {
		case <-server.Done():
		case <-time.After(recordRetryAfter):
		}
	}
}

func (r *Recorder) attempt(work context.Context, list []waiting) error {
	attempt, cancel := context.WithTimeout(work, recordTimeout)
	defer cancel()
	decisions := make([]*Decision, 0, len(list))
	for _, d := range list {
		decisions = append(decisions, d.Decision)
	}
	if err := r.store.CreateDecisions(attempt, decisions); err != nil {
		return fmt.Errorf("store decisions: %w", err)
	}
	return nil
}

func (r *Recorder) giveUp(d *Decision, cause error) {
	r.unstored.Add(1)
	body, err := json.Marshal(d)
	if err != nil {
		cause = errors.Join(cause, err)
	}
	r.log.WithError(cause).WithField("decision", string(body)).Error("decision not stored; this line is its only record")
}
