package image_test

import (
	"slices"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/runecast/runecast/pkg/image"
	"github.com/runecast/runecast/pkg/image/imagetest"
)

// TestFallbackArchitectures resolves indexes that lack the architecture of the node.
func TestFallbackArchitectures(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		have  []string
		asked string
		want  string   // empty: none
		list  []string // where there is none
	}{
		"arm64 runs arm":               {have: []string{"linux/amd64", "linux/arm/v7"}, asked: "linux/arm64", want: "linux/arm/v7"},
		"arm64 runs the newest arm":    {have: []string{"linux/arm/v5", "linux/arm/v7", "linux/arm/v6"}, asked: "linux/arm64", want: "linux/arm/v7"},
		"amd64 runs 386":               {have: []string{"linux/arm64", "linux/386"}, asked: "linux/amd64", want: "linux/386"},
		"amd64/v3 runs 386":            {have: []string{"linux/arm64", "linux/386"}, asked: "linux/amd64/v3", want: "linux/386"},
		"its own architecture first":   {have: []string{"linux/386", "linux/arm/v7", "linux/arm64", "linux/amd64"}, asked: "linux/arm64", want: "linux/arm64"},
		"any variant of its own first": {have: []string{"linux/386", "linux/amd64/v3"}, asked: "linux/amd64", want: "linux/amd64/v3"},
		"386 does not run amd64":       {have: []string{"linux/amd64"}, asked: "linux/386", list: []string{"linux/amd64"}},
		"arm does not run arm64":       {have: []string{"linux/arm64"}, asked: "linux/arm/v7", list: []string{"linux/arm64"}},
		"neither for arm64": {
			have: []string{"linux/s390x", "linux/amd64", "linux/386", "linux/amd64"}, asked: "linux/arm64", list: []string{"linux/386", "linux/amd64", "linux/s390x"},
		},
		"neither for amd64":             {have: []string{"linux/arm64", "linux/arm/v7"}, asked: "linux/amd64", list: []string{"linux/arm/v7", "linux/arm64"}},
		"not of another system":         {have: []string{"windows/386", "windows/amd64"}, asked: "linux/amd64", list: []string{"windows/386", "windows/amd64"}},
		"Windows":                       {have: []string{"linux/386", "windows/386", "windows/amd64"}, asked: "windows/amd64", want: "windows/amd64"},
		"Windows runs nothing else":     {have: []string{"windows/386", "linux/amd64"}, asked: "windows/amd64", list: []string{"linux/amd64", "windows/386"}},
		"Windows on ARM runs no arm/v7": {have: []string{"windows/arm/v7"}, asked: "windows/arm64", list: []string{"windows/arm/v7"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var list []v1.Image
			for _, platform := range c.have {
				list = append(list, imagetest.ImageFor(platform, imagetest.Layer(imagetest.Text("platform", platform))))
			}
			reg := newRegistry(t)
			ref := reg.MustPush(t.Context(), "multi:1", imagetest.WithAttestation(imagetest.Index(list...)))
			img, err := newPuller(t).Resolve(t.Context(), ref, c.asked)
			if c.want != "" {
				if err != nil || img.Platform != c.want {
					t.Errorf("got %+v %v, want %s", img, err, c.want)
				}
				return
			}
			e := wantFault(t, err, image.KindNoPlatform,
				"image "+ref+": its index has no manifest for "+c.asked+", only for "+strings.Join(c.list, ", "))
			if !slices.Equal(e.Platforms, c.list) {
				t.Errorf("platforms %q, want %q", e.Platforms, c.list)
			}
		})
	}
}
