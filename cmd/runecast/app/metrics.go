package app

import (
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/runecast/runecast/pkg/admission"
	"github.com/runecast/runecast/pkg/feed"
	"github.com/runecast/runecast/pkg/rematch"
)

// metrics are what /metrics shows. They implement the metrics interfaces of the packages that count.
type metrics struct {
	registry      *prometheus.Registry
	reviews       *prometheus.CounterVec
	latency       *prometheus.HistogramVec
	refused       *prometheus.CounterVec
	panics        prometheus.Counter
	scans         *prometheus.CounterVec
	running       prometheus.Gauge
	scanTime      prometheus.Histogram
	cache         *prometheus.CounterVec
	storeErrors   *prometheus.CounterVec
	layers        prometheus.Counter
	layerBytes    prometheus.Counter
	flips         *prometheus.CounterVec
	pruned        *prometheus.CounterVec
	notifications *prometheus.CounterVec
}

// reviewBuckets reach from a cached review to the longest timeout that Kubernetes allows, in seconds.
func reviewBuckets() []float64 {
	return []float64{.0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30}
}

func newMetrics() *metrics {
	m := &metrics{
		registry: prometheus.NewRegistry(),
		reviews: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "runecast_reviews_total", Help: "Reviews answered, by policy, verdict, whether the API server was told to allow, reason and whether it was a dry run.",
		}, []string{"policy", "verdict", "allowed", "reason", "dry_run"}),
		latency: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "runecast_review_duration_seconds", Help: "Time from a review's arrival to its decision.", Buckets: reviewBuckets(),
		}, []string{"policy"}),
		refused: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "runecast_requests_refused_total", Help: "Requests answered with an HTTP error instead of a review, by status code.",
		}, []string{"code"}),
		panics: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "runecast_panics_total", Help: "Panics that were caught.",
		}),
		scans: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "runecast_scans_total", Help: "Scans finished, by outcome: ok, or the kind of failure.",
		}, []string{"outcome"}),
		scanTime: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "runecast_scan_duration_seconds", Help: "Time of scans that read an image.", Buckets: []float64{.01, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 300, 600},
		}),
		cache: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "runecast_cache_hits_total", Help: "What spared a scan some of its work: memory, report, shared, inventory, layer.",
		}, []string{"cache"}),
		running: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "runecast_scans_running", Help: "Scans under way.",
		}),
		storeErrors: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "runecast_store_errors_total", Help: "Failures to keep or find what scans learned, by operation.",
		}, []string{"operation"}),
		layers: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "runecast_layers_read_total", Help: "Layers read to their end.",
		}),
		flips: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "runecast_flips_total", Help: "Verdicts of images judged before that a new feed changed, by policy and new verdict.",
		}, []string{"policy", "to"}),
		pruned: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "runecast_pruned_total", Help: "Records deleted because they are older than they are to be kept: decisions and flips.",
		}, []string{"what"}),
		notifications: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "runecast_notifications_total", Help: "Attempts to send a notification, by destination and outcome: sent, failed (it is tried again), dead (it was given up).",
		}, []string{"destination", "outcome"}),
		layerBytes: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "runecast_layer_bytes_total", Help: "Compressed bytes of the layers that were read.",
		}),
	}
	m.registry.MustRegister(m.reviews, m.latency, m.refused, m.panics, m.scans, m.scanTime, m.cache, m.running, m.storeErrors, m.layers, m.layerBytes, m.flips, m.pruned, m.notifications,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// gauge registers a value that is asked for at each scrape.
func (m *metrics) gauge(name, help string, value func() float64) {
	m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, value))
}

// counter registers a count that is kept elsewhere.
func (m *metrics) counter(name, help string, value func() float64) {
	m.registry.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{Name: name, Help: help}, value))
}

// updates registers what tells of the feed's updates.
func (m *metrics) updates(u *feed.Updater) {
	m.counter("runecast_feed_update_failures_total", "Updates of the vulnerability data that failed.", func() float64 { return float64(u.Failures()) })
	m.gauge("runecast_feed_update_last_success_timestamp_seconds", "When the source of the vulnerability data was last asked with success; 0 where it never was.", func() float64 {
		if last := u.State().LastSuccess; !last.IsZero() {
			return float64(last.Unix())
		}
		return 0
	})
}

func (m *metrics) handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{})
}

// Reviewed counts an answered review.
func (m *metrics) Reviewed(d *admission.Decision, dryRun bool) {
	m.reviews.WithLabelValues(d.PolicyID, string(d.Verdict), strconv.FormatBool(d.Allowed), d.Reason, strconv.FormatBool(dryRun)).Inc()
	m.latency.WithLabelValues(d.PolicyID).Observe(d.Duration.Seconds())
}

// Refused counts a request that was answered with an HTTP error.
func (m *metrics) Refused(code int) { m.refused.WithLabelValues(strconv.Itoa(code)).Inc() }

// Panicked counts a panic that was caught.
func (m *metrics) Panicked() { m.panics.Inc() }

// Flipped counts a verdict that a new feed changed.
func (m *metrics) Flipped(f *rematch.Flip) { m.flips.WithLabelValues(f.PolicyID, string(f.To)).Inc() }

// Pruned counts records that were deleted because of their age.
func (m *metrics) Pruned(what string, n int64) { m.pruned.WithLabelValues(what).Add(float64(n)) }

// Notified counts an attempt to send a notification.
func (m *metrics) Notified(destination, outcome string) {
	m.notifications.WithLabelValues(destination, outcome).Inc()
}

// seconds turns a date into an age, NaN-free: an unknown date is -1.
func seconds(date, now time.Time) float64 {
	if date.IsZero() {
		return -1
	}
	return now.Sub(date).Seconds()
}
