package impact

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/runecast/runecast/pkg/admission"
	"github.com/runecast/runecast/pkg/advisory"
	"github.com/runecast/runecast/pkg/policy"
	"github.com/runecast/runecast/pkg/scan"
)

// pageSize is how many inventories are in memory at a time.
const pageSize = 64

// Options are the parts of a Previewer. Store and Feeds must be given.
type Options struct {
	Store Store
	Feeds scan.Feeds
	Time  time.Duration    // of one preview; default DefaultTime
	Limit int              // of images; default MaxImages
	Busy  func() bool      // tells whether reviews are under way, for which a preview pauses; default: never
	Now   func() time.Time // default time.Now
}

// Previewer makes previews, one at a time. It is safe for concurrent use.
type Previewer struct {
	Options
	turn chan struct{}
}

// New makes a Previewer.
func New(options Options) *Previewer {
	if options.Time <= 0 {
		options.Time = DefaultTime
	}
	if options.Limit <= 0 {
		options.Limit = MaxImages
	}
	if options.Busy == nil {
		options.Busy = func() bool { return false }
	}
	if options.Now == nil {
		options.Now = time.Now
	}
	return &Previewer{options, make(chan struct{}, 1)}
}

// ErrBusy says that other previews took all the time.
var ErrBusy = errors.New("other previews are being made: try again in a moment")

// Preview tells what a change would do. An error means that the store could not be read, or that ctx ended; a bound that was reached is no
// error.
func (p *Previewer) Preview(ctx context.Context, request *Request) (*Result, error) {
	begin := time.Now()
	limited, cancel := context.WithTimeout(ctx, p.Time)
	defer cancel()
	select {
	case p.turn <- struct{}{}:
		defer func() { <-p.turn }()
	case <-limited.Done():
		return nil, ErrBusy
	}
	window := min(cmp.Or(max(request.Window, 0), DefaultWindow), MaxWindow)
	r := &run{Previewer: p, request: request, now: p.Now(), result: &Result{Rows: []Row{}}, rows: map[Change]int{}}
	r.most = min(cmp.Or(max(request.Rows, 0), DefaultRows), MaxRows)
	r.result.Since = r.now.Add(-window).UTC()
	if err := r.all(limited); err != nil {
		if ctx.Err() != nil || limited.Err() == nil {
			return nil, err
		}
		r.result.Partial = append(r.result.Partial, fmt.Sprintf("the time for a preview, %s, is over", p.Time))
	}
	r.sort()
	r.result.Seconds = time.Since(begin).Seconds()
	return r.result, nil
}

// run is one preview.
type run struct {
	*Previewer
	request *Request
	now     time.Time
	most    int // rows of each change
	images  map[string][]judging
	order   []string // digests, those that were decided about last first

	mu     sync.Mutex
	result *Result
	rows   map[Change]int
}

// judging is an image under a pair.
type judging struct {
	known *Known
	pair  *Pair
}

func (r *run) all(ctx context.Context) error {
	r.images = map[string][]judging{}
	scans := false
	for i := range r.request.Pairs {
		pair := &r.request.Pairs[i]
		scans = scans || pair.needsScan()
		if err := r.find(ctx, pair); err != nil {
			return err
		}
	}
	if !scans {
		for _, digest := range r.order {
			r.judge(digest, nil)
		}
		return nil
	}
	ix, release, err := r.Feeds.Current()
	if release != nil {
		defer release()
	}
	if err != nil || ix == nil {
		r.result.Partial = append(r.result.Partial, "there is no vulnerability data, so that nothing can be judged: see runecast feed --help")
		for _, digest := range r.order {
			r.result.NotJudged += len(r.images[digest])
		}
		return nil
	}
	r.result.Feed = ix.Info().Revision
	return r.pages(ctx, ix)
}

// find finds the images of a pair.
func (r *run) find(ctx context.Context, pair *Pair) error {
	query := &Query{PolicyID: pair.id(), Since: r.result.Since, Limit: r.Limit}
	if pair.Before == nil {
		query.PolicyID = ""
	}
	known, more, err := r.Store.KnownImages(ctx, query)
	if err == nil && len(known) == 0 && len(r.request.Pairs) == 1 && pair.After != nil && query.PolicyID != "" {
		query.PolicyID = ""
		known, more, err = r.Store.KnownImages(ctx, query)
	}
	if err == nil && pair.After == nil {
		r.result.LastReview, err = r.Store.LastReview(ctx, pair.id())
	}
	if err != nil {
		return err //nolint:wrapcheck // it says all there is to say
	}
	r.result.All = query.PolicyID == ""
	if more {
		r.result.Partial = append(r.result.Partial, fmt.Sprintf("more than %d images are known: those that were decided about last are judged", r.Limit))
	}
	mine := map[string]bool{}
	for i := range known {
		digest := known[i].Digest
		if mine[digest] { // of another policy
			continue
		}
		mine[digest] = true
		if r.images[digest] == nil {
			r.order = append(r.order, digest)
		}
		r.images[digest] = append(r.images[digest], judging{&known[i], pair})
	}
	return nil
}

