package artifact

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/runecast/runecast/pkg/advisory"
	"github.com/runecast/runecast/pkg/feed"
)

// Media types and annotations of the artifact.
const (
	// Type is the manifest's artifactType.
	Type = "application/vnd.runecast.feed.v1"
	// LayerType is the media type of the index, compressed by zstd.
	LayerType = "application/vnd.runecast.feed.index.v1+zstd"
	// Scheme starts a reference to an artifact.
	Scheme = "oci://"

	configType = "application/vnd.oci.empty.v1+json"

	revisionAnnotation = "com.runecast.feed.revision"
	checksumAnnotation = "com.runecast.feed.sha256" // of the uncompressed index
	dateAnnotation     = "org.opencontainers.image.created"
)

// DefaultMaxBytes bounds an index, compressed and uncompressed.
const DefaultMaxBytes = 8 << 30

// Options say how registries are talked to. The zero value is good.
type Options struct {
	PlainHTTP []string                              // registries, as host[:port], that are asked without TLS; loopback ones are so in any case
	Keychain  authn.Keychain                        // default authn.DefaultKeychain: ~/.docker/config.json and its helpers
	Transport http.RoundTripper                     // default remote.DefaultTransport
	Hosts     HostsFunc                             // default: the registry itself, by Transport and PlainHTTP, which Hosts sees to where it is given
	MaxBytes  int64                                 // default DefaultMaxBytes
	Newer     bool                                  // Pull refuses an index that was built before the one in place, as feed.ImportNewer does
	Progress  func(stage string, done, total int64) // default none
}

// HostsFunc gives the servers that may be asked for a repository (registry/repository:tag, without a scheme), in the order of trying,
// each with a transport that keeps the rules for it: byDigest for what a digest vouches for, else for what a tag names. Pull asks one
// after the other until one has it.
type HostsFunc func(reference string, byDigest bool) ([]Host, error)

// Host is one server of a HostsFunc.
type Host struct {
	Repository name.Repository
	Transport  http.RoundTripper
}

// Result is what a push or a pull did.
type Result struct {
	Reference string // with the scheme
	Digest    string // of the manifest
	Unchanged bool   // nothing had to be transferred: the index in place is the artifact's
	Info      advisory.Info
}

// session is one push or pull.
type session struct {
	ref      name.Reference
	hosts    HostsFunc // nil: the registry itself
	common   []remote.Option
	options  []remote.Option
	maxBytes int64
	place    func(ctx context.Context, file, target string) (advisory.Info, error)
	progress func(stage string, done, total int64)
}

// reference reads a reference.
func (o *Options) reference(reference string) (name.Reference, error) {
	text, ok := strings.CutPrefix(reference, Scheme)
	if !ok {
		return nil, fmt.Errorf("%q is no reference of an artifact: write %sregistry/repository:tag", reference, Scheme)
	}
	ref, err := name.ParseReference(text)
	if err != nil {
		return nil, fmt.Errorf("reference %s: %w", reference, err)
	}
	host := ref.Context().RegistryStr()
	if slices.Contains(o.PlainHTTP, host) {
		if ref, err = name.ParseReference(text, name.Insecure); err != nil {
			return nil, fmt.Errorf("reference %s: %w", reference, err)
		}
	}
	return ref, nil
}

func (o *Options) session(ctx context.Context, reference string) (*session, error) {
	ref, err := o.reference(reference)
	if err != nil {
		return nil, err
	}
	s := &session{ref: ref, maxBytes: o.MaxBytes, progress: o.Progress, place: feed.Import}
	if o.Newer {
		s.place = func(ctx context.Context, file, target string) (advisory.Info, error) {
			return feed.ImportNewer(ctx, file, target, time.Now())
		}
	}
	if s.maxBytes <= 0 {
		s.maxBytes = DefaultMaxBytes
	}
	if s.progress == nil {
		s.progress = func(string, int64, int64) {}
	}
	keychain, transport := o.Keychain, o.Transport
	if keychain == nil {
		keychain = authn.DefaultKeychain
	}
	if transport == nil {
		transport = remote.DefaultTransport
	}
	s.hosts = o.Hosts
	s.common = []remote.Option{remote.WithContext(ctx), remote.WithAuthFromKeychain(keychain), remote.WithUserAgent("runecast")}
	s.options = append(slices.Clone(s.common), remote.WithTransport(tlsOnly{next: transport, plain: o.PlainHTTP}))
	return s, nil
}

// eachHost asks the servers for the repository in their order, until one gives what is asked for.
func (s *session) eachHost(byDigest bool, try func(repo name.Repository, options []remote.Option) error) error {
	if s.hosts == nil {
		return try(s.ref.Context(), s.options)
	}
	hosts, err := s.hosts(s.ref.Name(), byDigest)
	if err != nil {
		return err
	}
	var errs []error
	for _, h := range hosts {
		if err = try(h.Repository, append(slices.Clone(s.common), remote.WithTransport(h.Transport))); err == nil {
			return nil
		}
		errs = append(errs, fmt.Errorf("host %s: %w", h.Repository.RegistryStr(), err))
	}
	if len(errs) == 1 {
		return err
	}
	return errors.Join(errs...)
}

// CheckReference says what is wrong with a reference of an artifact.
func CheckReference(reference string) error {
	_, err := (&Options{}).reference(reference)
	return err
}

// tlsOnly refuses requests without TLS, redirects and token realms too, to hosts that are neither loopback nor named. The registry
// library would fall back to plain HTTP for any private address.
type tlsOnly struct {
	next  http.RoundTripper
	plain []string
}

func (t tlsOnly) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.URL.Scheme != "https" && !loopback(req.URL.Hostname()) && !slices.Contains(t.plain, req.URL.Host) {
		return nil, fmt.Errorf("%s is not asked without TLS; name it in registryPlainHttp to allow that", req.URL.Host)
	}
	return t.next.RoundTrip(req)
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// counted tells how much of a stream was read, and ends it with the context.
type counted struct {
	ctx      func() error
	r        io.Reader
	done     int64
	progress func(done int64)
}

func (c *counted) Read(p []byte) (int, error) {
	if err := c.ctx(); err != nil {
		return 0, err
	}
	n, err := c.r.Read(p)
	c.done += int64(n)
	c.progress(c.done)
	return n, err
}

// checksum gives a file's SHA-256 in hexadecimal.
func checksum(ctx context.Context, path string) (string, error) {
	f, err := os.Open(filepath.Clean(path))
	if err != nil {
		return "", err
	}
	hash := sha256.New()
	_, err = io.Copy(hash, &counted{ctx: ctx.Err, r: f, progress: func(int64) {}})
	if err = errors.Join(err, f.Close()); err != nil {
		return "", fmt.Errorf("read %s: %w", path, err)
	}
	return hex.EncodeToString(hash.Sum(nil)), nil
}
