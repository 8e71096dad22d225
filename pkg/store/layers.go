package store

import (
	"context"
	"errors"
	"fmt"

	"github.com/runecast/runecast/pkg/inventory"
)

const putLayers = `INSERT INTO layers (digest, stored_at, document) VALUES ($1, $2, $3)
	ON CONFLICT (digest) DO UPDATE SET stored_at = excluded.stored_at, document = excluded.document`

// Layer gives a layer's inventory; nil without an error when it is not stored, or was by a version that wrote another format:
// then it has to be read from the registry again, and the new one takes its place.
func (s *Store) Layer(ctx context.Context, digest string) (*inventory.Layer, error) {
	layer := &inventory.Layer{}
	found, err := s.document(ctx, layer, `SELECT document FROM layers WHERE digest = $1`, key(digest))
	stale := errors.Is(err, inventory.ErrLayerFormat)
	if err != nil && !stale {
		return nil, fmt.Errorf("read layer %s: %w", digest, err)
	}
	if !found || stale {
		return nil, nil //nolint:nilnil // the interface says so: missing is no error
	}
	return layer, nil
}

// PutLayer stores a layer's inventory, over what is there.
func (s *Store) PutLayer(ctx context.Context, digest string, l *inventory.Layer) error {
	if l == nil {
		return errors.New("store layer: there is none")
	}
	if err := s.putDocument(ctx, putLayers, digest, l); err != nil {
		return fmt.Errorf("store layer %q: %w", digest, err)
	}
	return nil
}
