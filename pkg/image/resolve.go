package image

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// maxIndexDepth is how many indexes may lie within each other.
const maxIndexDepth = 3

// trouble is the last fault of a flight that is still trying: the answer for callers that cannot wait for its end.
type trouble struct{ last atomic.Pointer[Error] }

// shared runs fn once for all callers that ask with the same key at the same time. Its time is ResolveTimeout, not that of
// the caller that happened to be first; a caller whose time is over leaves with the best account of what holds it up.
func (p *Puller) shared(ctx context.Context, t target, key string, fn func(context.Context, target) (any, error)) (any, error) {
	kept, _ := p.troubles.LoadOrStore(key, &trouble{})
	state, ok := kept.(*trouble)
	if !ok {
		return nil, t.fault(KindInternal, "a foreign value in the table of flights")
	}
	ch := p.flights.DoChan(key, func() (value any, err error) {
		defer func() {
			p.troubles.Delete(key)
			if r := recover(); r != nil {
				err = t.fault(KindInternal, "resolving panicked: %v", r)
			}
		}()
		work, cancel := context.WithTimeout(context.WithoutCancel(ctx), p.opts.ResolveTimeout)
		defer cancel()
		asked := t
		asked.note = state.last.Store
		return fn(work, asked)
	})
	select {
	case result := <-ch:
		p.troubles.CompareAndDelete(key, kept) // of a caller that came when the flight was landing
		if e, ok := asError(result.Err); ok && e.Reference != t.reference {
			renamed := *e
			renamed.Reference = t.reference
			return nil, &renamed
		}
		return result.Val, result.Err
	case <-ctx.Done():
		if last := state.last.Load(); last != nil {
			renamed := *last
			renamed.Reference = t.reference
			return nil, &renamed
		}
		return nil, describe(ctx, t, "", ctx.Err())
	}
}

// tagDigest finds the digest that a tag names now, or did within ResolveTTL.
func (p *Puller) tagDigest(ctx context.Context, t target, tag string) (string, error) {
	key := t.key() + ":" + tag
	known, seen := p.tags.get(key)
	if seen && p.opts.Now().Sub(known.at) < p.opts.ResolveTTL {
		return known.digest, nil
	}
	found, err := p.shared(ctx, t, key, func(ctx context.Context, t target) (any, error) {
		at := p.opts.Now()
		if made, ok := p.tags.get(key); ok && made.at.After(known.at) && at.Sub(made.at) < p.opts.ResolveTTL {
			return made.digest, nil // by the flight that landed between the look above and this one
		}
		if seen {
			if digest, ok := p.headDigest(ctx, t, tag); ok {
				p.tags.put(key, tagged{digest, at}, 1)
				return digest, nil
			}
		}
		m, err := p.manifest(ctx, t, tag)
		if err != nil {
			return nil, err
		}
		p.tags.put(key, tagged{m.digest, at}, 1)
		return m.digest, nil
	})
	if err != nil {
		return "", err
	}
	digest, ok := found.(string)
	if !ok {
		return "", t.fault(KindInternal, "a flight for a tag gave %T", found)
	}
	return digest, nil
}

// headDigest asks a registry that was asked before whether a tag has moved: a HEAD is cheap and does not count against Docker
// Hub's limit (https://docs.docker.com/docker-hub/usage/pulls/). Registries that do not answer it well are asked with a GET.
func (p *Puller) headDigest(ctx context.Context, t target, tag string) (digest string, ok bool) {
	req := &request{what: "manifest " + tag, method: http.MethodHead, path: "manifests/" + tag, header: http.Header{"Accept": {acceptedManifests()}}}
	var resp *http.Response
	err := p.eachHost(ctx, t, req, func(t target, _ int) (err error) {
		resp, err = p.ask(ctx, t, req) //nolint:bodyclose // closed below
		return err
	})
	if err != nil {
		return "", false
	}
	_ = resp.Body.Close()
	hash, err := v1.NewHash(resp.Header.Get("Docker-Content-Digest"))
	if err != nil || hash.Algorithm != "sha256" {
		return "", false
	}
	return hash.String(), true
}

