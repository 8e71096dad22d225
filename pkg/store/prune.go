package store

import (
	"context"
	"fmt"
	"time"

	"github.com/runecast/runecast/pkg/retention"
)

var _ retention.Store = (*Store)(nil)

// PruneDecisions implements retention.Store.
func (s *Store) PruneDecisions(ctx context.Context, before time.Time, limit int) (int64, error) {
	gone, err := s.execCount(ctx, `DELETE FROM decisions WHERE id IN (SELECT id FROM decisions WHERE at < $1 ORDER BY at, id LIMIT $2)`, before.UnixMicro(), limit)
	if err != nil {
		return 0, fmt.Errorf("delete the decisions before %s: %w", before.UTC().Format(time.RFC3339), err)
	}
	return gone, nil
}

// spentFlips are those that no verdict rests on: a later flip or decision of the same image and policy took their place, or there is
// no decision any more, so that the image is not judged again.
const spentFlips = `EXISTS (SELECT 1 FROM flips AS n WHERE n.digest = f.digest AND n.policy_id = f.policy_id AND n.at > f.at)
	OR NOT EXISTS (SELECT 1 FROM decision_images AS i JOIN decisions AS d ON d.id = i.decision_id WHERE i.digest = f.digest AND d.policy_id = f.policy_id)
	OR EXISTS (SELECT 1 FROM decision_images AS i JOIN decisions AS d ON d.id = i.decision_id
		WHERE i.digest = f.digest AND d.policy_id = f.policy_id AND i.feed_revision <> '' AND d.at > f.at)`

// PruneFlips implements retention.Store.
func (s *Store) PruneFlips(ctx context.Context, before time.Time, most int64, limit int) (int64, error) {
	gone, err := s.pruneFlips(ctx, "f.at < $1 AND ("+spentFlips+")", before.UnixMicro(), int64(limit))
	if err != nil || gone == int64(limit) {
		return gone, err
	}
	var count int64
	if err := steadily(ctx, func() error { return s.read.QueryRowContext(ctx, `SELECT count(*) FROM flips`).Scan(&count) }); err != nil {
		return gone, fmt.Errorf("count the flips: %w", err)
	}
	if over := min(count-most, int64(limit)-gone); most > 0 && over > 0 {
		more, err := s.pruneFlips(ctx, "f.at >= $1 AND ("+spentFlips+")", before.UnixMicro(), over)
		return gone + more, err
	}
	return gone, nil
}

func (s *Store) pruneFlips(ctx context.Context, where string, at, limit int64) (int64, error) {
	gone, err := s.execCount(ctx, `DELETE FROM flips WHERE (digest, policy_id, to_revision, since) IN (
		SELECT f.digest, f.policy_id, f.to_revision, f.since FROM flips AS f WHERE `+where+` ORDER BY f.at LIMIT $2)`, at, limit)
	if err != nil {
		return 0, fmt.Errorf("delete flips: %w", err)
	}
	return gone, nil
}
