package app

import (
	"time"

	"github.com/runecast/runecast/pkg/scan"
)

// ScanStarted counts a scan that no report answers.
func (m *metrics) ScanStarted() { m.running.Inc() }

// ScanFinished counts a finished scan.
func (m *metrics) ScanFinished(outcome string, duration time.Duration) {
	m.running.Dec()
	m.scans.WithLabelValues(outcome).Inc()
	m.scanTime.Observe(duration.Seconds())
}

// CacheHit counts what spared a scan some of its work.
func (m *metrics) CacheHit(hit scan.Hit) { m.cache.WithLabelValues(string(hit)).Inc() }

// StoreFailed counts a failure to keep or find what a scan learned.
func (m *metrics) StoreFailed(operation string) { m.storeErrors.WithLabelValues(operation).Inc() }

// LayerRead counts a layer that was read to its end.
func (m *metrics) LayerRead(compressedBytes int64, _ time.Duration) {
	m.layers.Inc()
	m.layerBytes.Add(float64(compressedBytes))
}