// load gives the image that a digest means for a platform.
func (p *Puller) load(ctx context.Context, t target, digest string, want machine) (*Image, error) {
	if !strings.HasPrefix(digest, "sha256:") {
		return nil, t.fault(KindBadReference, "digest %s is not of sha256", redact(digest))
	}
	key := fmt.Sprintf("%s@%s %s", t.key(), digest, want)
	if img, ok := p.images.get(key); ok {
		return img, nil
	}
	found, err := p.shared(ctx, t, key, func(ctx context.Context, t target) (any, error) {
		if img, ok := p.images.get(key); ok { // of a flight that landed meanwhile
			return img, nil
		}
		img, err := p.fetchImage(ctx, t, digest, want)
		if err != nil {
			return nil, err
		}
		p.images.put(key, img, 1)
		return img, nil
	})
	if err != nil {
		return nil, err
	}
	img, ok := found.(*Image)
	if !ok {
		return nil, t.fault(KindInternal, "a flight for a digest gave %T", found)
	}
	return img, nil
}

// fetchImage goes from a digest through indexes to a manifest and its configuration.
func (p *Puller) fetchImage(ctx context.Context, t target, digest string, want machine) (*Image, error) {
	first := digest
	for range maxIndexDepth + 1 {
		m, err := p.manifest(ctx, t, digest)
		if err != nil {
			return nil, err
		}
		switch {
		case m.mediaType.IsIndex():
			if digest, err = p.pick(ctx, t, m, want); err != nil {
				return nil, err
			}
		case m.mediaType.IsSchema1():
			return nil, t.fault(KindNotAnImage, "it has a manifest of Docker's schema 1, which container runtimes no longer pull")
		case m.mediaType.IsImage():
			img, err := p.describeImage(ctx, t, m)
			if err == nil && digest != first {
				img.Index = first
			}
			return img, err
		default:
			return nil, t.fault(KindNotAnImage, "it has a manifest of type %s", redact(string(m.mediaType)))
		}
	}
	return nil, t.fault(KindNotAnImage, "more than %d indexes lie within each other", maxIndexDepth)
}

func (p *Puller) describeImage(ctx context.Context, t target, m *manifest) (*Image, error) {
	layers, config, err := t.parseImage(m, p.opts.MaxLayerBytes, p.opts.MaxImageBytes)
	if err != nil {
		return nil, err
	}
	platform, err := p.platform(ctx, t, config)
	if err != nil {
		return nil, err
	}
	return &Image{Reference: t.reference, Repository: t.repo.Name(), Digest: m.digest, Platform: platform.String(), Layers: layers}, nil
}

// pick chooses the manifest of an index. Entries that do not state their platform are looked into, a few of them.
func (p *Puller) pick(ctx context.Context, t target, m *manifest, want machine) (string, error) {
	var index v1.IndexManifest
	if err := json.Unmarshal(m.raw, &index); err != nil {
		return "", t.fault(KindNotAnImage, "index %s cannot be read: %s", m.digest, redact(err.Error()))
	}
	chosen, have := choose(index.Manifests, want)
	if chosen != nil {
		return chosen.Digest.String(), nil
	}
	const maxLooks = 8
	looks := 0
	for i := range index.Manifests {
		d := &index.Manifests[i]
		if d.Platform != nil || isAttestation(d) || looks == maxLooks {
			continue
		}
		looks++
		got, err := p.lookInto(ctx, t, d.Digest.String())
		if err != nil {
			return "", err
		}
		if got.os == want.os && got.arch == want.arch {
			return d.Digest.String(), nil
		}
		have = append(have, got.String())
	}
	e := t.fault(KindNoPlatform, "its index has no manifest for %s, only for %s", want, strings.Join(have, ", "))
	if len(have) == 0 {
		e = t.fault(KindNoPlatform, "its index has no manifest for %s nor for any other platform", want)
	}
	e.Platforms = have
	return "", e
}

// lookInto reads the platform of a manifest that is not an index itself.
func (p *Puller) lookInto(ctx context.Context, t target, digest string) (machine, error) {
	m, err := p.manifest(ctx, t, digest)
	if err != nil {
		return machine{}, err
	}
	if !m.mediaType.IsImage() {
		return machine{}, nil
	}
	_, config, err := t.parseImage(m, p.opts.MaxLayerBytes, p.opts.MaxImageBytes)
	if err != nil {
		return machine{}, err
	}
	return p.platform(ctx, t, config)
}
