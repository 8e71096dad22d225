package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/runecast/runecast/pkg/admission"
)

// CreateDecision is CreateDecisions for one.
func (s *Store) CreateDecision(ctx context.Context, d admission.Decision) error { //nolint:gocritic // what is stored cannot change meanwhile
	return s.CreateDecisions(ctx, []*admission.Decision{&d})
}

// CreateDecisions stores decisions with their images in one transaction, all or none; those whose ids exist already are left
// as they are. Many at a time cost little more than one: most of the price is the transaction's.
func (s *Store) CreateDecisions(ctx context.Context, decisions []*admission.Decision) error {
	for _, d := range decisions {
		if d.ID == "" {
			return errors.New("create decision: it has no id")
		}
	}
	if len(decisions) == 0 {
		return nil
	}
	if err := steadily(ctx, func() error { return s.createDecisions(ctx, decisions) }); err != nil {
		if more := len(decisions) - 1; more > 0 {
			return fmt.Errorf("create decision %s and %d more: %w", decisions[0].ID, more, err)
		}
		return fmt.Errorf("create decision %s: %w", decisions[0].ID, err)
	}
	return nil
}

func (s *Store) createDecisions(ctx context.Context, decisions []*admission.Decision) error {
	tx, err := s.write.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback() //nolint:errcheck // after a commit it does nothing, and after a failure that failure is what counts
	began, err := s.began(ctx, tx)
	if err != nil {
		return err
	}
	for _, d := range decisions {
		if err := insertDecision(ctx, tx, d, began); err != nil {
			return err
		}
	}
	return tx.Commit()
}

// insertDecision stores a decision, and takes note of its images that were judged by another feed than the one that inventories
// are matched at.
func insertDecision(ctx context.Context, tx *sql.Tx, d *admission.Decision, began string) error {
	result, err := tx.ExecContext(ctx, `INSERT INTO decisions
		(id, review_uid, at, duration, triggered, policy_id, policy_name, mode, verdict, allowed, reason, message, operation, api_group, kind, namespace, name, username)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18) ON CONFLICT (id) DO NOTHING`,
		key(d.ID), text(d.ReviewUID), d.At.UnixMicro(), int64(d.Duration), text(d.Trigger), key(d.PolicyID), text(d.Policy), text(d.Mode), key(d.Verdict),
		d.Allowed, text(d.Reason), text(d.Message), text(d.Operation), text(d.Group), text(d.Kind), key(d.Namespace), text(d.Name), text(d.User))
	if err != nil {
		return err
	}
	if created, err := result.RowsAffected(); err != nil || created == 0 {
		return err
	}
	for i := range d.Images {
		args, err := imageArgs(d, i)
		if err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `INSERT INTO decision_images
			(decision_id, position, reference, digest, platform, feed_revision, verdict, cause, violated, violations, exempted)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)`, args...); err != nil {
			return err
		}
		if revision := key(d.Images[i].FeedRevision); began == "" || revision == "" || revision == began {
			continue
		}
		if err := insertLate(ctx, tx, d.Images[i].Digest); err != nil {
			return err
		}
	}
	return nil
}

// imageArgs gives the values of one image's row.
func imageArgs(d *admission.Decision, position int) ([]any, error) {
	image := &d.Images[position]
	violations, err := jsonList(image.Violations)
	if err != nil {
		return nil, fmt.Errorf("violations of image %s: %w", image.Reference, err)
	}
	exempted, err := jsonList(image.Exempted)
	if err != nil {
		return nil, fmt.Errorf("exemptions of image %s: %w", image.Reference, err)
	}
	return []any{
		key(d.ID), position, text(image.Reference), key(image.Digest), text(image.Platform), text(image.FeedRevision),
		text(image.Verdict), text(image.Cause), image.Violated, violations, exempted,
	}, nil
}

// jsonList gives a list as JSON, NULL when it is empty.
func jsonList[T any](list []T) (sql.NullString, error) {
	if len(list) == 0 {
		return sql.NullString{}, nil
	}
	plain, err := json.Marshal(list)
	if err != nil {
		return sql.NullString{}, err
	}
	return sql.NullString{String: string(plain), Valid: true}, nil
}
