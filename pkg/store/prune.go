package store

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"time"

	"github.com/runecast/runecast/pkg/admission"
	"github.com/runecast/runecast/pkg/retention"
)

var _ retention.Store = (*Store)(nil)

// PruneDecisions implements retention.Store. What was counted of the decisions goes with them.
func (s *Store) PruneDecisions(ctx context.Context, before time.Time, limit int) (gone int64, err error) {
	err = steadily(ctx, func() (err error) {
		gone, err = s.pruneDecisions(ctx, before.UnixMicro(), limit)
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("delete the decisions before %s: %w", before.UTC().Format(time.RFC3339), err)
	}
	return gone, nil
}

func (s *Store) pruneDecisions(ctx context.Context, before int64, limit int) (int64, error) {
	// Decisions do not change, so that they can be read before the transaction, which counts those that are there still.
	large := withViolations
	if floor(before, microsPerDay) < oldestDenied() {
		large = withoutViolations // what denied them is not counted any more
	}
	list, err := s.findDecisions(ctx, large, `WHERE id IN (SELECT id FROM decisions WHERE at < $1 ORDER BY at, id LIMIT $2)`, []any{before, limit, limit})
	if err != nil {
		return 0, err
	}
	tx, err := s.begin(ctx, true)
	if err != nil {
		return 0, err
	}
	defer tx.end()
	t := newTally(-1)
	if err := forgetScans(ctx, tx, list, t); err != nil {
		return 0, err
	}
	var gone int64
	for part := range slices.Chunk(list, maxRows) {
		result, err := tx.exec(ctx, `DELETE FROM decisions WHERE id IN (`+placeList(0, len(part))+`)`, idsOf(part)...)
		if err != nil {
			return 0, err
		}
		n, err := result.RowsAffected()
		if err != nil {
			return 0, err
		}
		gone += n
	}
	if err := t.take(ctx, tx); err != nil {
		return 0, err
	}
	for _, statement := range []string{
		`DELETE FROM image_verdicts WHERE (digest, policy_id) IN (SELECT digest, policy_id FROM image_verdicts WHERE decided_at < $1 ORDER BY decided_at LIMIT $2)`,
		`DELETE FROM image_namespaces WHERE (digest, namespace) IN (SELECT digest, namespace FROM image_namespaces WHERE admitted_at < $1 ORDER BY admitted_at LIMIT $2)`,
	} {
		if _, err := tx.exec(ctx, statement, before, limit); err != nil {
			return 0, err
		}
	}
	if _, err := tx.exec(ctx, `DELETE FROM denials WHERE day < $1`, oldestDenied()); err != nil {
		return 0, err
	}
	return gone, tx.Commit()
}

// oldestDenied is the first day of which it is counted what denied.
func oldestDenied() int64 { return floor(time.Now().UnixMicro(), microsPerDay) - deniedDays }

// forgetScans has a tally know what the scans that are there of a list of decisions were counted as. On PostgreSQL nobody else deletes
// them meanwhile.
func forgetScans(ctx context.Context, tx *transaction, decisions []admission.Decision, t *tally) error {
	statement := `SELECT seq, id FROM scans WHERE id IN (`
	lock := `) ORDER BY seq`
	if tx.dialect == dialectPostgres {
		lock += ` FOR UPDATE`
	}
	for part := range slices.Chunk(decisions, maxRows) {
		scans := map[string]int64{}
		err := tx.each(ctx, statement+placeList(0, len(part))+lock, idsOf(part), func(rows *sql.Rows) error {
			var seq int64
			var id string
			if err := rows.Scan(&seq, &id); err != nil {
				return err
			}
			scans[id] = seq
			return nil
		})
		if err != nil {
			return err
		}
		for i := range part {
			if seq, there := scans[part[i].ID]; there {
				t.add(&part[i], seq)
			}
		}
	}
	return nil
}

func idsOf(decisions []admission.Decision) []any {
	ids := make([]any, len(decisions))
	for i := range decisions {
		ids[i] = decisions[i].ID
	}
	return ids
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
