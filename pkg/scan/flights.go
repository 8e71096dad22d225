package scan

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/sirupsen/logrus"
)

// errClosed is what scans get that come after Wait.
var errClosed = errors.New("the server is shutting down")

// pendingError says that a caller's time ended before the scan did.
type pendingError struct{ state string }

func (p *pendingError) Error() string { return p.state }

// scanFunc does a scan; after is what is left to do when its report has been given out, and may be nil.
type scanFunc func(ctx context.Context, status *status) (r *Report, after func(context.Context), err error)

// flights lets all callers that need one digest of one repository share one scan, and lets it go on when they have gone.
type flights struct {
	log logrus.FieldLogger

	mu      sync.Mutex
	running map[string]*flight // by flightKey
	closed  bool
	work    sync.WaitGroup
}

type flight struct {
	done   chan struct{}
	cancel context.CancelFunc
	status *status
	report *Report // once done is closed
	err    error
}

// do gives the outcome of the one scan under a key, or a *pendingError when ctx ends first.
func (f *flights) do(ctx context.Context, key string, scan scanFunc) (r *Report, shared bool, err error) {
	current, shared, err := f.join(ctx, key, scan)
	if err != nil {
		return nil, false, err
	}
	select {
	case <-current.done:
		return current.report, shared, current.err
	default:
	}
	select {
	case <-current.done:
		return current.report, shared, current.err
	case <-ctx.Done():
		return nil, shared, &pendingError{current.status.String()}
	}
}

func (f *flights) join(ctx context.Context, key string, scan scanFunc) (current *flight, shared bool, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if running, ok := f.running[key]; ok {
		return running, true, nil
	}
	if f.closed {
		return nil, false, errClosed
	}
	work, cancel := context.WithCancel(context.WithoutCancel(ctx))
	current = &flight{done: make(chan struct{}), cancel: cancel, status: &status{}}
	f.running[key] = current
	f.work.Add(1)
	go f.run(work, key, current, scan)
	return current, false, nil
}

func (f *flights) run(ctx context.Context, key string, current *flight, scan scanFunc) {
	defer f.work.Done()
	defer current.cancel()
	var after func(context.Context)
	current.err = guarded(f.log, "the scan of "+key, func() (err error) {
		current.report, after, err = scan(ctx, current.status)
		return err
	})
	f.mu.Lock()
	delete(f.running, key)
	f.mu.Unlock()
	close(current.done)
	if after != nil && current.err == nil {
		if err := guarded(f.log, "keeping the report of "+key, func() error { after(ctx); return nil }); err != nil {
			f.log.WithError(err).Error("a report was not kept")
		}
	}
}

// wait refuses new scans and waits for the running ones; when ctx ends it stops them.
func (f *flights) wait(ctx context.Context) error {
	f.mu.Lock()
	f.closed = true
	f.mu.Unlock()
	finished := make(chan struct{})
	go func() {
		f.work.Wait()
		close(finished)
	}()
	select {
	case <-finished:
		return nil
	case <-ctx.Done():
	}
	f.mu.Lock()
	stopped := len(f.running)
	for _, current := range f.running {
		current.cancel()
	}
	f.mu.Unlock()
	<-finished
	if stopped == 0 {
		return nil
	}
	return fmt.Errorf("stopped %d scans that were running: %w", stopped, ctx.Err())
}
