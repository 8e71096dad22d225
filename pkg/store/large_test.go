package store_test

import (
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/runecast/runecast/pkg/store"
	"github.com/runecast/runecast/pkg/store/storetest"
)

// How large the database of BenchmarkLarge is; RUNECAST_BENCH_SCANS makes it smaller or larger, for a look.
const (
	largeScans    = 100_000
	largeFindings = 50 // of each of as many images as there are scans
	largeKnown    = 40_000
)

// BenchmarkLarge measures what pages and the REST interface read of 100,000 scans and 5,000,000 findings, on SQLite and PostgreSQL, and looks
// at the plans there. p50-ms and p99-ms are of single reads. The floor is a row by its primary key.
func BenchmarkLarge(b *testing.B) {
	size := largeScans
	if given, err := strconv.Atoi(os.Getenv("RUNECAST_BENCH_SCANS")); err == nil && given > 0 {
		size = given
	}
	for _, kind := range []struct {
		name    string
		backend storetest.Backend
	}{{"sqlite", storetest.SQLite()}, {"postgres", postgres.Backend()}} {
		b.Run(kind.name, func(b *testing.B) {
			dsn := kind.backend.New(b)
			s := storetest.Open(b, dsn)
			now, begin := time.Now(), time.Now()
			storetest.Fill(b, s, storetest.Large{Scans: size, Images: size, Findings: largeFindings, Vulnerabilities: largeKnown, Now: now})
			raw := kind.backend.Raw(b, dsn)
			var scans, findings int
			if err := raw.QueryRowContext(b.Context(), `SELECT (SELECT COUNT(*) FROM scans), (SELECT COUNT(*) FROM findings)`).Scan(&scans, &findings); err != nil {
				b.Fatal(err)
			}
			if scans != size || findings != size*largeFindings {
				b.Fatalf("there are %d scans and %d findings", scans, findings)
			}
			b.Logf("%s: filled with %d scans and %d findings in %s", kind.name, scans, findings, time.Since(begin).Round(time.Second))
			if kind.name == "postgres" { // as autovacuum does in time
				if _, err := raw.ExecContext(b.Context(), "VACUUM ANALYZE"); err != nil {
					b.Fatal(err)
				}
			}
			all := readings(b, s, now)
			newExplainer(b, kind.backend, dsn, false).check(b, s, all)
			floor := reading{"floor: a report's counts by primary key", func(tb testing.TB, _ *store.Store) int {
				tb.Helper()
				var packages int
				if err := raw.QueryRowContext(tb.Context(), `SELECT packages FROM reports WHERE digest = $1 AND feed_revision = $2`, storetest.Digest(0), "f1").Scan(&packages); err != nil {
					tb.Fatal(err)
				}
				return packages
			}}
			for _, r := range slices.Concat([]reading{floor}, all, handled(b, s)) {
				b.Run(r.name, func(b *testing.B) { measure(b, s, r) })
			}
		})
	}
}

// measure reports the median and the 99th percentile of single reads.
func measure(b *testing.B, s *store.Store, r reading) {
	b.Helper()
	var times []time.Duration
	rows := 0
	for b.Loop() {
		begin := time.Now()
		rows = r.read(b, s)
		times = append(times, time.Since(begin))
	}
	slices.Sort(times)
	for name, share := range map[string]float64{"p50-ms": 0.5, "p99-ms": 0.99} {
		at := times[min(int(share*float64(len(times))), len(times)-1)]
		b.ReportMetric(float64(at.Microseconds())/1000, name)
	}
	b.ReportMetric(float64(rows), "rows")
	b.ReportMetric(0, "ns/op")
}
