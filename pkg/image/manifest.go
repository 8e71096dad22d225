package image

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// Limits of the small documents of an image; registries refuse to store manifests of more than 4 MiB.
const (
	maxManifestBytes = 4 << 20
	maxConfigBytes   = 8 << 20
	maxLayers        = 512 // of one image; overlayfs takes 500, builders stop at 127
)

// manifest is what a registry keeps under a tag or a digest.
type manifest struct {
	digest    string
	mediaType types.MediaType
	raw       []byte
}

func acceptedManifests() string {
	accepted := []types.MediaType{
		types.OCIImageIndex, types.DockerManifestList, types.OCIManifestSchema1, types.DockerManifestSchema2,
		types.DockerManifestSchema1Signed, types.DockerManifestSchema1,
	}
	words := make([]string, len(accepted))
	for i, mediaType := range accepted {
		words[i] = string(mediaType)
	}
	return strings.Join(words, ", ")
}

// manifest fetches what a tag or digest names; a digest's content is verified and kept.
func (p *Puller) manifest(ctx context.Context, t target, id string) (*manifest, error) {
	byDigest := strings.Contains(id, ":")
	if m, ok := p.manifests.get(t.key() + "@" + id); byDigest && ok {
		return m, nil
	}
	what := "manifest " + id
	req := &request{what: what, method: http.MethodGet, path: "manifests/" + id, header: http.Header{"Accept": {acceptedManifests()}}}
	if byDigest {
		req.digest = id
	}
	raw, header, err := p.document(ctx, t, req, maxManifestBytes)
	if err != nil {
		return nil, err
	}
	m := &manifest{digest: digestOf(raw), mediaType: mediaTypeOf(header.Get("Content-Type"), raw), raw: raw}
	p.manifests.put(t.key()+"@"+m.digest, m, len(raw))
	return m, nil
}

// mediaTypeOf prefers the document's own word to the header, because the digest vouches for it.
func mediaTypeOf(header string, raw []byte) types.MediaType {
	var stated struct {
		MediaType types.MediaType `json:"mediaType"`
	}
	if err := json.Unmarshal(raw, &stated); err == nil && stated.MediaType != "" {
		return stated.MediaType
	}
	if parsed, _, err := mime.ParseMediaType(header); err == nil {
		return types.MediaType(parsed)
	}
	return types.MediaType(header)
}

// parseImage reads a manifest of one image and its configuration's place.
func (t target) parseImage(m *manifest, maxLayer, maxImage int64) (layers []Layer, config v1.Hash, err error) {
	var doc v1.Manifest
	if err = json.Unmarshal(m.raw, &doc); err != nil {
		return nil, v1.Hash{}, t.fault(KindNotAnImage, "manifest %s cannot be read: %s", m.digest, redact(err.Error()))
	}
	if !slices.Contains([]types.MediaType{types.OCIConfigJSON, types.DockerConfigJSON}, doc.Config.MediaType) {
		return nil, v1.Hash{}, t.fault(KindNotAnImage, "it is an artifact of type %s, not a container image", redact(string(doc.Config.MediaType)))
	}
	if n := len(doc.Layers); n > maxLayers {
		return nil, v1.Hash{}, t.tooLarge("", "it has %d layers, more than %d, the limit", n, maxLayers)
	}
	var total int64
	for i := range doc.Layers {
		l := &doc.Layers[i]
		switch {
		case !l.MediaType.IsLayer() && l.MediaType != zstdDockerLayer:
			return nil, v1.Hash{}, t.fault(KindNotAnImage, "it has a layer of type %s, which no container runtime unpacks", redact(string(l.MediaType)))
		case l.Size < 0 || l.Digest.Algorithm != "sha256":
			return nil, v1.Hash{}, t.fault(KindNotAnImage, "manifest %s describes a layer %s of %d bytes", m.digest, redact(l.Digest.String()), l.Size)
		case l.Size > maxLayer:
			return nil, v1.Hash{}, t.tooLarge("MaxLayerBytes", "layer %s has %d bytes, more than the limit of %d", l.Digest, l.Size, maxLayer)
		case l.Size > maxImage-total:
			return nil, v1.Hash{}, t.tooLarge("MaxImageBytes", "its layers have more than %d bytes together, the limit", maxImage)
		}
		total += l.Size
		layers = append(layers, Layer{Digest: l.Digest.String(), MediaType: string(l.MediaType), Size: l.Size, TOC: tocOf(l)})
	}
	return layers, doc.Config.Digest, nil
}

// zstdDockerLayer is what containerd's and BuildKit's Docker exporters write for zstd.
const zstdDockerLayer types.MediaType = "application/vnd.docker.image.rootfs.diff.tar.zstd"

// platform reads an image's configuration.
func (p *Puller) platform(ctx context.Context, t target, config v1.Hash) (machine, error) {
	what := "configuration " + config.String()
	raw, _, err := p.document(ctx, t, &request{what: what, method: http.MethodGet, path: "blobs/" + config.String(), digest: config.String()}, maxConfigBytes)
	if err != nil {
		return machine{}, err
	}
	var doc v1.Platform
	if err := json.Unmarshal(raw, &doc); err != nil {
		return machine{}, t.fault(KindNotAnImage, "%s cannot be read: %s", what, redact(err.Error()))
	}
	return normal(machine{doc.OS, doc.Architecture, doc.Variant}), nil
}

func digestOf(content []byte) string {
	sum := sha256.Sum256(content)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// fault makes an error of the image itself.
func (t target) fault(kind Kind, format string, args ...any) *Error {
	return &Error{Kind: kind, Reference: t.reference, Host: t.host(), Err: fmt.Errorf(format, args...)}
}

func (t target) tooLarge(setting, format string, args ...any) *Error {
	e := t.fault(KindTooLarge, format, args...)
	e.Setting = setting
	return e
}

// asError finds the *Error in an error of ours.
func asError(err error) (*Error, bool) {
	var e *Error
	ok := errors.As(err, &e)
	return e, ok
}
