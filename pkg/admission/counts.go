package admission

import "github.com/runecast/runecast/pkg/advisory"

// Counts are numbers of findings by severity. CVSS's none counts as low.
type Counts struct {
	Critical int `json:"critical"`
	High     int `json:"high"`
	Medium   int `json:"medium"`
	Low      int `json:"low"`
	Unknown  int `json:"unknown"`
}

// CountsOf counts findings.
func CountsOf(findings []advisory.Finding) *Counts {
	var by [advisory.SeverityCritical + 1]int
	for i := range findings {
		by[min(findings[i].Severity, advisory.SeverityCritical)]++
	}
	return &Counts{
		Critical: by[advisory.SeverityCritical], High: by[advisory.SeverityHigh], Medium: by[advisory.SeverityMedium],
		Low: by[advisory.SeverityLow] + by[advisory.SeverityNone], Unknown: by[advisory.SeverityUnknown],
	}
}

// Add adds other numbers to these.
func (c *Counts) Add(more Counts) {
	c.Critical += more.Critical
	c.High += more.High
	c.Medium += more.Medium
	c.Low += more.Low
	c.Unknown += more.Unknown
}

// Counts sums the findings of all images of a decision, those of one report once.
func (d *Decision) Counts() Counts {
	var sum Counts
	for i := range d.Images {
		if image := &d.Images[i]; image.Counts != nil && !counted(d.Images[:i], image) {
			sum.Add(*image.Counts)
		}
	}
	return sum
}

func counted(before []DecisionImage, image *DecisionImage) bool {
	for i := range before {
		if before[i].Counts != nil && before[i].Digest == image.Digest && before[i].FeedRevision == image.FeedRevision {
			return true
		}
	}
	return false
}
