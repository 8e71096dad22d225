package store

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/runecast/runecast/pkg/policy/live"
)

// maxRemoved is how many removed exemptions are listed.
const maxRemoved = 1000

// Exemptions implements live.ExemptionStore.
func (s *Store) Exemptions(ctx context.Context, removed bool) ([]live.Exemption, error) {
	where, args := `WHERE removed_at IS NULL ORDER BY created_at, id`, []any(nil)
	if removed {
		where, args = `WHERE removed_at IS NOT NULL ORDER BY removed_at DESC, id DESC LIMIT $1`, []any{maxRemoved}
	}
	list, err := s.queryExemptions(ctx, where, args...)
	if err != nil {
		return nil, fmt.Errorf("list exemptions: %w", err)
	}
	return list, nil
}

// Exemption implements live.ExemptionStore.
func (s *Store) Exemption(ctx context.Context, id string) (*live.Exemption, error) {
	list, err := s.queryExemptions(ctx, `WHERE id = $1`, key(id))
	if err != nil {
		return nil, fmt.Errorf("read exemption %s: %w", id, err)
	}
	if len(list) == 0 {
		return nil, nil //nolint:nilnil // missing is no error, as for reports
	}
	return &list[0], nil
}

func (s *Store) queryExemptions(ctx context.Context, where string, args ...any) (list []live.Exemption, err error) {
	err = steadily(ctx, func() error {
		list = nil
		rows, failure := s.reader.QueryContext(ctx, `SELECT id, policy_id, document, created_at, created_by, removed_at, removed_by FROM exemptions `+where, args...)
		if failure != nil {
			return failure
		}
		return eachRow(rows, func(rows *sql.Rows) error {
			var e live.Exemption
			var document string
			var created, removed sql.NullInt64
			if failure := rows.Scan(&e.ID, &e.PolicyID, &document, &created, &e.CreatedBy, &removed, &e.RemovedBy); failure != nil {
				return failure
			}
			e.CreatedAt, e.RemovedAt = timeOf(created), timeOf(removed)
			// A field that a newer version stored may be one that narrows the exemption: without it, it would exempt too much.
			decoder := json.NewDecoder(bytes.NewReader([]byte(document)))
			decoder.DisallowUnknownFields()
			if failure := decoder.Decode(&e.Exemption); failure != nil {
				e.Problem = "its stored fields cannot be read: " + failure.Error()
			}
			list = append(list, e)
			return nil
		})
	})
	return list, err
}

// CreateExemption implements live.ExemptionStore.
func (s *Store) CreateExemption(ctx context.Context, e *live.Exemption) error {
	if e.ID == "" {
		return errors.New("create exemption: it has no id")
	}
	document, err := json.Marshal(e.Exemption)
	if err != nil {
		return fmt.Errorf("create exemption %s: %w", e.ID, err)
	}
	_, err = s.changePolicies(ctx, func(tx *sql.Tx) error {
		_, failure := tx.ExecContext(ctx, `INSERT INTO exemptions (id, policy_id, document, created_at, created_by, removed_at, removed_by) VALUES ($1, $2, $3, $4, $5, $6, $7)`,
			key(e.ID), key(e.PolicyID), text(string(document)), moment(e.CreatedAt), text(e.CreatedBy), moment(e.RemovedAt), text(e.RemovedBy))
		return failure
	})
	if err != nil {
		return fmt.Errorf("create exemption %s: %w", e.ID, err)
	}
	return nil
}

// RemoveExemption implements live.ExemptionStore.
func (s *Store) RemoveExemption(ctx context.Context, id, by string, at time.Time) (bool, error) {
	removed, err := s.changePolicies(ctx, func(tx *sql.Tx) error {
		count, failure := execIn(ctx, tx, `UPDATE exemptions SET removed_at = $2, removed_by = $3 WHERE id = $1 AND removed_at IS NULL`, key(id), moment(at), text(by))
		if failure == nil && count == 0 {
			return errUnchanged
		}
		return failure
	})
	if err != nil {
		return false, fmt.Errorf("remove exemption %s: %w", id, err)
	}
	return removed, nil
}
