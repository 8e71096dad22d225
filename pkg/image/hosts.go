package image

import (
	"errors"
	"io/fs"
	"maps"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
)

// hostsDir is a directory as containerd's config_path: HOST/hosts.toml, or HOST_PORT_/hosts.toml for a host with a port, and
// _default/hosts.toml for those that have none. A file that has changed is read again before the next request.
type hostsDir struct {
	dir string

	mu   sync.Mutex
	read *lru[*hostsRead] // by registry
}

// hostsRead is a hosts.toml as it was for one registry.
type hostsRead struct {
	name  string
	files []stamp // itself and the files that it names
	hosts []*endpointHost
}

// stamp is what shows that a file was not written since it was read.
type stamp struct {
	name string
	at   time.Time
	size int64
}

// stampOf gives the zero time for a file that is not there.
func stampOf(name string) stamp {
	s := stamp{name: name}
	if info, err := os.Stat(name); err == nil {
		s.at, s.size = info.ModTime(), info.Size()
	}
	return s
}

func (r *hostsRead) unchanged() bool {
	return !slices.ContainsFunc(r.files, func(s stamp) bool {
		now := stampOf(s.name)
		return !now.at.Equal(s.at) || now.size != s.size
	})
}

// endpointHost is a mirror with the transport to it, which outlives requests.
type endpointHost struct {
	mirror *mirror
	guard  *guard
}

// endpoint is where a repository is asked for beside its own registry.
type endpoint struct {
	*endpointHost
	repo name.Repository
}

// openHostsDir checks every file of the directory; an empty name means none.
func openHostsDir(dir string) (*hostsDir, error) {
	if dir == "" {
		return nil, nil //nolint:nilnil // no directory is no fault
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err //nolint:wrapcheck // it names the directory
	}
	var errs []error
	for _, entry := range entries {
		file := filepath.Join(dir, entry.Name(), "hosts.toml")
		content, err := readSmall(file)
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrInvalid) || !entry.IsDir() && err != nil {
			continue
		}
		if err == nil {
			_, _, err = parseHostsFile(file, content, "https://registry.example")
		}
		errs = append(errs, err)
	}
	return &hostsDir{dir: dir, read: newLRU[*hostsRead](256)}, errors.Join(errs...)
}

// file finds a registry's hosts.toml; empty: it has none.
func (d *hostsDir) file(registry string) (file string, err error) {
	if registry == name.DefaultRegistry {
		registry = "docker.io" // as containerd calls it
	}
	places := []string{registry, "_default"}
	if host, port, bad := net.SplitHostPort(registry); bad == nil {
		places = []string{host + "_" + port + "_", registry, "_default"}
	}
	for _, place := range places {
		if !filepath.IsLocal(place) || strings.ContainsAny(place, `/\`) {
			continue
		}
		file = filepath.Join(d.dir, place, "hosts.toml")
		if _, err = os.Stat(file); !errors.Is(err, fs.ErrNotExist) {
			return file, err //nolint:wrapcheck // it names the file
		}
	}
	return "", nil
}

func (r *hostsRead) note(m *mirror) {
	for _, name := range m.files {
		r.files = append(r.files, stampOf(name))
	}
}

// of gives the hosts to ask for a registry's images in their order; a nil guard among them is the registry itself.
func (d *hostsDir) of(p *Puller, t target) ([]*endpointHost, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	registry := t.repo.RegistryStr()
	file, err := d.file(registry)
	if err != nil || file == "" {
		return nil, err
	}
	if known, ok := d.read.get(registry); ok && known.name == file && known.unchanged() {
		return known.hosts, nil
	}
	found := &hostsRead{name: file, files: []stamp{stampOf(file)}} // before it is read: what is written meanwhile is seen next time
	content, err := readSmall(file)
	if err != nil {
		return nil, err
	}
	upstream := "https://" + registry
	if p.plain[strings.ToLower(registry)] {
		upstream = "http://" + registry
	}
	mirrors, server, err := parseHostsFile(file, content, upstream)
	if err != nil {
		return nil, err
	}
	for _, m := range mirrors {
		found.note(m)
		found.hosts = append(found.hosts, p.endpointHost(m, registry))
	}
	last := &endpointHost{}
	if server != nil {
		found.note(server)
		last = p.endpointHost(server, registry)
	}
	found.hosts = append(found.hosts, last)
	d.read.put(registry, found, 1)
	return found.hosts, nil
}

// endpointHost makes the way to a mirror. Who wrote its address into the configuration allows it, and plain HTTP if it says so.
func (p *Puller) endpointHost(m *mirror, registry string) *endpointHost {
	g := *p.guard
	g.plain = maps.Clone(p.guard.plain)
	if m.url.Scheme == "http" {
		g.plain[m.url.Host] = true
	}
	allowed := *p.guard.networks
	allowed.hosts = maps.Clone(allowed.hosts)
	if !m.implied {
		allowed.hosts[hostWithPort(m.url)] = true
	}
	g.networks = &allowed
	own := p.guard.inner
	if p.opts.ownTransport {
		trust := p.opts.roots.config(m.roots...)
		// Believing any certificate is the operator's choice for this host, which containerd has, too.
		trust.Certificates, trust.InsecureSkipVerify = m.certs, m.skipVerify
		own = newNetwork(g.networks, p.opts.Resolver, trust)
	}
	g.inner = &mirrorTransport{mirror: m, registry: registry, own: own, other: p.guard.inner}
	return &endpointHost{mirror: m, guard: &g}
}

// guardOf is the transport beneath the login at a target.
func (p *Puller) guardOf(t target) *guard {
	if t.via != nil {
		return t.via.guard
	}
	return p.guard
}

// mirrorTransport makes requests to a mirror out of those to a registry at the mirror's address. Its headers, certificates and
// trust are for the mirror alone, not for where it leads on.
type mirrorTransport struct {
	mirror     *mirror
	registry   string
	own, other http.RoundTripper
}

// RoundTrip implements http.RoundTripper.
func (m *mirrorTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	if !strings.EqualFold(req.URL.Host, m.mirror.url.Host) || req.URL.Scheme != m.mirror.url.Scheme {
		return m.other.RoundTrip(req) //nolint:wrapcheck // a transport
	}
	out := req.Clone(req.Context())
	if rest, ok := strings.CutPrefix(req.URL.Path, "/v2/"); ok && (rest == "" || isAPI(rest)) {
		out.URL.Path, out.URL.RawPath = m.mirror.url.Path+"/"+rest, ""
		if m.registry == name.DefaultRegistry {
			addQuery(out, "docker.io")
		} else if !strings.EqualFold(m.registry, m.mirror.url.Host) {
			addQuery(out, m.registry)
		}
	}
	maps.Copy(out.Header, m.mirror.header)
	return m.own.RoundTrip(out) //nolint:wrapcheck // a transport
}

func isAPI(path string) bool {
	return strings.Contains(path, "/manifests/") || strings.Contains(path, "/blobs/")
}

// addQuery tells a mirror whose images are asked for, as containerd does, so that it can be one of several registries.
func addQuery(req *http.Request, registry string) {
	query := req.URL.Query()
	query.Set("ns", registry)
	req.URL.RawQuery = query.Encode()
}
