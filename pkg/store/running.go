package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/runecast/runecast/pkg/web"
)

var _ web.RunningStore = (*Store)(nil)

// maxRunning is how many running scans are listed.
const maxRunning = 100

// PutRunningScan implements web.RunningStore.
func (s *Store) PutRunningScan(ctx context.Context, running *web.RunningScan) error {
	if running.ID == "" {
		return errors.New("put running scan: it has no id")
	}
	images, err := json.Marshal(running.Images)
	if err == nil {
		err = s.exec(ctx, `INSERT INTO running_scans (id, at, policy_id, policy_name, username, images, seen) VALUES ($1, $2, $3, $4, $5, $6, $7)
			ON CONFLICT (id) DO UPDATE SET images = excluded.images, seen = excluded.seen`,
			key(running.ID), running.At.UnixMicro(), key(running.PolicyID), text(running.Policy), text(running.User), text(string(images)), running.Seen.UnixMicro())
	}
	if err != nil {
		return fmt.Errorf("put running scan %s: %w", running.ID, err)
	}
	return nil
}

// RunningScan implements web.RunningStore.
func (s *Store) RunningScan(ctx context.Context, id string) (*web.RunningScan, error) {
	list, err := s.runningScans(ctx, ` WHERE id = $1`, id)
	if err != nil {
		return nil, fmt.Errorf("read running scan %s: %w", id, err)
	}
	if len(list) == 0 {
		return nil, nil //nolint:nilnil // there is none of that id
	}
	return &list[0], nil
}

// RunningScans implements web.RunningStore.
func (s *Store) RunningScans(ctx context.Context) ([]web.RunningScan, error) {
	list, err := s.runningScans(ctx, ` ORDER BY at DESC, id LIMIT $1`, maxRunning)
	if err != nil {
		return nil, fmt.Errorf("list running scans: %w", err)
	}
	return list, nil
}

func (s *Store) runningScans(ctx context.Context, where string, args ...any) ([]web.RunningScan, error) {
	var list []web.RunningScan
	err := steadily(ctx, func() error {
		list = nil
		rows, failure := s.read.QueryContext(ctx, `SELECT id, at, policy_id, policy_name, username, images, seen FROM running_scans`+where, args...) //nolint:gosec // where is one of ours
		if failure != nil {
			return failure
		}
		defer rows.Close()
		for rows.Next() {
			one, failure := scanRunning(rows)
			if failure != nil {
				return failure
			}
			list = append(list, *one)
		}
		return rows.Err()
	})
	return list, err
}

func scanRunning(rows *sql.Rows) (*web.RunningScan, error) {
	var r web.RunningScan
	var images string
	var at, seen sql.NullInt64
	if err := rows.Scan(&r.ID, &at, &r.PolicyID, &r.Policy, &r.User, &images, &seen); err != nil {
		return nil, err
	}
	r.At, r.Seen = timeOf(at), timeOf(seen)
	if err := json.Unmarshal([]byte(images), &r.Images); err != nil {
		return nil, fmt.Errorf("running scan %s: its images: %w", r.ID, err)
	}
	return &r, nil
}

// DeleteRunningScan implements web.RunningStore.
func (s *Store) DeleteRunningScan(ctx context.Context, id string) error {
	if err := s.exec(ctx, `DELETE FROM running_scans WHERE id = $1`, id); err != nil {
		return fmt.Errorf("delete running scan %s: %w", id, err)
	}
	return nil
}

// PruneRunningScans implements web.RunningStore.
func (s *Store) PruneRunningScans(ctx context.Context, before time.Time) error {
	if err := s.exec(ctx, `DELETE FROM running_scans WHERE seen < $1`, before.UnixMicro()); err != nil {
		return fmt.Errorf("delete the running scans of before %s: %w", before.UTC().Format(time.RFC3339), err)
	}
	return nil
}
