package app

import (
	"context"
	"fmt"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/runecast/runecast/pkg/policy"
	"github.com/runecast/runecast/pkg/policy/live"
	"github.com/runecast/runecast/pkg/store"
)

// livePolicies joins the policies that cannot be changed with those of the database, which must be readable now: without them nobody
// knows what judges.
func livePolicies(ctx context.Context, base *policy.Set, s *store.Store, m *metrics, log logrus.FieldLogger) (*live.Set, error) {
	set := live.New(live.Options{Base: base, Store: s, Log: log})
	if err := set.Reload(ctx); err != nil {
		return nil, fmt.Errorf("read the policies: %w", err)
	}
	m.counter("runecast_policy_reload_failures_total", "Looks at the stored policies that failed; the last known ones hold.", func() float64 { return float64(set.Failures()) })
	m.gauge("runecast_policies_current", "1 where the policies are those of the database, 0 where it could not be read at the last look.", func() float64 {
		if set.Err() != nil {
			return 0
		}
		return 1
	})
	m.gauge("runecast_policy_problems", "Stored policies and exemptions that this version cannot use.", func() float64 { return float64(len(set.Problems())) })
	return set, nil
}

// countFeed registers what tells of the feed in use.
func (e *engine) countFeed(m *metrics) {
	m.gauge("runecast_feed_age_seconds", "Age of the newest record of the vulnerability data in use; -1 where there is none.", func() float64 {
		info, failure := e.feedInfo()
		if failure != nil {
			return -1
		}
		return seconds(info.Date, time.Now())
	})
	m.counter("runecast_feeds_refused_total", "Feed indexes that were refused because they are damaged.", func() float64 { return float64(e.feeds.Refused()) })
}
