package storetest

import (
	"context"
	"testing"
	"time"

	"github.com/runecast/runecast/pkg/store"
	"github.com/runecast/runecast/pkg/web"
)

// sampleRunning gives a running scan with every field.
func sampleRunning(id string, at time.Time) *web.RunningScan {
	return &web.RunningScan{
		ID: id, At: at, PolicyID: "2", Policy: "No “critical”", User: "admin", Seen: at.Add(time.Second),
		Images: []web.RunningImage{{Reference: "nginx:1.19", Done: 12, Total: 100, Verdict: "deny", Cause: "none"}, {Reference: "<b>\x00"}},
	}
}

// runningCalls are the methods about running scans.
func runningCalls() []call {
	return []call{
		{"PutRunningScan", true, func(ctx context.Context, s *store.Store) error {
			return s.PutRunningScan(ctx, sampleRunning("run", when()))
		}},
		{"RunningScan", false, func(ctx context.Context, s *store.Store) error { _, err := s.RunningScan(ctx, "run"); return err }},
		{"RunningScans", false, func(ctx context.Context, s *store.Store) error { _, err := s.RunningScans(ctx); return err }},
		{"DeleteRunningScan", true, func(ctx context.Context, s *store.Store) error { return s.DeleteRunningScan(ctx, "run") }},
		{"PruneRunningScans", true, func(ctx context.Context, s *store.Store) error { return s.PruneRunningScans(ctx, when()) }},
	}
}

func testRunningScans(t *testing.T, b Backend) {
	t.Helper()
	s := Open(t, b.New(t))
	old, young := sampleRunning("old", when()), sampleRunning("young", when().Add(time.Minute))
	must(t, s.PutRunningScan(t.Context(), old))
	must(t, s.PutRunningScan(t.Context(), young))
	got, err := s.RunningScan(t.Context(), "old")
	must(t, err)
	equal(t, "a running scan", got, old)
	utc(t, got.At)
	utc(t, got.Seen)
	old.Images[0].Done, old.Seen = 100, when().Add(time.Hour)
	must(t, s.PutRunningScan(t.Context(), old))
	list, err := s.RunningScans(t.Context())
	must(t, err)
	equal(t, "running scans, newest first", list, []web.RunningScan{*young, *old})
	must(t, s.PruneRunningScans(t.Context(), when().Add(30*time.Minute)))
	must(t, s.DeleteRunningScan(t.Context(), "never there"))
	list, err = s.RunningScans(t.Context())
	must(t, err)
	equal(t, "running scans that were heard of", list, []web.RunningScan{*old})
	must(t, s.DeleteRunningScan(t.Context(), "old"))
	if got, err := s.RunningScan(t.Context(), "old"); got != nil || err != nil {
		t.Errorf("a deleted one gives %v, %v", got, err)
	}
}
