package artifact

import (
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

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/klauspost/compress/zstd"

	"github.com/runecast/runecast/pkg/feed"
)

const (
	stallTimeout = time.Minute // without a byte of the layer
	maxWindow    = 64 << 20    // bytes of history that a zstd stream may ask for; ours asks for 8 MiB at most
)

// Pull gets the index at reference, oci://registry/repository:tag or …@sha256:…, and puts it at target, atomically, once its digests
// and every record of it are verified. Whatever goes wrong, the file at target stays as it was. Where it is the artifact's index
// already, nothing but the manifest is transferred and the result says Unchanged. The directory of target must exist.
func Pull(ctx context.Context, reference, target string, opts Options) (Result, error) { //nolint:gocritic // hugeParam: once a transfer; a value cannot be changed behind its back
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	s, err := opts.session(ctx, reference)
	if err != nil {
		return Result{}, err
	}
	stall := time.AfterFunc(stallTimeout, func() { cancel(fmt.Errorf("the registry sent nothing for %s", stallTimeout)) })
	defer stall.Stop()
	result, err := s.pull(ctx, reference, target, stall)
	if err != nil {
		if cause := context.Cause(ctx); cause != nil {
			err = cause
		}
		return Result{}, fmt.Errorf("pull the feed from %s: %w", reference, err)
	}
	return result, nil
}

func (s *session) pull(ctx context.Context, reference, target string, stall *time.Timer) (Result, error) {
	desc, err := s.manifest()
	if err != nil {
		return Result{}, err
	}
	m, err := s.parse(desc)
	if err != nil {
		return Result{}, err
	}
	result := Result{Reference: reference, Digest: desc.Digest.String()}
	stall.Stop() // what is done here is not the registry's time
	if sum, sumErr := checksum(ctx, target); sumErr == nil && sum == m.Annotations[checksumAnnotation] {
		if info, statusErr := feed.Status(target); statusErr == nil {
			result.Unchanged, result.Info = true, info
			return result, nil
		}
	}
	stall.Reset(stallTimeout)
	var file string
	err = s.eachHost(true, func(repo name.Repository, options []remote.Option) (err error) {
		layer, err := remote.Layer(repo.Digest(m.Layers[0].Digest.String()), options...)
		if err == nil {
			file, err = s.download(ctx, layer, m, target, stall)
		}
		return err
	})
	if err != nil {
		return Result{}, err
	}
	defer func() { _ = os.Remove(file) }() // a copy of it is in place
	stall.Stop()
	result.Info, err = s.place(ctx, file, target)
	return result, err
}

// manifest gets what the reference names.
func (s *session) manifest() (desc *remote.Descriptor, err error) {
	_, byDigest := s.ref.(name.Digest)
	err = s.eachHost(byDigest, func(repo name.Repository, options []remote.Option) (err error) {
		var ref name.Reference = repo.Tag(s.ref.Identifier())
		if byDigest {
			ref = repo.Digest(s.ref.Identifier())
		}
		desc, err = remote.Get(ref, options...)
		return err
	})
	return desc, err
}

// parse reads a manifest and says what is wrong with one that is no feed's.
func (s *session) parse(desc *remote.Descriptor) (*manifest, error) {
	if desc.MediaType != types.OCIManifestSchema1 {
		return nil, fmt.Errorf("it is no feed: its media type is %s, not %s", desc.MediaType, types.OCIManifestSchema1)
	}
	var m manifest
	if err := json.Unmarshal(desc.Manifest, &m); err != nil {
		return nil, fmt.Errorf("read the manifest: %w", err)
	}
	if m.ArtifactType != Type {
		return nil, fmt.Errorf("it is no feed: its artifactType is %q, not %s", m.ArtifactType, Type)
	}
	if len(m.Layers) != 1 || m.Layers[0].MediaType != LayerType {
		return nil, fmt.Errorf("the manifest has %d layers; a feed has one of the type %s", len(m.Layers), LayerType)
	}
	if n := m.Layers[0].Size; n <= 0 || n > s.maxBytes {
		return nil, fmt.Errorf("the layer has %d bytes, at most %d are taken", n, s.maxBytes)
	}
	if len(m.Annotations[checksumAnnotation]) != hex.EncodedLen(sha256.Size) {
		return nil, fmt.Errorf("the manifest lacks the annotation %s", checksumAnnotation)
	}
	return &m, nil
}

// download writes the uncompressed layer to a temporary file beside target, its digest and checksum compared.
func (s *session) download(ctx context.Context, layer v1.Layer, m *manifest, target string, stall *time.Timer) (string, error) {
	body, err := layer.Compressed() // compares the digest at its end
	if err != nil {
		return "", err
	}
	defer func() { _ = body.Close() }() // only read from
	out, err := os.CreateTemp(filepath.Dir(target), ".pull-*")
	if err != nil {
		return "", err
	}
	sum, err := s.unpack(ctx, out, body, m.Layers[0].Size, stall)
	if err == nil && sum != m.Annotations[checksumAnnotation] {
		err = errors.New("the index is not the one that the manifest tells of: its checksum differs")
	}
	if err = errors.Join(err, out.Close()); err != nil {
		return "", errors.Join(err, os.Remove(out.Name()))
	}
	return out.Name(), nil
}

// unpack uncompresses a layer to w and gives the checksum of what it wrote.
func (s *session) unpack(ctx context.Context, w io.Writer, body io.Reader, size int64, stall *time.Timer) (string, error) {
	r := &counted{ctx: ctx.Err, r: io.LimitReader(body, size+1), progress: func(done int64) {
		stall.Reset(stallTimeout)
		s.progress("pull", done, size)
	}}
	decoder, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(maxWindow))
	if err != nil {
		return "", err
	}
	defer decoder.Close()
	hash := sha256.New()
	n, err := io.Copy(io.MultiWriter(w, hash), io.LimitReader(decoder, s.maxBytes+1))
	if err != nil {
		return "", err
	}
	if n > s.maxBytes {
		return "", fmt.Errorf("the index has more than %d bytes", s.maxBytes)
	}
	if _, err := io.Copy(io.Discard, r); err != nil { // to the end, where the digest is compared
		return "", err
	}
	return hex.EncodeToString(hash.Sum(nil)), nil
}
