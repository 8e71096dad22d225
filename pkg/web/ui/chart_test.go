package ui_test

import (
	"testing"
	"time"

	"github.com/runecast/runecast/pkg/web"
	"github.com/runecast/runecast/pkg/web/ui"
)

func TestScale(t *testing.T) {
	t.Parallel()
	for most, want := range map[int][2]int{0: {1, 1}, 1: {1, 1}, 4: {4, 1}, 5: {6, 2}, 8: {8, 2}, 9: {10, 5}, 20: {20, 5}, 21: {30, 10}, 100: {100, 50}, 1234: {1500, 500}, 99999: {100000, 50000}} {
		top, unit := ui.Scale(most)
		if top != want[0] || unit != want[1] || top < most {
			t.Errorf("%d: %d by %d, want %v", most, top, unit, want)
		}
	}
}

// TestBarsHoldTheirNumbers: the parts of a bar lie upon each other, within the drawing, and are as high as their numbers say.
func TestBarsHoldTheirNumbers(t *testing.T) {
	t.Parallel()
	from := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	var buckets []web.VerdictBucket
	for i := range 30 {
		buckets = append(buckets, web.VerdictBucket{From: from.AddDate(0, 0, i), VerdictCounts: web.VerdictCounts{Allow: i, Deny: 2 * i, Unknown: i % 3}})
	}
	c := ui.DrawVerdicts(buckets, 24*time.Hour, "30 days")
	if len(c.Bars) != 30 || len(c.Labels) > 6 || c.Labels[0].Text != "11-01" || c.Total != (web.VerdictCounts{Allow: 435, Deny: 870, Unknown: 30}) {
		t.Fatalf("%d bars, labels %v, total %v", len(c.Bars), c.Labels, c.Total)
	}
	for i, bar := range c.Bars {
		sum := bar.Allow.Height + bar.Deny.Height + bar.Unknown.Height
		if bar.X < float64(c.Left) || bar.X+bar.Width > float64(c.Right) || bar.Unknown.Y < 0 || bar.Allow.Y+bar.Allow.Height > float64(c.Bottom)+0.1 {
			t.Errorf("bar %d is outside: %+v", i, bar)
		}
		if top := float64(c.Bottom) - bar.Unknown.Y; top-sum > 0.3 || sum-top > 0.3 {
			t.Errorf("the parts of bar %d do not lie upon each other: %+v", i, bar)
		}
		if i > 0 && (bar.Deny.Height < 1.8*bar.Allow.Height-0.5 || bar.Deny.Height > 2.2*bar.Allow.Height+0.5) {
			t.Errorf("bar %d: twice as many are not twice as high: %+v", i, bar)
		}
	}
	if empty := ui.DrawVerdicts(nil, time.Hour, ""); len(empty.Bars) != 0 || len(empty.Grid) != 2 {
		t.Errorf("%+v", empty)
	}
}

func TestMerge(t *testing.T) {
	t.Parallel()
	from := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	var buckets []web.VerdictBucket
	for i := range 9 {
		buckets = append(buckets, web.VerdictBucket{From: from.AddDate(0, 0, i), VerdictCounts: web.VerdictCounts{Allow: 1, Deny: i}})
	}
	got := ui.Merge(buckets, 7)
	if len(got) != 2 || got[0].Allow != 2 || got[0].Deny != 1 || got[1].Allow != 7 || got[1].Deny != 35 || !got[1].From.Equal(buckets[2].From) {
		t.Errorf("%v", got)
	}
	if len(ui.Merge(buckets, 0)) != 9 || len(ui.Merge(nil, 7)) != 0 {
		t.Error("nothing is to be merged")
	}
}
