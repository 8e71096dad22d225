package scan

import (
	"context"
	"time"

	"github.com/runecast/runecast/pkg/inventory"
)

// ReportStore keeps reports by image digest and feed revision. A missing one is (nil, nil).
type ReportStore interface {
	Report(ctx context.Context, digest, feedRevision string) (*Report, error)
	PutReport(ctx context.Context, r *Report) error
}

// InventoryStore keeps inventories by image digest, so that a new feed needs no new pull. A missing one is (nil, nil).
type InventoryStore interface {
	Inventory(ctx context.Context, digest string) (*Contents, error)
	PutInventory(ctx context.Context, digest string, c *Contents) error
}

// LayerStore keeps layer inventories by layer digest, so that images share what their common layers contain, and under keys that begin
// with a digest those of layers that were not read whole. A missing one is (nil, nil).
type LayerStore interface {
	Layer(ctx context.Context, key string) (*inventory.Layer, error)
	PutLayer(ctx context.Context, key string, l *inventory.Layer) error
}

// Contents is what reading an image gives, whatever the feed: everything a report needs but the findings.
type Contents struct {
	Format    int                 `json:"format"` // contentsFormat of the version that read the image
	Inventory inventory.Inventory `json:"inventory"`
	Platform  string              `json:"platform"`
	Size      int64               `json:"size"`              // bytes of all layers, compressed
	Layers    int                 `json:"layers"`            //
	ReadAt    time.Time           `json:"readAt"`            // when the layers were read
	ByTable   int                 `json:"byTable,omitempty"` // layers that were read by their tables of contents; contents with any are not stored
}

// contentsFormat goes up with every change of what an inventory is made from or how it is judged, so that images are read again
// where an earlier version saw less. Layers that are stored make that cheap.
const contentsFormat = 7
