package rematch_test

import (
	"context"
	"database/sql"
	"hash/crc32"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/runecast/runecast/pkg/admission"
	"github.com/runecast/runecast/pkg/advisory"
	"github.com/runecast/runecast/pkg/policy"
	"github.com/runecast/runecast/pkg/rematch"
	"github.com/runecast/runecast/pkg/scan"
	"github.com/runecast/runecast/pkg/store"
	"github.com/runecast/runecast/pkg/store/storetest"
)

const benchImages = 10_000

// BenchmarkRematch matches 10,000 stored inventories of 400 packages each in SQLite against a new feed, in which one vulnerability of 50 is
// new. Three policies' decisions are recorded about each; every eighth image flips under each of them. One operation is the whole run.
func BenchmarkRematch(b *testing.B) { benchRematch(b, true) }

// BenchmarkRematchFirst is the same with an index of findings that is empty, as after an upgrade.
func BenchmarkRematchFirst(b *testing.B) { benchRematch(b, false) }

func benchRematch(b *testing.B, indexed bool) {
	b.Helper()
	ix, known, isReal := benchIndex(b)
	dsn := storetest.SQLite().New(b)
	s, raw := storetest.Open(b, dsn), storetest.SQLite().Raw(b, dsn)
	findings := fill(b, s, ix, newMaker(known), indexed)
	if !isReal {
		b.Log("there is no real data: the feed is made")
	}
	var peak atomic.Uint64
	for b.Loop() {
		flips := 0
		counted := &forgetful{Store: s, raw: raw}
		loop := rematch.New(rematch.Options{
			Store: counted, Feeds: current{ix}, Policies: builtIn(b), Log: storetest.Log(), Flipped: func(*rematch.Flip) { flips++ },
		})
		watch, stop := context.WithCancel(b.Context())
		go watchMemory(watch, &peak)
		must(b, loop.Once(b.Context()))
		stop()
		if counted.seen != benchImages || flips != 3*benchImages/8 {
			b.Fatalf("%d inventories were matched and %d flips recorded", counted.seen, flips)
		}
	}
	b.ReportMetric(b.Elapsed().Seconds()/float64(b.N), "s/run")
	b.ReportMetric(float64(findings)/benchImages, "findings/image")
	b.ReportMetric(float64(peak.Load())/(1<<20), "MB-heap")
}

// watchMemory keeps the largest heap that it sees.
func watchMemory(ctx context.Context, peak *atomic.Uint64) {
	ticker := time.NewTicker(50 * time.Millisecond)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			peak.Store(max(peak.Load(), m.HeapAlloc))
		}
	}
}

// current is a feed that never changes.
type current struct{ ix *advisory.Index }

func (c current) Current() (*advisory.Index, func(), error) { return c.ix, func() {}, nil }

// forgetful is a store whose runs start anew: it stores flips, then forgets them, and that a run was done.
type forgetful struct {
	*store.Store
	raw  *sql.DB
	seen int
}

func (f *forgetful) Rematched(context.Context) (rematch.Progress, error) {
	return rematch.Progress{}, nil
}

func (f *forgetful) Inventories(ctx context.Context, q rematch.Query) ([]rematch.Stored, error) {
	page, err := f.Store.Inventories(ctx, q)
	f.seen += len(page)
	return page, err
}

func (f *forgetful) FinishRematch(ctx context.Context, revision string) error {
	if err := f.Store.FinishRematch(ctx, revision); err != nil {
		return err
	}
	_, err := f.raw.ExecContext(ctx, "DELETE FROM flips")
	return err
}

// fill stores the images with decisions by an earlier feed, of which those of every eighth image say the contrary of what the index
// says, and with the findings of the earlier feed where they are indexed. It gives the number of findings of all.
func fill(b *testing.B, s *store.Store, ix *advisory.Index, m *maker, indexed bool) (findings int) {
	b.Helper()
	policies := builtIn(b)
	var list []*admission.Decision
	var before []*scan.Report
	for n := range benchImages {
		c := m.image(n)
		digest := storetest.Digest(n)
		must(b, s.PutInventory(b.Context(), digest, c))
		report, err := scan.Rematch(b.Context(), ix, digest, digest, c)
		must(b, err)
		findings += len(report.Findings)
		subject, _ := admission.SubjectOf(scan.Request{Reference: "shop/app:1"}, report, nil)
		for _, id := range []string{"1", "2", "3"} {
			p, _ := policies.Get(id)
			verdict := p.Evaluate(subject, time.Now()).Verdict
			if n%8 == 0 {
				verdict = policy.Verdict("other")
			}
			d := storetest.Decision(n)
			d.PolicyID, d.Images = id, []admission.DecisionImage{{Reference: "shop/app:1", Digest: digest, FeedRevision: "before", Verdict: verdict}}
			list = append(list, &d)
		}
		if before = append(before, byEarlierFeed(report)); !indexed {
			before = nil
		}
		if len(list) >= 300 || n == benchImages-1 {
			must(b, s.CreateDecisions(b.Context(), list))
			must(b, s.PutFindings(b.Context(), before))
			list, before = nil, nil
		}
	}
	return findings
}

// byEarlierFeed gives what a report was by a feed that lacked one vulnerability of 50.
func byEarlierFeed(report *scan.Report) *scan.Report {
	earlier := *report
	earlier.Feed.Revision, earlier.Findings = "before", nil
	for i := range report.Findings {
		if crc32.ChecksumIEEE([]byte(report.Findings[i].ID))%50 != 0 {
			earlier.Findings = append(earlier.Findings, report.Findings[i])
		}
	}
	return &earlier
}
