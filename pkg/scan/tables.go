package scan

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/runecast/runecast/pkg/image"
	"github.com/runecast/runecast/pkg/inventory"
)

// Tables opens layers by their tables of contents, as *image.Puller does.
type Tables interface {
	OpenTOC(ctx context.Context, img *image.Image, layer image.Layer) (*image.TOCReader, error)
}

// A table of contents is the word of who built the image: what it leaves out is in the image all the same for a node that unpacks
// the whole layer. So what was learned from one is kept apart from what was learned from whole layers and never stands for it: layers
// are stored under keys of their own, and inventories and reports of images with such layers are not stored at all but made
// anew from the layers, which takes no registry. docs/adr/0006-layer-tables-of-contents.md has the reasons.

// byTable tells whether a layer of an image may be read by its table of contents.
func (r *layerReader) byTable(img *image.Image, l image.Layer) bool {
	return r.tables != nil && l.TOC != nil && r.trust.Covers(img.Repository)
}

// tableKey is under what a layer is stored that was read by a table of contents. It is no digest, so that nothing takes it for one.
func tableKey(l image.Layer) string {
	return fmt.Sprintf("%s#toc:%s:%s", l.Digest, l.TOC.Format, l.TOC.Digest)
}

// readTable reads a layer by its table of contents; nil: it must be read whole, for a reason that the log has. Only the end of
// ctx is an error.
func (r *layerReader) readTable(ctx context.Context, img *image.Image, l image.Layer) (*inventory.Layer, error) {
	begin := time.Now()
	table, err := r.tables.OpenTOC(ctx, img, l)
	var layer *inventory.Layer
	if err == nil {
		layer, err = inventory.ScanEntries(ctx, table, r.limits)
	}
	switch {
	case err == nil:
		r.metrics.LayerRead(table.BytesRead(), time.Since(begin))
		return layer, nil
	case ctx.Err() != nil:
		return nil, err
	}
	log := r.log.WithError(err).WithField("layer", l.Digest)
	if pull, ok := errors.AsType[*image.Error](err); ok && pull.Kind == image.KindCorrupt { // reading it whole finds out what is wrong
		log.Warn("a layer does not match its table of contents and is read whole")
	} else {
		log.Debug("a layer is read whole and not by its table of contents")
	}
	return nil, nil //nolint:nilnil // as documented
}

// warnOfTables says in an inventory what it rests on.
func warnOfTables(inv *inventory.Inventory, byTable, layers int) {
	if byTable > 0 {
		inv.Warnings = append(inv.Warnings, fmt.Sprintf(
			"%d of %d layers were read by their tables of contents (the setting layerToc): files that the image's builder left out of these are not known", byTable, layers))
	}
}
