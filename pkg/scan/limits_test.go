package scan_test

import (
	"errors"
	"fmt"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/runecast/runecast/pkg/image/imagetest"
	"github.com/runecast/runecast/pkg/scan"
)

// TestKeptOfAllLayers bounds what the layers of an image may take together, where each is small.
func TestKeptOfAllLayers(t *testing.T) {
	t.Parallel()
	layers := make([]v1.Layer, 5)
	for i := range layers {
		layers[i] = imagetest.Layer(imagetest.Text(fmt.Sprintf("node_modules/m%d/package.json", i), fmt.Sprintf(`{"name":"m%d","version":"1.0.0"}`, i)))
	}
	b := newBench(t, func(o *scan.Options) { o.MaxKept = 1000 })
	b.report(t, b.reg.MustPush(t.Context(), "small:1", imagetest.Image(layers[:2]...)))
	ref := b.reg.MustPush(t.Context(), "large:1", imagetest.Image(layers...))
	_, err := b.Scan(t.Context(), scan.Request{Reference: ref})
	var fault *scan.Error
	if !errors.As(err, &fault) || fault.Kind != scan.KindTooLarge {
		t.Fatalf("error is %v, want one of %s", err, scan.KindTooLarge)
	}
	if want := "layer is too-large: with it, what is to be kept of the image exceeds 1000 bytes"; fault.Err.Error() != want {
		t.Errorf("text is %q, want %q", fault.Err, want)
	}
}

// TestUnreadModuleIsTold lets the policy see a module that must be in the image and cannot be read.
func TestUnreadModuleIsTold(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	ref := b.reg.MustPush(t.Context(), "app:1", imagetest.Image(imagetest.Layer(imagetest.Text("app/node_modules/lodash/package.json", `{"name":`))))
	r := b.report(t, ref)
	if want := "app/node_modules/lodash/package.json: it is not read: it is no package.json: it is cut short"; len(r.Unread) != 1 || r.Unread[0] != want {
		t.Errorf("unread is %q, want %q", r.Unread, want)
	}
}
