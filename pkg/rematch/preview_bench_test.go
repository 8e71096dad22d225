package rematch_test

import (
	"testing"
	"time"

	"github.com/runecast/runecast/pkg/impact"
	"github.com/runecast/runecast/pkg/policy"
	"github.com/runecast/runecast/pkg/store/storetest"
)

// BenchmarkPreview asks what policy 2 would do if it named all severities, for the images of BenchmarkRematch. It is here for their sake.
func BenchmarkPreview(b *testing.B) {
	ix, known, isReal := benchIndex(b)
	s := storetest.Open(b, storetest.SQLite().New(b))
	fill(b, s, ix, newMaker(known), false)
	if !isReal {
		b.Log("there is no real data: the feed is made")
	}
	before, _ := builtIn(b).Get("2")
	candidate := *before
	candidate.Rules = []policy.Rule{{Severity: 1, UnknownSeverity: policy.UnknownInclude}}
	after, err := policy.New(&candidate)
	must(b, err)
	p := impact.New(impact.Options{Store: s, Feeds: current{ix}, Time: time.Minute, Now: func() time.Time { return storetest.Decision(0).At.Add(24 * time.Hour) }})
	for b.Loop() {
		r, err := p.Preview(b.Context(), &impact.Request{Pairs: []impact.Pair{{Before: before, After: after}}})
		if err != nil || r.Images != benchImages || r.NotJudged != 0 {
			b.Fatalf("%+v %v", r, err)
		}
		b.ReportMetric(float64(r.NewlyDenied), "denied")
	}
	b.ReportMetric(b.Elapsed().Seconds()/float64(b.N), "s/preview")
}
