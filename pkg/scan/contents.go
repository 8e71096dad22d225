package scan

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/sirupsen/logrus"
	"golang.org/x/sync/errgroup"

	"github.com/runecast/runecast/pkg/image"
	"github.com/runecast/runecast/pkg/inventory"
)

// contentsReader finds out what an image contains: from the store, or by reading its layers.
type contentsReader struct {
	layers    *layerReader
	store     InventoryStore // may be nil
	keeper    *keeper
	metrics   Metrics
	parallel  int
	progress  func(Progress)
	slots     chan struct{} // one for each image that is being read
	queued    atomic.Int64
	maxQueued int64
	timeout   time.Duration
	maxKept   int64 // bytes of memory that an image's layers may take
	now       func() time.Time
	log       logrus.FieldLogger
}

// queueFullError says that a scan has not even begun.
type queueFullError struct{ max int64 }

func (q *queueFullError) Error() string { return fmt.Sprintf("%d scans are waiting already", q.max) }

// errScanTime is the end of a scan's own time.
var errScanTime = errors.New("the time for a scan is over")

// read gives an image's contents and what keeps them, to be done later.
func (c *contentsReader) read(ctx context.Context, img *image.Image, status *status) (*Contents, func(context.Context), error) {
	nothing := func(context.Context) {}
	if contents := c.stored(ctx, img.Digest); contents != nil {
		c.metrics.CacheHit(HitInventory)
		return contents, nothing, nil
	}
	if err := c.enter(ctx, status); err != nil {
		return nil, nil, err
	}
	defer func() { <-c.slots }()
	work, cancel := context.WithTimeoutCause(ctx, c.timeout, errScanTime)
	defer cancel()
	inv, byTable, err := c.readLayers(work, img, status)
	if err != nil {
		if cause := context.Cause(work); errors.Is(cause, errScanTime) {
			err = fmt.Errorf("%w after %s: %s", errScanTime, c.timeout, status)
		}
		return nil, nil, err
	}
	contents := &Contents{
		Format: contentsFormat, Inventory: inv, Platform: img.Platform, Size: img.Size(), Layers: len(img.Layers), ReadAt: c.now().UTC(), ByTable: byTable,
	}
	if c.store == nil || byTable > 0 {
		return contents, nothing, nil
	}
	return contents, func(ctx context.Context) {
		c.keeper.ask(ctx, "put inventory", img.Digest, func(ctx context.Context) error {
			return c.store.PutInventory(ctx, img.Digest, contents)
		})
	}, nil
}

// stored gives nil where there are no contents, or none that can be read.
func (c *contentsReader) stored(ctx context.Context, digest string) (contents *Contents) {
	if c.store == nil {
		return nil
	}
	answered := c.keeper.ask(ctx, "get inventory", digest, func(ctx context.Context) (err error) {
		contents, err = c.store.Inventory(ctx, digest)
		return err
	})
	if !answered || contents == nil || contents.Format != contentsFormat {
		return nil
	}
	return contents
}

// enter waits for a slot. The caller gives it back.
func (c *contentsReader) enter(ctx context.Context, status *status) error {
	select {
	case c.slots <- struct{}{}:
		return nil
	default:
	}
	if c.queued.Add(1) > c.maxQueued {
		c.queued.Add(-1)
		return &queueFullError{c.maxQueued}
	}
	defer c.queued.Add(-1)
	status.queued.Store(true)
	defer status.queued.Store(false)
	select {
	case c.slots <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// readLayers reads every layer once, the largest first so that it does not run alone at the end, and stacks them.
func (c *contentsReader) readLayers(ctx context.Context, img *image.Image, status *status) (inv inventory.Inventory, byTable int, err error) {
	distinct := map[string]*inventory.Layer{}
	var order []image.Layer
	for _, l := range img.Layers {
		if _, ok := distinct[l.Digest]; !ok {
			distinct[l.Digest] = nil
			order = append(order, l)
			status.total.Add(l.Size)
		}
	}
	slices.SortStableFunc(order, func(a, b image.Layer) int { return cmp.Compare(b.Size, a.Size) })
	tell := func(finished bool) {
		c.progress(Progress{Image: img.Reference, Digest: img.Digest, Done: status.done.Load(), Total: status.total.Load(), Finished: finished})
	}
	defer tell(true)
	read := make([]readLayer, len(order))
	var kept atomic.Int64
	group, groupCtx := errgroup.WithContext(ctx)
	group.SetLimit(c.parallel)
	for i, l := range order {
		group.Go(func() error {
			return guarded(c.log, "reading layer "+l.Digest, func() (err error) {
				read[i], err = c.layers.layer(groupCtx, img, l, func(n int64) {
					if status.add(n) {
						tell(false)
					}
				})
				if err == nil && kept.Add(read[i].Memory()) > c.maxKept {
					err = &inventory.Error{Kind: inventory.KindTooLarge, Err: fmt.Errorf("with it, what is to be kept of the image exceeds %d bytes", c.maxKept)}
				}
				return err
			})
		})
	}
	if failure := group.Wait(); failure != nil {
		return inventory.Inventory{}, 0, failure
	}
	for i, l := range order {
		distinct[l.Digest] = read[i].Layer
		if read[i].byTable {
			byTable++
		}
	}
	if inv, err = c.merge(ctx, img, distinct); err == nil {
		warnOfTables(&inv, byTable, len(order))
	}
	return inv, byTable, err
}

func (c *contentsReader) merge(ctx context.Context, img *image.Image, distinct map[string]*inventory.Layer) (inv inventory.Inventory, err error) {
	layers := make([]*inventory.Layer, len(img.Layers))
	digests := make([]string, len(img.Layers))
	for i, l := range img.Layers {
		layers[i], digests[i] = distinct[l.Digest], l.Digest
	}
	return inventory.Merge(ctx, layers, digests)
}
