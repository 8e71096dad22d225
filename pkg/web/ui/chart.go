package ui

import (
	"strconv"
	"time"

	"github.com/runecast/runecast/pkg/web"
)

// Measures of the chart of verdicts, in the units of its drawing.
const (
	chartWidth  = 720
	chartHeight = 180
	chartLeft   = 44 // where the bars begin; the numbers stand before
	chartRight  = 16 // free at the right, for the last word of the axis
	chartTop    = 8
	chartLabels = 6 // of the time axis, at most
	chartGrid   = 4 // lines, at most
)

// chart is the drawing of verdicts over time, made here so that the page needs no script.
type chart struct {
	Width, Height, Left, Right, Bottom int
	Bars                               []chartBar
	Grid                               []chartMark
	Labels                             []chartMark
	Total                              web.VerdictCounts
	Span                               string // that it shows, in words
}

// chartBar is one step of time: its parts lie upon each other.
type chartBar struct {
	Label                string // of the step: 2026-11-27
	X, Width             float64
	Allow, Deny, Unknown chartPart
	Counts               web.VerdictCounts
}

type chartPart struct{ Y, Height float64 }

// chartMark is a line of the grid, or a word at the axis.
type chartMark struct {
	At   float64
	Text string
}

// drawVerdicts draws buckets, the oldest at the left.
func drawVerdicts(buckets []web.VerdictBucket, step time.Duration, span string) *chart {
	c := &chart{Width: chartWidth, Height: chartHeight + 24, Left: chartLeft, Right: chartWidth - chartRight, Bottom: chartHeight, Span: span}
	most := 0
	for i := range buckets {
		most = max(most, buckets[i].Sum())
	}
	top, unit := scale(most)
	height := func(n int) float64 { return round(float64(n) / float64(top) * (chartHeight - chartTop)) }
	for n := 0; n <= top; n += unit {
		c.Grid = append(c.Grid, chartMark{round(chartHeight - height(n)), strconv.Itoa(n)})
	}
	layout := time.DateOnly
	if step < 24*time.Hour {
		layout = "01-02 15:04"
	}
	width := float64(chartWidth-chartLeft-chartRight) / float64(max(1, len(buckets)))
	every := max(1, (len(buckets)+chartLabels-1)/chartLabels)
	for i := range buckets {
		b := &buckets[i]
		bar := chartBar{
			Label: b.From.UTC().Format(layout), X: round(chartLeft + float64(i)*width + width*0.1), Width: round(width * 0.8), Counts: b.VerdictCounts,
		}
		y := float64(chartHeight)
		for _, part := range []struct {
			into *chartPart
			n    int
		}{{&bar.Allow, b.Allow}, {&bar.Deny, b.Deny}, {&bar.Unknown, b.Unknown}} {
			h := height(part.n)
			y -= h
			*part.into = chartPart{round(y), h}
		}
		c.Bars = append(c.Bars, bar)
		c.Total.Allow += b.Allow
		c.Total.Deny += b.Deny
		c.Total.Unknown += b.Unknown
		if i%every == 0 {
			text := bar.Label
			if layout == time.DateOnly {
				text = text[len("2006-"):]
			}
			c.Labels = append(c.Labels, chartMark{round(bar.X + bar.Width/2), text})
		}
	}
	return c
}

// scale gives a round number that is not below most, and the distance of the lines below it: 1, 2, 5, 10, 20, 50, …
func scale(most int) (top, unit int) {
	unit = 1
	for i := 0; unit*chartGrid < most; i++ {
		if i%3 == 1 {
			unit = unit / 2 * 5
		} else {
			unit *= 2
		}
	}
	return max(unit, (most+unit-1)/unit*unit), unit
}

// round keeps a tenth of a unit, which no eye sees.
func round(f float64) float64 { return float64(int(f*10+0.5)) / 10 }

// share is one of the things that deny most, with the width of its bar, 1 to 100.
type share struct {
	web.DeniedCount
	Width int
	Link  string
}

// shares gives the bars of a list, the longest first.
func shares(list []web.DeniedCount, link func(name string) string) []share {
	rows := make([]share, 0, len(list))
	for _, one := range list {
		row := share{DeniedCount: one, Width: max(1, 100*one.Scans/max(1, list[0].Scans))}
		if link != nil {
			row.Link = link(one.Name)
		}
		rows = append(rows, row)
	}
	return rows
}
