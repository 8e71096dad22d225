package job

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/push"

	"github.com/runecast/runecast/certgen/plan"
	"github.com/runecast/runecast/certgen/state"
)

// Metric is one value, as status prints it.
type Metric struct {
	Name   string            `json:"name"`
	Labels map[string]string `json:"labels,omitempty"`
	Value  float64           `json:"value"`
}

// metrics are gauges all: a run is too short to count, so what counts on is kept in annotations of the Secrets.
type metrics struct {
	values []Metric
}

func (m *metrics) set(name string, value float64, labels map[string]string) {
	m.values = append(m.values, Metric{Name: "runecast_certgen_" + name, Labels: labels, Value: value})
}

// measure gives what can be measured of a status.
func (s *Status) measure() []Metric {
	m := metrics{}
	for i := range s.Certificates {
		c := &s.Certificates[i]
		m.set("certificate_expiry_timestamp_seconds", float64(c.NotAfter.Unix()), map[string]string{"certificate": c.Name})
		m.set("certificate_renewal_timestamp_seconds", float64(c.RenewsAt.Unix()), map[string]string{"certificate": c.Name})
	}
	for _, p := range state.Phases() {
		m.set("phase", bit(s.Phase == p.Name()), map[string]string{"of": "ca", "phase": p.Name()})
		m.set("phase", bit(s.KeyPhase == p.Name()), map[string]string{"of": "key", "phase": p.Name()})
	}
	m.set("renewals", float64(s.Renewals), nil)
	m.set("rotations", float64(max(0, s.Generation-1)), nil)
	m.set("problems", float64(len(s.Problems)), nil)
	m.set("due", bit(s.Due), nil)
	return m.values
}

func bit(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// Pusher sends metrics to a Pushgateway.
type Pusher struct {
	URL       string // user and password in it are sent as such
	Namespace string
	Command   string
}

// Push sends what can be measured of a run: the status after it, what it did and whether it failed.
func (p Pusher) Push(ctx context.Context, s *Status, did []plan.Step, failed bool, at time.Time) error {
	m := metrics{}
	for event, n := range events(did) {
		m.set("last_run_actions", float64(n), map[string]string{"event": event})
	}
	m.set("last_run_failed", bit(failed), nil)
	m.set("last_run_timestamp_seconds", float64(at.Unix()), nil)
	if s != nil {
		m.values = append(m.values, s.Metrics...)
	}
	target, err := url.Parse(p.URL)
	if err != nil {
		return errors.New("push metrics: the URL of the Pushgateway cannot be read")
	}
	user := target.User
	target.User = nil
	pusher := push.New(target.String(), "runecast-certgen").Grouping("namespace", p.Namespace).Grouping("command", p.Command).Collector(m)
	if user != nil {
		password, _ := user.Password()
		pusher = pusher.BasicAuth(user.Username(), password)
	}
	if err := pusher.PushContext(ctx); err != nil {
		return fmt.Errorf("push metrics: %w", err)
	}
	return nil
}

func events(did []plan.Step) map[string]int {
	n := map[string]int{}
	for i := range did {
		if did[i].Event != "" {
			n[did[i].Event]++
		}
	}
	return n
}

// Describe describes no metric beforehand, which makes this an unchecked collector.
func (m metrics) Describe(chan<- *prometheus.Desc) {}

// Collect gives the values.
func (m metrics) Collect(to chan<- prometheus.Metric) {
	for _, v := range m.values {
		desc := prometheus.NewDesc(v.Name, help(v.Name), nil, maps.Clone(v.Labels))
		to <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, v.Value)
	}
}

func help(name string) string {
	texts := map[string]string{
		"runecast_certgen_certificate_expiry_timestamp_seconds":  "When a certificate ends, in seconds since 1970.",
		"runecast_certgen_certificate_renewal_timestamp_seconds": "When two thirds of a certificate's life are over, in seconds since 1970.",
		"runecast_certgen_phase":                                 "1 for the phase in which a rotation of the CA or of the review key is.",
		"runecast_certgen_renewals":                              "Serving certificates made after the first.",
		"runecast_certgen_rotations":                             "CAs made after the first.",
		"runecast_certgen_problems":                              "Faults that keep a part from being done.",
		"runecast_certgen_due":                                   "1 when a run would write something.",
		"runecast_certgen_last_run_actions":                      "What the last run did, by the reason of its Event.",
		"runecast_certgen_last_run_failed":                       "1 when the last run failed.",
		"runecast_certgen_last_run_timestamp_seconds":            "When the last run ended, in seconds since 1970.",
	}
	return texts[name]
}
