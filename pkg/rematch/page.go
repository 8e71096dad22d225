package rematch

import (
	"context"
	"runtime"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/runecast/runecast/pkg/admission"
	"github.com/runecast/runecast/pkg/scan"
)

const (
	maxPause = 10 * time.Millisecond // before one inventory, so that a run comes to its end under any load
	pauseFor = time.Millisecond      // until the next question whether reviews are under way
	// keptTogether is how many reports' findings are stored in one transaction. Twice as many are in memory at most.
	keptTogether = 16
)

// workers is how many inventories are matched at a time: half the processors are for reviews.
func workers() int { return max(1, runtime.GOMAXPROCS(0)/2) }

// page matches and judges a page of inventories. Their findings are stored meanwhile.
func (r *run) page(ctx context.Context, page []Stored) ([]Flip, error) {
	flips, read := make([][]Flip, len(page)), make([]bool, len(page))
	both, bothCtx := errgroup.WithContext(ctx)
	reports := make(chan *scan.Report, keptTogether) // matching goes on while the ones of before are stored
	both.Go(func() error { return r.keep(bothCtx, reports) })
	both.Go(func() error {
		defer close(reports)
		group, groupCtx := errgroup.WithContext(bothCtx)
		group.SetLimit(workers())
		for i := range page {
			group.Go(func() (err error) {
				r.pause(groupCtx)
				flips[i], read[i], err = r.one(groupCtx, &page[i], reports)
				return err
			})
		}
		return group.Wait()
	})
	if err := both.Wait(); err != nil {
		return nil, err
	}
	var all []Flip
	for i := range page {
		if !read[i] {
			r.sum.unread++
			continue
		}
		r.sum.inventories++
		all = append(all, flips[i]...)
	}
	return all, nil
}

// keep stores the findings of reports as they come, some at a time.
func (r *run) keep(ctx context.Context, reports <-chan *scan.Report) error {
	batch := make([]*scan.Report, 0, keptTogether)
	store := func() error {
		defer func() { clear(batch); batch = batch[:0] }()
		if len(batch) == 0 {
			return nil
		}
		return r.Store.PutFindings(ctx, batch)
	}
	for report := range reports {
		if batch = append(batch, report); len(batch) < keptTogether {
			continue
		}
		if err := store(); err != nil {
			return err
		}
	}
	return store()
}

// pause waits while reviews are under way, up to maxPause.
func (r *run) pause(ctx context.Context) {
	if !r.Busy() {
		return
	}
	enough := time.NewTimer(maxPause)
	defer enough.Stop()
	tick := time.NewTicker(pauseFor)
	defer tick.Stop()
	for r.Busy() {
		select {
		case <-tick.C:
		case <-enough.C:
			return
		case <-ctx.Done():
			return
		}
	}
}

// judge gives the flip where the verdict of an image is another than before.
func (r *run) judge(report *scan.Report, before *Judged, now time.Time) *Flip {
	p, ok := r.Policies.Get(before.PolicyID)
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
