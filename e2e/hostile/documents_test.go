package hostile_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/runecast/runecast/pkg/image/imagetest"
)

// documents are images whose manifests mean harm.
func documents() []part {
	const long = "has more than 4194304 bytes"
	return []part{
		{"an index of 100,000 manifests", index(100_000), nil, refusal(long)},
		{"an index of 15,000 manifests", index(15_000), nil, listing("bash")},
		{"a manifest of 100,000 layers", layers(100_000), nil, refusal(long)},
		{"a manifest of 20,000 layers", layers(20_000), nil, refusal("it has 20000 layers, more than 512, the limit")},
		{"a layer of less than nothing", sized(-1), nil, refusal("of -1 bytes")},
		{"a layer of 8 EiB", sized(1<<63 - 1), nil, refusal("has 9223372036854775807 bytes, more than the limit of 10737418240")},
		{"layers that overflow together", sized(5<<30, 5<<30, 5<<30, 5<<30), nil, refusal("its layers have more than 17179869184 bytes together, the limit")},
	}
}

// debian is an image of bash.
func debian() v1.Image {
	return imagetest.Image(imagetest.Layer(imagetest.Text("etc/os-release", debianRelease), imagetest.Text("var/lib/dpkg/status", bash)))
}

// served has the registry answer with a document of its own for a tag.
func served(r *imagetest.Registry, kind types.MediaType, document []byte) string {
	r.Inject(imagetest.Path("/manifests/1"), imagetest.Always, imagetest.Content(string(kind), document))
	return r.Host() + "/hostile:1"
}

// index lists manifests that are all valid, the one that is wanted last.
func index(n int) func(*testing.T, *imagetest.Registry) string {
	return func(t *testing.T, r *imagetest.Registry) string {
		t.Helper()
		img := debian()
		r.MustPush(t.Context(), "hostile:2", img)
		digest, err := img.Digest()
		must(t, err)
		raw, err := img.RawManifest()
		must(t, err)
		entry := func(platform string) string {
			return fmt.Sprintf(`{"mediaType":%q,"size":%d,"digest":%q,"platform":{"os":"linux","architecture":%q}}`, types.OCIManifestSchema1, len(raw), digest, platform)
		}
		list := strings.Repeat(entry("s390x")+",", n-1) + entry("amd64")
		return served(r, types.OCIImageIndex, fmt.Appendf(nil, `{"schemaVersion":2,"mediaType":%q,"manifests":[%s]}`, types.OCIImageIndex, list))
	}
}

// layers is a manifest that has one layer many times.
func layers(n int) func(*testing.T, *imagetest.Registry) string {
	return changed(func(m *v1.Manifest) {
		one := m.Layers[0]
		m.Layers = make([]v1.Descriptor, n)
		for i := range m.Layers {
			m.Layers[i] = one
		}
	})
}

// sized is a manifest that says these sizes of its layers.
func sized(sizes ...int64) func(*testing.T, *imagetest.Registry) string {
	return changed(func(m *v1.Manifest) {
		one := m.Layers[0]
		m.Layers = nil
		for _, size := range sizes {
			one.Size = size
			m.Layers = append(m.Layers, one)
		}
	})
}

func changed(change func(*v1.Manifest)) func(*testing.T, *imagetest.Registry) string {
	return func(t *testing.T, r *imagetest.Registry) string {
		t.Helper()
		img := debian()
		r.MustPush(t.Context(), "hostile:2", img)
		m, err := img.Manifest()
		must(t, err)
		changedManifest := m.DeepCopy()
		change(changedManifest)
		var raw bytes.Buffer
		must(t, json.NewEncoder(&raw).Encode(changedManifest))
		return served(r, types.OCIManifestSchema1, raw.Bytes())
	}
}
