package store_test

import (
	"path/filepath"
	"testing"

	"github.com/google/uuid"

	"github.com/runecast/runecast/pkg/admission"
	"github.com/runecast/runecast/pkg/store"
	"github.com/runecast/runecast/pkg/store/storetest"
)

// both runs a benchmark on both databases. PostgreSQL runs without fsync here, so its writes cost less than on a real server.
func both(b *testing.B, bench func(*testing.B, *store.Store)) {
	b.Helper()
	b.Run("sqlite", func(b *testing.B) { bench(b, storetest.Open(b, filepath.Join(b.TempDir(), "bench.db"))) })
	b.Run("postgres", func(b *testing.B) { bench(b, storetest.Open(b, postgres.NewDatabase(b))) })
}

func BenchmarkCreateDecision(b *testing.B) {
	both(b, func(b *testing.B, s *store.Store) {
		b.Helper()
		decision := storetest.Decision(1)
		b.ReportAllocs()
		for b.Loop() {
			decision.ID = uuid.NewString()
			if err := s.CreateDecision(b.Context(), decision); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkCreateDecisions stores a hundred at a time, as a busy server does; a figure is for a hundred.
func BenchmarkCreateDecisions(b *testing.B) {
	both(b, func(b *testing.B, s *store.Store) {
		b.Helper()
		b.ReportAllocs()
		for b.Loop() {
			var list []*admission.Decision
			for range 100 {
				decision := storetest.Decision(1)
				decision.ID = uuid.NewString()
				list = append(list, &decision)
			}
			if err := s.CreateDecisions(b.Context(), list); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkDecisionsPage(b *testing.B) {
	both(b, func(b *testing.B, s *store.Store) {
		b.Helper()
		for n := range 2000 {
			if err := s.CreateDecision(b.Context(), storetest.Decision(n)); err != nil {
				b.Fatal(err)
			}
		}
		for b.Loop() {
			list, _, err := s.Decisions(b.Context(), store.DecisionFilter{Limit: 50, Namespace: "shop"})
			if err != nil || len(list) != 50 {
				b.Fatal(len(list), err)
			}
		}
	})
}

func BenchmarkReport(b *testing.B) {
	for name, findings := range map[string]int{"10 findings": 10, "500 findings": 500} {
		b.Run(name, func(b *testing.B) {
			both(b, func(b *testing.B, s *store.Store) {
				b.Helper()
				want := storetest.Report(1, findings)
				if err := s.PutReport(b.Context(), want); err != nil {
					b.Fatal(err)
				}
				b.ReportAllocs()
				for b.Loop() {
					report, err := s.Report(b.Context(), want.Digest, want.Feed.Revision)
					if err != nil || len(report.Findings) != findings {
						b.Fatal(report, err)
					}
				}
			})
		})
	}
}

func BenchmarkReportMissing(b *testing.B) {
	both(b, func(b *testing.B, s *store.Store) {
		b.Helper()
		for b.Loop() {
			if report, err := s.Report(b.Context(), storetest.Digest(1), "f1"); report != nil || err != nil {
				b.Fatal(report, err)
			}
		}
	})
}

func BenchmarkPutReport(b *testing.B) {
	both(b, func(b *testing.B, s *store.Store) {
		b.Helper()
		report := storetest.Report(1, 500)
		for b.Loop() {
			if err := s.PutReport(b.Context(), report); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkWritable(b *testing.B) {
	both(b, func(b *testing.B, s *store.Store) {
		b.Helper()
		for b.Loop() {
			if err := s.Writable(b.Context()); err != nil {
				b.Fatal(err)
			}
		}
	})
}
