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
	queue    chan *Decision
	patience time.Duration
	unstored atomic.Int64
	lastErr  atomic.Pointer[error]
}

const (
	recorderQueue    = 10_000           // decisions that wait for the store
	recorderBatch    = 100              // stored in one transaction
	recordTimeout    = 5 * time.Second  // for one attempt
	recordPatience   = 30 * time.Second // for all attempts of one decision
	recordRetryAfter = 500 * time.Millisecond
)

// NewRecorder makes a recorder. Nothing is stored until Run runs.
func NewRecorder(store DecisionStore, log logrus.FieldLogger) *Recorder {
	return &Recorder{store: store, log: log, queue: make(chan *Decision, recorderQueue), patience: recordPatience}
}

// Record takes a decision over for storing. It never blocks.
func (r *Recorder) Record(d *Decision) {
	select {
	case r.queue <- d:
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

// Run stores decisions until the context ends and the queue is empty; then each decision that is left has one more attempt.
func (r *Recorder) Run(ctx context.Context) error {
	for {
		select {
		case d := <-r.queue:
			r.keepAll(ctx, r.batch(d))
		case <-ctx.Done():
			for {
				select {
				case d := <-r.queue:
					r.keepAll(ctx, r.batch(d))
				default:
					return nil
				}
			}
		}
	}
}

// batch takes what waits in the queue already, as storing many at once costs little more than storing one.
func (r *Recorder) batch(first *Decision) []*Decision {
	list := []*Decision{first}
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

// keepAll stores decisions together, or one by one where that fails, so that none stands in the way of the others.
func (r *Recorder) keepAll(ctx context.Context, list []*Decision) {
	if r.attempt(ctx, list) == nil {
		r.lastErr.Store(nil)
		return
	}
	for _, d := range list {
		r.keep(ctx, d)
	}
}

// keep tries to store one decision until the decision is older than patience or the server stops.
func (r *Recorder) keep(ctx context.Context, d *Decision) {
	deadline := d.At.Add(r.patience)
	for {
		err := r.attempt(ctx, []*Decision{d})
		if err == nil {
			r.lastErr.Store(nil)
			return
		}
		if r.lastErr.Swap(&err) == nil {
			r.log.WithError(err).Error("decisions cannot be stored; trying again")
		}
		if ctx.Err() != nil || time.Now().After(deadline) {
			r.giveUp(d, err)
			return
		}
		select {
		case <-ctx.Done():
		case <-time.After(recordRetryAfter):
		}
	}
}

func (r *Recorder) attempt(ctx context.Context, list []*Decision) error {
	// The server's end must not end the attempt: the last decisions are stored on the way out.
	attempt, cancel := context.WithTimeout(context.WithoutCancel(ctx), recordTimeout)
	defer cancel()
	if err := r.store.CreateDecisions(attempt, list); err != nil {
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
