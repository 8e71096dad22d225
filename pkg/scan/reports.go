package scan

import (
	"container/list"
	"context"
	"sync"
)

// reportCache keeps reports in memory in front of the store.
type reportCache struct {
	memory  *memory
	store   ReportStore // may be nil
	keeper  *keeper
	metrics Metrics
}

// get gives nil where there is no report, or none that can be read.
func (c *reportCache) get(ctx context.Context, digest, revision string) *Report {
	if r := c.memory.get(digest, revision); r != nil {
		c.metrics.CacheHit(HitMemory)
		return r
	}
	if c.store == nil {
		return nil
	}
	var r *Report
	answered := c.keeper.ask(ctx, "get report", digest, func(ctx context.Context) (err error) {
		r, err = c.store.Report(ctx, digest, revision)
		return err
	})
	if !answered || r == nil || r.Format != contentsFormat {
		return nil
	}
	c.metrics.CacheHit(HitReport)
	c.memory.put(r)
	return r
}

func (c *reportCache) put(ctx context.Context, r *Report) {
	if c.store == nil {
		return
	}
	c.keeper.ask(ctx, "put report", r.Digest, func(ctx context.Context) error { return c.store.PutReport(ctx, r) })
}

// memory keeps the reports that were used last, up to a number of them and a number of findings in them.
type memory struct {
	maxReports, maxWeight int

	mu     sync.Mutex
	weight int
	order  *list.List // of *Report, most recently used first
	byKey  map[reportKey]*list.Element
}

type reportKey struct{ digest, revision string }

func newMemory(maxReports, maxWeight int) *memory {
	return &memory{maxReports: maxReports, maxWeight: maxWeight, order: list.New(), byKey: map[reportKey]*list.Element{}}
}

func (m *memory) get(digest, revision string) *Report {
	m.mu.Lock()
	defer m.mu.Unlock()
	element, ok := m.byKey[reportKey{digest, revision}]
	if !ok {
		return nil
	}
	m.order.MoveToFront(element)
	return reportIn(element)
}

func (m *memory) put(r *Report) {
	m.mu.Lock()
	defer m.mu.Unlock()
	key := reportKey{r.Digest, r.Feed.Revision}
	if old, ok := m.byKey[key]; ok {
		m.remove(old)
	}
	m.byKey[key] = m.order.PushFront(r)
	m.weight += weigh(r)
	for m.order.Len() > m.maxReports || m.weight > m.maxWeight && m.order.Len() > 1 {
		m.remove(m.order.Back())
	}
}

func (m *memory) remove(element *list.Element) {
	r := reportIn(element)
	m.weight -= weigh(r)
	m.order.Remove(element)
	delete(m.byKey, reportKey{r.Digest, r.Feed.Revision})
}

func weigh(r *Report) int { return 1 + len(r.Findings) }

func reportIn(element *list.Element) *Report {
	r, ok := element.Value.(*Report)
	if !ok {
		panic("scan: a foreign value in the list") // only put adds to it
	}
	return r
}
