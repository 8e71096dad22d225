package artifact_test

import (
	"strings"
	"testing"

	"github.com/runecast/runecast/pkg/feed/artifact"
)

// FuzzManifest reads hostile manifests: an error, or one layer within the limit, by a digest that is one, with a checksum.
func FuzzManifest(f *testing.F) {
	sum := strings.Repeat("a", 64)
	good := `{"schemaVersion":2,"artifactType":"` + artifact.Type + `","layers":[{"mediaType":"` + artifact.LayerType + `","digest":"sha256:` + sum + `","size":9}],"annotations":{"com.runecast.feed.sha256":"` + sum + `"}}`
	f.Add([]byte(good))
	f.Add([]byte(strings.Replace(good, `"size":9`, `"size":9223372036854775807`, 1)))
	f.Add([]byte(strings.Replace(good, "sha256:", "md5:../", 1)))
	const most = 1 << 30
	if _, _, err := artifact.ParseManifest([]byte(good), most); err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		layer, checksum, err := artifact.ParseManifest(content, most)
		if err != nil {
			return
		}
		if layer.Size <= 0 || layer.Size > most || len(checksum) != 64 || strings.ContainsAny(layer.Digest.String(), "/\\ ?#") {
			t.Errorf("taken: %+v, checksum %q", layer, checksum)
		}
	})
}
