package inventory_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"testing"

	"github.com/runecast/runecast/pkg/inventory"
)

func TestLayerStored(t *testing.T) {
	t.Parallel()
	for stored, want := range map[string]string{
		`{"format":10}`:               "",
		`{"format":0}`:                "decode layer of format 0, want 10: layer was stored in another format",
		`{}`:                          "decode layer of format 0, want 10: layer was stored in another format",
		`{"format":10,"dirs":"gA=="}`: "decode layer: path set is cut short",
		`{"format":10,"replaced":"Af///////////wE="}`:                       "decode layer: path set is out of order",
		`{"format":10,"files":[{"path":"a","kind":"list","owned":"gA=="}]}`: "decode layer: a: path set is cut short",
	} {
		err := json.Unmarshal([]byte(stored), new(inventory.Layer))
		if got := fmt.Sprint(err); got != want && (err != nil || want != "") {
			t.Errorf("%s gives %v, want %s", stored, err, want)
		}
		if format := errors.Is(err, inventory.ErrLayerFormat); format != (want != "" && len(stored) < 15) {
			t.Errorf("%s: is ErrLayerFormat: %v", stored, format)
		}
	}
}

// TestLayerCompact bounds the size of a stored layer of many files of which few matter.
func TestLayerCompact(t *testing.T) {
	t.Parallel()
	items := debianBase(dpkgSSL)
	for i := range 20_000 {
		ext := []string{"", ".so.1", ".py", ".html", ".gz"}[i%5]
		items = append(items, text(fmt.Sprintf("usr/share/some/package-%03d/some-file-%05d%s", i/100, i, ext), "x"))
	}
	data, err := json.Marshal(scanItems(t, items...))
	if err != nil {
		t.Fatal(err)
	}
	if per := float64(len(data)) / 20_000; per > 5 {
		t.Errorf("a stored layer takes %.1f bytes a file", per)
	}
}
