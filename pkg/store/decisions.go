package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/runecast/runecast/pkg/admission"
	"github.com/runecast/runecast/pkg/notify"
	"github.com/runecast/runecast/pkg/policy"
	"github.com/runecast/runecast/pkg/web"
)

// CreateDecision is CreateDecisions for one.
func (s *Store) CreateDecision(ctx context.Context, d admission.Decision) error { //nolint:gocritic // what is stored cannot change meanwhile
	return s.CreateDecisions(ctx, []*admission.Decision{&d})
}

// CreateDecisions stores decisions with their images in one transaction, all or none; those whose ids exist already are left
// as they are. Many at a time cost little more than one: most of the price is the transaction's.
func (s *Store) CreateDecisions(ctx context.Context, decisions []*admission.Decision) error {
	return s.CreateDecisionsNotifying(ctx, decisions, func(*admission.Decision) []notify.Draft { return nil })
}

// CreateDecisionsNotifying implements notify.Recording.
func (s *Store) CreateDecisionsNotifying(ctx context.Context, decisions []*admission.Decision, plan func(*admission.Decision) []notify.Draft) error {
	for _, d := range decisions {
		if d.ID == "" {
			return errors.New("create decision: it has no id")
		}
	}
	if len(decisions) == 0 {
		return nil
	}
	if err := steadily(ctx, func() error { return s.createDecisions(ctx, decisions, plan) }); err != nil {
		if more := len(decisions) - 1; more > 0 {
			return fmt.Errorf("create decision %s and %d more: %w", decisions[0].ID, more, err)
		}
		return fmt.Errorf("create decision %s: %w", decisions[0].ID, err)
	}
	return nil
}

func (s *Store) createDecisions(ctx context.Context, decisions []*admission.Decision, plan func(*admission.Decision) []notify.Draft) error {
	tx, err := s.begin(ctx, len(decisions) > 1)
	if err != nil {
		return err
	}
	defer tx.end()
	began, err := s.began(ctx, tx.Tx)
	if err != nil {
		return err
	}
	t := newTally(1)
	var late []string
	var drafts []notify.Draft
	for _, d := range decisions {
		created, err := insertDecision(ctx, tx, d, t)
		if err != nil {
			return err
		}
		if created {
			drafts, late = append(drafts, plan(d)...), append(late, lateImages(d, began)...)
		}
	}
	// In one order for all, so that no two transactions wait for each other.
	slices.Sort(late)
	if err := t.write(ctx, tx); err != nil {
		return err
	}
	for _, digest := range slices.Compact(late) {
		if err := insertLate(ctx, tx.Tx, digest); err != nil {
			return err
		}
		if err := keepFlip(ctx, tx, digest, began); err != nil {
			return err
		}
	}
	if err := s.putNotifications(ctx, tx.Tx, drafts); err != nil {
		return err
	}
	return tx.Commit()
}

// lateImages gives the images of a decision that were judged by another feed than the one that inventories are matched at.
func lateImages(d *admission.Decision, began string) (late []string) {
	for i := range d.Images {
		if revision := key(d.Images[i].FeedRevision); began != "" && revision != "" && revision != began {
			late = append(late, key(d.Images[i].Digest))
		}
	}
	return late
}

// insertDecision stores a decision and counts it, and tells whether it was not there before.
func insertDecision(ctx context.Context, tx *transaction, d *admission.Decision, t *tally) (bool, error) {
	result, err := tx.exec(ctx, `INSERT INTO decisions
		(id, review_uid, at, duration, triggered, policy_id, policy_name, mode, verdict, allowed, reason, message, operation, api_group, kind, namespace, name, username, policy_revision)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19) ON CONFLICT (id) DO NOTHING`,
		key(d.ID), text(d.ReviewUID), d.At.UnixMicro(), int64(d.Duration), text(d.Trigger), key(d.PolicyID), text(d.Policy), text(d.Mode), key(d.Verdict),
		d.Allowed, text(d.Reason), text(d.Message), text(d.Operation), text(d.Group), text(d.Kind), key(d.Namespace), text(d.Name), text(d.User), text(d.PolicyRevision))
	if err != nil {
		return false, err
	}
	if created, failure := result.RowsAffected(); failure != nil || created == 0 {
		return false, failure
	}
	for i := range d.Images {
		var args []any
		if args, err = imageArgs(d, i); err != nil {
			return false, err
		}
		if _, err = tx.exec(ctx, `INSERT INTO decision_images
			(decision_id, position, reference, digest, platform, feed_revision, verdict, cause, violated, violations, exempted,
			outcome, critical, high, medium, low, unknown)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)`, args...); err != nil {
			return false, err
		}
	}
	if len(d.Images) == 0 {
		return true, nil
	}
	seq, err := insertScan(ctx, tx, d)
	if err != nil {
		return false, err
	}
	t.add(d, seq)
	return true, nil
}

// insertScan stores what lists choose a decision by, and gives its number.
func insertScan(ctx context.Context, tx *transaction, d *admission.Decision) (seq int64, err error) {
	c := d.Counts()
	row, err := tx.row(ctx, `INSERT INTO scans
		(id, at, status, verdict, complies, triggered, policy_id, namespace, critical, high, medium, low, unknown)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13) RETURNING seq`,
		key(d.ID), d.At.UnixMicro(), web.StatusOf(d), key(d.Verdict), d.Verdict == policy.VerdictAllow, key(d.Trigger), key(d.PolicyID), key(d.Namespace),
		c.Critical, c.High, c.Medium, c.Low, c.Unknown)
	if err != nil {
		return 0, err
	}
	err = row.Scan(&seq)
	return seq, err
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
	args := []any{
		key(d.ID), position, text(image.Reference), key(image.Digest), text(image.Platform), text(image.FeedRevision),
		text(image.Verdict), text(image.Cause), image.Violated, violations, exempted, text(image.Outcome),
	}
	if c := image.Counts; c != nil {
		return append(args, c.Critical, c.High, c.Medium, c.Low, c.Unknown), nil
	}
	return append(args, nil, nil, nil, nil, nil), nil
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
