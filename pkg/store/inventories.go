package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/runecast/runecast/pkg/scan"
)

const putInventories = `INSERT INTO inventories (digest, stored_at, document) VALUES ($1, $2, $3)
	ON CONFLICT (digest) DO UPDATE SET stored_at = excluded.stored_at, document = excluded.document`

// Inventory gives what reading an image gave; nil without an error when it is not stored.
func (s *Store) Inventory(ctx context.Context, digest string) (*scan.Contents, error) {
	contents := &scan.Contents{}
	found, err := s.document(ctx, contents, `SELECT document FROM inventories WHERE digest = $1`, key(digest))
	if err != nil {
		return nil, fmt.Errorf("read inventory of %s: %w", digest, err)
	}
	if !found {
		return nil, nil //nolint:nilnil // the interface says so: missing is no error
	}
	return contents, nil
}

// PutInventory stores what reading an image gave, over what is there. The image is late for the re-match, which may have gone past it.
func (s *Store) PutInventory(ctx context.Context, digest string, c *scan.Contents) error {
	if c == nil {
		return errors.New("store inventory: there is none")
	}
	if digest == "" {
		return errors.New(`store inventory of "": it has no digest`)
	}
	packed, err := s.codec.pack(c)
	if err == nil {
		err = steadily(ctx, func() error { return s.putInventory(ctx, digest, packed) })
	}
	if err != nil {
		return fmt.Errorf("store inventory of %q: %w", digest, err)
	}
	return nil
}

func (s *Store) putInventory(ctx context.Context, digest string, packed []byte) error {
	tx, err := s.write.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback() //nolint:errcheck // after a commit it does nothing, and after a failure that failure is what counts
	began, err := s.began(ctx, tx)
	if err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, putInventories, key(digest), time.Now().UnixMicro(), packed); err != nil {
		return err
	}
	if began != "" {
		if err := insertLate(ctx, tx, digest); err != nil {
			return err
		}
	}
	return tx.Commit()
}
