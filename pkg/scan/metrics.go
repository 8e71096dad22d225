package scan

import "time"

// Hit names what spared a scan some of its work.
type Hit string

// The hits, from the cheapest answer to the least saving.
const (
	HitMemory    Hit = "memory"    // a report in memory
	HitReport    Hit = "report"    // a stored report
	HitShared    Hit = "shared"    // another caller's scan that was running already
	HitInventory Hit = "inventory" // a stored inventory, matched anew
	HitLayer     Hit = "layer"     // a stored layer, or one that another scan was reading
)

// OutcomeOK is the outcome of a scan that gave a report; every other outcome is the Kind of its error.
const OutcomeOK = "ok"

// Metrics is told what an Engine does. Implementations are safe for concurrent use and quick.
type Metrics interface {
	ScanStarted()                                            // one that no report in memory or store answers
	ScanFinished(outcome string, duration time.Duration)     // every started scan, in the background too
	CacheHit(hit Hit)                                        //
	StoreFailed(operation string)                            // get or put of report, inventory or layer: "put layer"
	LayerRead(compressedBytes int64, duration time.Duration) // one layer read to its end
}

type noMetrics struct{}

func (noMetrics) ScanStarted()                       {}
func (noMetrics) ScanFinished(string, time.Duration) {}
func (noMetrics) CacheHit(Hit)                       {}
func (noMetrics) StoreFailed(string)                 {}
func (noMetrics) LayerRead(int64, time.Duration)     {}
