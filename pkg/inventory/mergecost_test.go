package inventory_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/runecast/runecast/pkg/inventory"
)

func manyModules(n int) (items []item) {
	for i := range n {
		items = append(items, text(fmt.Sprintf("d/node_modules/m%d/package.json", i), packageJSON(fmt.Sprint("m", i), "1.0.0")))
	}
	return items
}

// TestMergeManyLinks has many links to a directory with many modules: elsewhere they cost nothing, at the root they are refused.
func TestMergeManyLinks(t *testing.T) {
	t.Parallel()
	top := scanItems(t, text("x", "y"))
	for name, tt := range map[string]struct {
		link  string
		count int
		want  string
	}{
		"elsewhere":       {"links/%d", 2000, ""},
		"few at the root": {"%d", 64, ""},
		"at the root":     {"%d", 65, "d is too-large: 65 symbolic links at the root lead to it, more than 64"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			items := manyModules(200)
			for i := range tt.count {
				items = append(items, symlink(fmt.Sprintf(tt.link, i), "/d"))
			}
			inv, err := merge(t, scanItems(t, items...), top)
			if tt.want != "" {
				wantError(t, err, inventory.KindTooLarge, tt.want)
			} else if err != nil || len(inv.Packages) != 200 {
				t.Errorf("%d packages, %v", len(inv.Packages), err)
			}
		})
	}
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
