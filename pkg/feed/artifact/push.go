package artifact

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/klauspost/compress/zstd"

	"github.com/runecast/runecast/pkg/feed"
)

// manifest is an OCI image manifest with the artifactType, which v1.Manifest lacks.
type manifest struct {
	SchemaVersion int               `json:"schemaVersion"`
	MediaType     types.MediaType   `json:"mediaType"`
	ArtifactType  string            `json:"artifactType"`
	Config        v1.Descriptor     `json:"config"`
	Layers        []v1.Descriptor   `json:"layers"`
	Annotations   map[string]string `json:"annotations"`
}

// raw is a manifest that can be put into a registry.
type raw []byte

func (r raw) RawManifest() ([]byte, error)      { return r, nil }
func (raw) MediaType() (types.MediaType, error) { return types.OCIManifestSchema1, nil }

// Push puts a copy of the index at file, of which it verifies every record first, into a registry at reference,
// oci://registry/repository:tag. Errors are *advisory.IndexError where the file is at fault.
func Push(ctx context.Context, file, reference string, opts Options) (Result, error) { //nolint:gocritic // hugeParam: once a transfer; a value cannot be changed behind its back
	s, err := opts.session(ctx, reference)
	if err != nil {
		return Result{}, err
	}
	dir, err := os.MkdirTemp("", "runecast-push-")
	if err != nil {
		return Result{}, fmt.Errorf("push the feed: %w", err)
	}
	defer func() { _ = os.RemoveAll(dir) }() // temporary
	snapshot := filepath.Join(dir, "feed.index")
	info, err := feed.Import(ctx, file, snapshot) // what is verified is what is sent, whatever replaces the file meanwhile
	if err != nil {
		return Result{}, err
	}
	layer, err := s.compress(ctx, snapshot)
	if err != nil {
		return Result{}, fmt.Errorf("compress feed index %s: %w", file, err)
	}
	config := static.NewLayer([]byte("{}"), configType)
	configDescriptor, err := describe(config)
	if err != nil {
		return Result{}, err
	}
	body, err := json.Marshal(manifest{
		SchemaVersion: 2, MediaType: types.OCIManifestSchema1, ArtifactType: Type, Config: configDescriptor,
		Layers: []v1.Descriptor{{MediaType: LayerType, Digest: layer.digest, Size: layer.size}},
		Annotations: map[string]string{
			revisionAnnotation: info.Revision, checksumAnnotation: layer.diffID.Hex, dateAnnotation: info.Date.UTC().Format(time.RFC3339),
		},
	})
	if err != nil {
		return Result{}, fmt.Errorf("write the manifest: %w", err)
	}
	digest, _, err := v1.SHA256(bytes.NewReader(body))
	if err == nil {
		err = s.upload(layer, config, body)
	}
	if err != nil {
		return Result{}, fmt.Errorf("push the feed to %s: %w", reference, err)
	}
	return Result{Reference: reference, Digest: digest.String(), Info: info}, nil
}

func describe(layer v1.Layer) (v1.Descriptor, error) {
	digest, err := layer.Digest()
	if err != nil {
		return v1.Descriptor{}, err
	}
	size, err := layer.Size()
	return v1.Descriptor{MediaType: configType, Digest: digest, Size: size}, err
}

func (s *session) upload(layer *fileLayer, config v1.Layer, body []byte) error {
	for _, l := range []v1.Layer{layer, config} {
		if err := remote.WriteLayer(s.ref.Context(), l, s.options...); err != nil {
			return err
		}
	}
	return remote.Put(s.ref, raw(body), s.options...)
}

// compress writes the compressed index beside it. One thread and a fixed level, so that the same index gives the same bytes.
func (s *session) compress(ctx context.Context, path string) (*fileLayer, error) {
	in, err := os.Open(filepath.Clean(path))
	if err != nil {
		return nil, err
	}
	defer func() { _ = in.Close() }() // only read from
	stat, err := in.Stat()
	if err != nil {
		return nil, err
	}
	layer := &fileLayer{path: path + ".zst", ctx: ctx.Err, progress: s.progress}
	out, err := os.OpenFile(filepath.Clean(layer.path), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	compressed, plain := sha256.New(), sha256.New()
	encoder, err := zstd.NewWriter(io.MultiWriter(out, compressed), zstd.WithEncoderConcurrency(1))
	if err != nil {
		return nil, errors.Join(err, out.Close())
	}
	r := &counted{ctx: ctx.Err, r: io.TeeReader(in, plain), progress: func(done int64) { s.progress("compress", done, stat.Size()) }}
	_, err = io.Copy(encoder, r)
	err = errors.Join(err, encoder.Close())
	if layer.size, err = size(out, err); err != nil {
		return nil, err
	}
	layer.digest = v1.Hash{Algorithm: "sha256", Hex: hex.EncodeToString(compressed.Sum(nil))}
	layer.diffID = v1.Hash{Algorithm: "sha256", Hex: hex.EncodeToString(plain.Sum(nil))}
	return layer, nil
}

// size closes a file and gives how large it became.
func size(f *os.File, err error) (int64, error) {
	stat, statErr := f.Stat()
	if all := errors.Join(err, statErr, f.Close()); all != nil {
		return 0, all
	}
	return stat.Size(), nil
}

// fileLayer is a layer whose compressed bytes are a file.
type fileLayer struct {
	path           string
	digest, diffID v1.Hash
	size           int64
	ctx            func() error
	progress       func(stage string, done, total int64)
}

func (l *fileLayer) Digest() (v1.Hash, error)             { return l.digest, nil }
func (l *fileLayer) DiffID() (v1.Hash, error)             { return l.diffID, nil }
func (l *fileLayer) Size() (int64, error)                 { return l.size, nil }
func (l *fileLayer) MediaType() (types.MediaType, error)  { return LayerType, nil }
func (l *fileLayer) Uncompressed() (io.ReadCloser, error) { return nil, errors.ErrUnsupported }

func (l *fileLayer) Compressed() (io.ReadCloser, error) {
	f, err := os.Open(l.path)
	if err != nil {
		return nil, err
	}
	r := &counted{ctx: l.ctx, r: f, progress: func(done int64) { l.progress("push", done, l.size) }}
	return struct {
		io.Reader
		io.Closer
	}{r, f}, nil
}
