package inventory_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/runecast/runecast/pkg/inventory"
)

func manyModules(n int) (items []item) {
	for i := range n {
		items = append(items, text(fmt.Sprintf("d/node_modules/m%d/package.json", i), packageJSON(fmt.Sprint("m", i), "1.0.0")))
	}
	return items
}

// TestMergeManyLinks has many links to a directory with many modules, which cost nothing.
func TestMergeManyLinks(t *testing.T) {
	t.Parallel()
	top := scanItems(t, text("x", "y"))
	for _, link := range []string{"links/%d", "%d"} {
		items := manyModules(200)
		for i := range 2000 {
			items = append(items, symlink(fmt.Sprintf(link, i), "/d"))
		}
		if inv := mustMerge(t, scanItems(t, items...), top); len(inv.Packages) != 200 {
			t.Errorf("%d packages", len(inv.Packages))
		}
	}
}

// TestManyEntriesBelowLinks refuses a layer whose paths cost much more to follow than to read.
func TestManyEntriesBelowLinks(t *testing.T) {
	t.Parallel()
	deep := strings.Repeat("a/../", 800)
	var items, cached []item
	for i := range 40 {
		items = append(items, symlink(fmt.Sprint("l", i), deep+fmt.Sprint("l", i+1)))
	}
	for i := range 200 {
		items = append(items, text(fmt.Sprintf("l0/%d/x", i), ""))
		cached = append(cached, text(fmt.Sprintf("l0/%d", i), ""))
	}
	src := &source{data: layerTar(t, items...)}
	_, err := inventory.ScanLayer(t.Context(), src.open, inventory.Options{})
	wantError(t, err, inventory.KindTooLarge, "l0/65/x is too-large: entries lie below symbolic links of the same layer with more than 4194304 parts")
	scanItems(t, append(items[:40:40], cached...)...)
}

// TestMergeCancelled asserts that each of Merge's loops heeds the context.
func TestMergeCancelled(t *testing.T) {
	t.Parallel()
	cause := errors.New("the caller went away")
	layers := []*inventory.Layer{scanItems(t, manyModules(3)...), scanItems(t, text("x", "y"))}
	for after := range 9 {
		ctx := &countdown{Context: t.Context(), left: after, cause: cause}
		if _, err := inventory.Merge(ctx, layers, []string{"a", "b"}); !errors.Is(err, cause) || err.Error() != "merge: the caller went away" {
			t.Errorf("gone after %d looks: %v", after, err)
		}
	}
}

// countdown is a context that ends when it has been looked at so many times.
type countdown struct {
	context.Context //nolint:containedctx // it is one itself
	left            int
	cause           error
}

func (c *countdown) Err() error {
	if c.left--; c.left < 0 {
		return c.cause
	}
	return nil
}
