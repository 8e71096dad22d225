package store

import (
	"context"
	"errors"
	"fmt"

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

// PutInventory stores what reading an image gave, over what is there.
func (s *Store) PutInventory(ctx context.Context, digest string, c *scan.Contents) error {
	if c == nil {
		return errors.New("store inventory: there is none")
	}
	if err := s.putDocument(ctx, putInventories, digest, c); err != nil {
		return fmt.Errorf("store inventory of %q: %w", digest, err)
	}
	return nil
}
