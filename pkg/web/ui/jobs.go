package ui

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/sirupsen/logrus"

	"github.com/runecast/runecast/pkg/admission"
	"github.com/runecast/runecast/pkg/policy"
	"github.com/runecast/runecast/pkg/scan"
	"github.com/runecast/runecast/pkg/web"
)

const (
	jobLimit  = 15 * time.Minute       // of one scan with all its images; what is not scanned by then is pending
	jobTick   = 500 * time.Millisecond // between two looks at how far a scan is
	jobSilent = 30 * time.Second       // a scan of which nothing was heard for so long has lost its server
	jobKept   = 24 * time.Hour         // and is shown for so long
	jobBeat   = 5 * time.Second        // a server tells that it lives as often as that
	maxJobs   = 32                     // at a time, of one server
	keepWait  = 5 * time.Second        // for findings to be stored, before a scan is said to be done
)

// errBusy says that the server has enough to do.
var errBusy = errors.New("the server does enough scans already: try again in a minute")

// JobStore is what the scans that people ask for are kept in.
type JobStore interface {
	web.RunningStore
	admission.DecisionStore
	Report(ctx context.Context, digest, feedRevision string) (*scan.Report, error)
}

// Jobs scans what people ask for, behind the page that shows how far it is.
type Jobs struct {
	store    JobStore
	reviewer *admission.Reviewer
	board    *Board
	log      logrus.FieldLogger
	now      func() time.Time
	slots    chan struct{}
	stopping chan struct{}
	ending   chan struct{}
	wait     sync.WaitGroup
}

// NewJobs makes Jobs; Run ends them. A nil clock is time.Now.
func NewJobs(store JobStore, reviewer *admission.Reviewer, board *Board, log logrus.FieldLogger, now func() time.Time) *Jobs {
	if now == nil {
		now = time.Now
	}
	return &Jobs{store: store, reviewer: reviewer, board: board, log: log, now: now, slots: make(chan struct{}, maxJobs), stopping: make(chan struct{}), ending: make(chan struct{})}
}

// Run forgets old scans each hour until its context ends, and then ends those that run: they are shown as stopped.
func (j *Jobs) Run(ctx context.Context) error {
	tick := time.NewTicker(time.Hour)
	defer tick.Stop()
	for {
		if err := j.store.PruneRunningScans(ctx, j.now().Add(-jobKept)); err != nil && ctx.Err() == nil {
			j.log.WithError(err).Warn("old scans that were stopped cannot be deleted")
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			close(j.stopping)
			j.wait.Wait()
			return ctx.Err()
		}
	}
}

// EndStreams ends the answers that tell pages how far scans are, which would keep a server from its end. It is called once.
func (j *Jobs) EndStreams() { close(j.ending) }

// start begins a scan, which goes on when the request that asked for it is over, and gives its id.
func (j *Jobs) start(ctx context.Context, p *policy.Policy, references []string, user string) (string, error) {
	select {
	case <-j.stopping:
		return "", errBusy
	default:
	}
	select {
	case j.slots <- struct{}{}:
	default:
		return "", errBusy
	}
	one := &job{Jobs: j, policy: p, references: references, state: web.RunningScan{ID: uuid.NewString(), At: j.now().UTC(), PolicyID: p.ID, Policy: p.Name, User: user}}
	for _, reference := range references {
		one.state.Images = append(one.state.Images, web.RunningImage{Reference: reference})
	}
	if err := one.put(ctx); err != nil {
		<-j.slots
		return "", err
	}
	work, cancel := context.WithTimeout(context.WithoutCancel(ctx), jobLimit)
	j.wait.Go(func() {
		defer func() { <-j.slots }()
		defer cancel()
		one.run(work, cancel)
	})
	return one.state.ID, nil
}

// job is one scan.
type job struct {
	*Jobs

	policy     *policy.Policy
	references []string

	mu    sync.Mutex
	state web.RunningScan
}

// put stores how far the scan is.
func (o *job) put(ctx context.Context) error {
	o.mu.Lock()
	o.state.Seen = o.now().UTC()
	state := o.state
	state.Images = append([]web.RunningImage(nil), o.state.Images...)
	o.mu.Unlock()
	return o.store.PutRunningScan(ctx, &state) //nolint:wrapcheck // it says all there is to say
}

func (o *job) run(ctx context.Context, cancel context.CancelFunc) {
	done := make(chan *admission.Decision, 1)
	go func() { // JudgeImages turns panics into decisions
		decision, _ := o.reviewer.JudgeImages(ctx, o.policy, &admission.ImagesRequest{
			References: o.references, Trigger: admission.TriggerUI, User: o.state.User, Judged: o.judged,
		}, o.state.At)
		done <- decision
	}()
	watch := o.board.watch(o.references)
	defer watch.end()
	tick := time.NewTicker(jobTick)
	defer tick.Stop()
	stopping, stopped := o.stopping, false
	told := o.now()
	for {
		select {
		case decision := <-done:
			if !stopped { // one that was stopped has no result
				o.finish(ctx, decision)
			}
			return
		case <-stopping:
			stopping, stopped = nil, true
			cancel()
		case <-tick.C:
			if now := o.now(); !stopped && (o.progress(watch) || now.Sub(told) >= jobBeat) {
				told = now
				if err := o.put(ctx); err != nil {
					o.log.WithError(err).Warn("how far a scan is cannot be stored")
				}
			}
		}
	}
}

// judged takes note of an image that is judged.
func (o *job) judged(position int, image *admission.DecisionImage) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.state.Images[position].Verdict, o.state.Images[position].Cause = string(image.Verdict), image.Cause
}

// progress takes over how far the reading of layers is, and tells whether anything is new.
func (o *job) progress(watch *watch) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	changed := false
	for i := range o.state.Images {
		image := &o.state.Images[i]
		before := *image
		if p, ok := watch.of(image.Reference); ok {
			image.Done, image.Total = p.Done, p.Total
		}
		changed = changed || *image != before
	}
	return changed
}

// finish stores the decision, so that its page shows it from now on. Its findings are stored by the scanner, which nobody waits for
// but this.
func (o *job) finish(ctx context.Context, decision *admission.Decision) {
	keep, cancel := context.WithTimeout(context.WithoutCancel(ctx), keepWait)
	defer cancel()
	for i := range decision.Images {
		o.kept(keep, &decision.Images[i])
	}
	store, cancel := context.WithTimeout(context.WithoutCancel(ctx), keepWait)
	defer cancel()
	decision.ID = o.state.ID
	if err := o.store.CreateDecisions(store, []*admission.Decision{decision}); err != nil {
		o.log.WithError(err).Error("a scan that was asked for cannot be stored")
		return
	}
	if err := o.store.DeleteRunningScan(store, o.state.ID); err != nil {
		o.log.WithError(err).Warn("a scan that is done cannot be deleted from those that run")
	}
}

// kept waits until an image's report can be read.
func (o *job) kept(ctx context.Context, image *admission.DecisionImage) {
	for image.FeedRevision != "" && ctx.Err() == nil {
		if report, err := o.store.Report(ctx, image.Digest, image.FeedRevision); report != nil || err != nil {
			return
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
		case <-o.stopping:
			return
		}
	}
}
