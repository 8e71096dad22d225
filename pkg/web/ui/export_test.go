package ui

import (
	"net/url"
	"time"

	"github.com/runecast/runecast/pkg/advisory"
	"github.com/runecast/runecast/pkg/web"
)

// Explained is a part of a CVSS vector in words.
type Explained = metric

// Explain is explain.
func Explain(version, vector string) []Explained { return explain(version, vector) }

// Bump is a line about a package to bump.
type Bump = bump

// Bumps is bumps.
func Bumps(findings []advisory.Finding) []Bump { return bumps(findings) }

// OwnPath is ownPath.
func OwnPath(next string) string { return ownPath(next) }

// With is with.
func With(path string, query url.Values, pairs ...string) string { return with(path, query, pairs...) }

// Chart is the drawing of verdicts.
type Chart = chart

// DrawVerdicts is drawVerdicts.
func DrawVerdicts(buckets []web.VerdictBucket, step time.Duration, span string) *Chart {
	return drawVerdicts(buckets, step, span)
}

// Scale is scale.
func Scale(most int) (top, unit int) { return scale(most) }

// Merge is merge.
func Merge(buckets []web.VerdictBucket, n int) []web.VerdictBucket { return merge(buckets, n) }
