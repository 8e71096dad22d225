package store

import (
	"context"
	"database/sql"
	"fmt"
)

// forgetImages takes images that neither a report nor an inventory is kept of out of the index, some at a time.
func (s *Store) forgetImages(ctx context.Context) error {
	const orphans = `NOT EXISTS (SELECT 1 FROM inventories AS n WHERE n.digest = i.digest) AND NOT EXISTS (SELECT 1 FROM reports AS r WHERE r.digest = i.digest)`
	for {
		var gone int
		err := steadily(ctx, func() (err error) {
			gone, err = s.forgetSome(ctx, orphans)
			return err
		})
		if err != nil {
			return fmt.Errorf("take images that are not kept out of the index: %w", err)
		}
		if gone == 0 {
			return nil
		}
	}
}

func (s *Store) forgetSome(ctx context.Context, where string) (int, error) {
	var ids []int64
	err := s.each(ctx, `SELECT i.id FROM images AS i WHERE `+where+` LIMIT 50`, nil, func(rows *sql.Rows) error {
		var id int64
		if failure := rows.Scan(&id); failure != nil {
			return failure
		}
		ids = append(ids, id)
		return nil
	})
	if err != nil || len(ids) == 0 {
		return 0, err
	}
	tx, err := s.begin(ctx, true)
	if err != nil {
		return 0, err
	}
	defer tx.end()
	if failure := tx.lockIndex(ctx); failure != nil {
		return 0, failure
	}
	changes := &indexChanges{counts: map[int64]*countChange{}}
	for _, id := range ids {
		before, err := s.storedSums(ctx, tx, id)
		if err != nil {
			return 0, err
		}
		result, err := tx.exec(ctx, `DELETE FROM images AS i WHERE i.id = $1 AND `+where, id)
		if err != nil {
			return 0, err
		}
		if n, err := result.RowsAffected(); err != nil || n == 0 {
			return 0, err
		}
		changes.add(id, before, nil)
	}
	if err := changes.write(ctx, tx); err != nil {
		return 0, err
	}
	return len(ids), tx.Commit()
}
