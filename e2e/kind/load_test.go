//go:build e2e

package kind_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

const (
	loadWorkers = 50
	loadPause   = 100 * time.Millisecond // of a worker between two creations: two cores have a cluster to carry too
)

// load is parallel dry-run creations of pods, of which every eighth is to be denied.
type load struct {
	lab       *lab
	namespace string
	stop      context.CancelFunc
	workers   sync.WaitGroup

	mu      sync.Mutex
	asked   int
	failed  map[string]int
	last    time.Time     // of the last answer that was right
	longest time.Duration // between two of those
}

// startLoad begins the creations, which go on until end.
func (l *lab) startLoad(t *testing.T, namespace string) *load {
	t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	o := &load{lab: l, namespace: namespace, stop: cancel, failed: map[string]int{}, last: time.Now()}
	for i := range loadWorkers {
		o.workers.Go(func() { o.work(ctx, i) })
	}
	t.Cleanup(func() { cancel(); o.workers.Wait() })
	return o
}

func (o *load) work(ctx context.Context, worker int) {
	for n := worker; ctx.Err() == nil; n++ {
		image := o.lab.registry.fixed
		if n%8 == 0 {
			image = o.lab.registry.vulnerable
		}
		err := o.lab.dryRun(context.WithoutCancel(ctx), o.namespace, image)
		if n%8 == 0 {
			err = denied(err, chartWebhook)
		}
		o.note(err)
		select {
		case <-ctx.Done():
		case <-time.After(loadPause):
		}
	}
}

func (o *load) note(err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.asked++
	if err != nil {
		o.failed[err.Error()]++
		return
	}
	now := time.Now()
	o.longest, o.last = max(o.longest, now.Sub(o.last)), now
}

// end stops the creations and fails the test when one of them failed.
func (o *load) end(t *testing.T, what string) {
	t.Helper()
	o.stop()
	o.workers.Wait()
	failed := 0
	for _, n := range o.failed {
		failed += n
	}
	t.Logf("%s: %d of %d creations failed; longest time without an answer %s", what, failed, o.asked, o.longest.Round(time.Millisecond))
	if failed > 0 {
		var lines []string
		for _, text := range slices.Sorted(maps.Keys(o.failed)) {
			lines = append(lines, fmt.Sprintf("%d times: %s", o.failed[text], text))
		}
		t.Errorf("%s", strings.Join(lines, "\n"))
	}
	if o.asked == 0 {
		t.Error("nothing was asked")
	}
}
