package image

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"golang.org/x/sync/singleflight"
)

// What a Puller keeps at most. Manifests are kept by their bytes, so that hostile ones of the largest size cannot add up.
const (
	maxCachedTags          = 4096
	maxCachedImages        = 4096
	maxCachedManifestBytes = 16 << 20
	maxSessions            = 512
	maxWrong               = 4096
)

// Puller resolves references and opens layers. It is safe for concurrent use.
type Puller struct {
	opts      Options
	guard     *guard
	plain     map[string]bool    // hosts that may be asked without TLS, in lower case
	hosts     *hostsDir          // nil: every registry is asked itself
	itself    *endpointHost      // the host of a registry that hosts says nothing of
	wrong     *lru[time.Time]    // until when a host is not asked for what it gave wrong, by wrongKey
	secret    []byte             // of the fingerprints; of this process alone
	sessions  *lru[*session]     // by repository and credentials
	turns     *lru[int]          // which of a caller's credentials a repository took last, by target.key
	tags      *lru[tagged]       // by target.key and tag
	manifests *lru[*manifest]    // by target.key and digest
	images    *lru[*Image]       // by target.key, digest and platform
	flights   singleflight.Group // by what is asked for
	troubles  sync.Map           // of *trouble, by the key of the flight that is in it
}

// tagged is what a tag was found to name, and when.
type tagged struct {
	digest string
	at     time.Time
}

// target is one repository in one registry, and the reference that errors name.
type target struct {
	reference string
	repo      *name.Repository
	caller    *login        // what it is asked with
	turn      int           // index in the caller's credentials; their number means the server's own
	note      func(*Error)  // told of every fault that is tried again; may be nil
	via       *endpoint     // nil: the registry itself
	asked     *endpointHost // which host that is; nil: none is asked yet
}

// at is the repository that is asked: at the registry itself or at a mirror of it.
func (t target) at() name.Repository {
	if t.via != nil {
		return t.via.repo
	}
	return *t.repo
}

// login is the key of the session at a target; a mirror whose settings have changed is another one.
func (t target) login() string {
	if t.via != nil {
		return fmt.Sprintf("%s by %p", t.via.repo.Name(), t.via.guard)
	}
	return t.sessionKey()
}

func (t target) host() string { return t.at().RegistryStr() }

// NewPuller makes a Puller; it opens no connection.
func NewPuller(opts Options) (*Puller, error) { //nolint:gocritic // hugeParam: called once; a value is the caller's to change afterwards
	if err := opts.fill(); err != nil {
		return nil, err
	}
	plain := map[string]bool{}
	for _, host := range opts.PlainHTTP {
		plain[strings.ToLower(host)] = true
	}
	hosts, err := openHostsDir(opts.ConfigDir)
	if err != nil {
		return nil, fmt.Errorf("image options: registryConfigDir: %w", err)
	}
	return &Puller{
		opts: opts,
		guard: &guard{
			inner: opts.Transport, networks: opts.networks, tokenHosts: opts.tokenHosts,
			limits: newLimits(opts.MaxRate, opts.MaxConnections, opts.Now), plain: plain, userAgent: opts.UserAgent, headerTimeout: opts.HeaderTimeout,
			stallWindow: opts.StallWindow, minRate: opts.MinRate, now: opts.Now,
		},
		plain:     plain,
		hosts:     hosts,
		itself:    &endpointHost{},
		wrong:     newLRU[time.Time](maxWrong),
		secret:    newSecret(),
		turns:     newLRU[int](maxSessions),
		sessions:  newLRU[*session](maxSessions),
		tags:      newLRU[tagged](maxCachedTags),
		manifests: newLRU[*manifest](maxCachedManifestBytes),
		images:    newLRU[*Image](maxCachedImages),
	}, nil
}

// Resolve finds the manifest that a reference means for a platform (os/arch[/variant]; empty: linux/amd64). The reference's
// tag is asked for at the registry at most once in Options.ResolveTTL, and what a digest names only once. Callers that ask
// for the same at the same time share the requests, which go on when one of them leaves. Errors are *Error; none is cached.
func (p *Puller) Resolve(ctx context.Context, reference, platform string) (*Image, error) {
	return p.ResolveAs(ctx, reference, platform, nil)
}

// ResolveAs is Resolve for a caller with credentials of its own, which are tried in their order before those of
// Options.Keychain. What was found with other credentials is not used; layers of the image are opened with the caller's.
func (p *Puller) ResolveAs(ctx context.Context, reference, platform string, access Access) (*Image, error) {
	t, ref, err := p.parse(reference)
	if err != nil {
		return nil, err
	}
	t.caller = p.loginOf(t, access)
	want, err := parsePlatform(platform)
	if err != nil {
		return nil, &Error{Kind: KindBadReference, Reference: reference, Err: err}
	}
	digest := ref.Identifier()
	if _, isTag := ref.(name.Tag); isTag {
		if digest, err = p.tagDigest(ctx, t, ref.Identifier()); err != nil {
			return nil, err
		}
	}
	found, err := p.load(ctx, t, digest, want)
	if err != nil {
		return nil, err
	}
	img := *found
	img.Reference, img.Access, img.login = reference, t.caller.fingerprint, t.caller
	return &img, nil
}