// pages judges all images on their inventories.
func (r *run) pages(ctx context.Context, ix *advisory.Index) error {
	for page := range slices.Chunk(r.order, pageSize) {
		group, groupCtx := errgroup.WithContext(ctx)
		group.SetLimit(runtime.GOMAXPROCS(0))
		seen := 0
		err := r.Store.EachInventory(ctx, page, func(digest string, load func() (*scan.Contents, error)) error {
			seen += len(r.images[digest])
			group.Go(func() error { return r.one(groupCtx, ix, digest, load) })
			return nil
		})
		if failure := errors.Join(group.Wait(), err); failure != nil {
			return failure
		}
		for _, digest := range page {
			seen -= len(r.images[digest])
		}
		r.result.NotJudged -= seen // seen is below zero by those without an inventory
	}
	return nil
}

// one judges an image on its inventory.
func (r *run) one(ctx context.Context, ix *advisory.Index, digest string, load func() (*scan.Contents, error)) error {
	r.pause(ctx)
	if err := ctx.Err(); err != nil {
		return err
	}
	contents, err := load()
	if err != nil || !contents.Current() { // a damaged one is like one that is not there: the next review reads the image again
		r.mu.Lock()
		defer r.mu.Unlock()
		r.result.NotJudged += len(r.images[digest])
		return nil
	}
	report, err := scan.Rematch(ctx, ix, digest, digest, contents)
	if err != nil {
		return err //nolint:wrapcheck // it says all there is to say
	}
	r.judge(digest, report)
	return nil
}

// pause lets reviews that are under way go first, for 10 ms at most.
func (r *run) pause(ctx context.Context) {
	for range 5 {
		if !r.Busy() {
			return
		}
		select {
		case <-time.After(2 * time.Millisecond):
		case <-ctx.Done():
			return
		}
	}
}

// judge judges an image under each of its pairs. report is nil where no policy needs it.
func (r *run) judge(digest string, report *scan.Report) {
	for _, j := range r.images[digest] {
		subject := policy.Subject{Reference: j.known.Reference, Digest: digest, Outcome: policy.OutcomeScanned}
		if report != nil {
			subject, _ = admission.SubjectOf(scan.Request{Reference: j.known.Reference}, report, nil)
		}
		var before, after *policy.Result
		if j.pair.Before != nil {
			before = new(j.pair.Before.Evaluate(subject, r.now))
		}
		if j.pair.After != nil {
			after = new(j.pair.After.Evaluate(subject, r.now))
		}
		r.count(&j, before, after)
	}
}

// count takes an image into the result.
func (r *run) count(j *judging, before, after *policy.Result) {
	change := compare(before, after)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.result.Images++
	switch change {
	case NewlyDenied:
		r.result.NewlyDenied++
	case NewlyAllowed:
		r.result.NewlyAllowed++
	case VerdictChanges:
		r.result.VerdictChanges++
	case StillDenied:
		r.result.StillDenied++
	default:
		r.result.StillAllowed++
		return
	}
	row := Row{
		Change: change, PolicyID: j.pair.id(), Reference: j.known.Reference, Digest: j.known.Digest, Before: judgement(before), After: judgement(after),
		Decided: j.known.At, Places: j.known.Places, More: j.known.More,
	}
	if row.Places == nil {
		row.Places = []Place{}
	}
	row.Rule, row.Detail = difference(change, before, after)
	r.keep(&row)
}

// keep keeps a row among the first of its change: images come in an order that chance makes, so that all are kept and the last cut off in sort.
func (r *run) keep(row *Row) {
	r.rows[row.Change]++
	r.result.Rows = append(r.result.Rows, *row)
}

// sort puts rows in their order and cuts off what is too many.
func (r *run) sort() {
	slices.SortFunc(r.result.Rows, func(a, b Row) int {
		return cmp.Or(cmp.Compare(rank(a.Change), rank(b.Change)), b.Decided.Compare(a.Decided), cmp.Compare(a.Digest, b.Digest), cmp.Compare(a.PolicyID, b.PolicyID))
	})
	seen := map[Change]int{}
	r.result.Rows = slices.DeleteFunc(r.result.Rows, func(row Row) bool {
		seen[row.Change]++
		return seen[row.Change] > r.most
	})
	for _, change := range changes() {
		if more := r.rows[change] - r.most; more > 0 {
			r.result.Partial = append(r.result.Partial, fmt.Sprintf("%d more images that are %s are counted and not listed", more, change))
		}
	}
}

func changes() []Change { return []Change{NewlyDenied, NewlyAllowed, VerdictChanges, StillDenied} }

func rank(c Change) int { return slices.Index(changes(), c) }
