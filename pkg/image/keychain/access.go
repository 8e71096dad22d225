package keychain

import (
	"cmp"
	"encoding/json"
	"errors"
	"maps"
	"net"
	"net/url"
	"path"
	"slices"
	"strings"

	"github.com/google/go-containerregistry/pkg/authn"
)

// Limits of what is taken of secrets; Kubernetes stores no secret of more than 1 MiB.
const (
	maxEntries = 1024 // of one secret
	dockerHub  = "index.docker.io"
)

// Access is the credentials of one workload. It is immutable.
type Access struct {
	entries []entry // the most specific first, those of one place in the order of the secrets
	unread  []string
}

// entry is one credential and where it is good.
type entry struct {
	place  string // host[:port][/path], as the secret has it, without scheme and version
	config authn.AuthConfig
}

// Credentials gives those for a repository by the kubelet's rules, the most specific first
// (https://kubernetes.io/docs/concepts/containers/images/#config-json, and in its source, as of v1.34.4,
// pkg/credentialprovider/keyring.go, BasicDockerKeyring): the hosts match part by part, with wildcards; the ports are the same; the
// entry's path is a prefix of the repository's, letter by letter. The kubelet calls Docker Hub docker.io; only where nothing matches
// that, entries for index.docker.io as a whole count.
func (a *Access) Credentials(repository string) []authn.AuthConfig {
	rest, hub := strings.CutPrefix(repository, dockerHub+"/")
	if hub {
		repository = "docker.io/" + rest
	}
	found := a.matching(func(place string) bool { return matches(place, repository) })
	if hub && len(found) == 0 {
		found = a.matching(func(place string) bool { return place == dockerHub })
	}
	return found
}

// matching gives the credentials of the entries whose place is right, each once.
func (a *Access) matching(right func(place string) bool) []authn.AuthConfig {
	var found []authn.AuthConfig
	for i := range a.entries {
		if e := &a.entries[i]; right(e.place) && !slices.Contains(found, e.config) {
			found = append(found, e.config)
		}
	}
	return found
}

// Unread says, one clause each, what could not be read and what to do about it.
func (a *Access) Unread() []string { return a.unread }

// newAccess orders entries as the kubelet does: backwards by their names, so that of two that begin alike the longer comes first.
func newAccess(entries []entry, unread []string) *Access {
	slices.SortStableFunc(entries, func(a, b entry) int { return cmp.Compare(b.place, a.place) })
	return &Access{entries: entries, unread: unread}
}

// errNoDockerConfig says that a secret is of another kind.
var errNoDockerConfig = errors.New("it is of neither type kubernetes.io/dockerconfigjson nor kubernetes.io/dockercfg")

// errDamaged says that a secret's content is of no use. The decoder's own words could repeat a part of it.
var errDamaged = errors.New("its content is not the JSON of a Docker configuration")

// parseSecret reads the credentials in a pull secret. An entry that names no host is left out, as the kubelet can never match it.
func parseSecret(s *secret) ([]entry, error) {
	auths := map[string]authn.AuthConfig{}
	switch s.Type {
	case typeDockerConfig:
		var doc struct {
			Auths map[string]authn.AuthConfig `json:"auths"`
		}
		if json.Unmarshal(s.Data[keyDockerConfig], &doc) != nil {
			return nil, errDamaged
		}
		auths = doc.Auths
	case typeDockercfg:
		if json.Unmarshal(s.Data[keyDockercfg], &auths) != nil {
			return nil, errDamaged
		}
	default:
		return nil, errNoDockerConfig
	}
	if len(auths) > maxEntries {
		return nil, errors.New("it has credentials for more than 1024 registries")
	}
	entries := make([]entry, 0, len(auths))
	for _, key := range slices.Sorted(maps.Keys(auths)) { // the kubelet takes two keys for one place in any order
		place, ok := placeOf(key)
		// The decoder has put what auth says over username and password, as the kubelet's does. Tokens the kubelet does not read.
		config := authn.AuthConfig{Username: auths[key].Username, Password: auths[key].Password}
		if !ok || config == (authn.AuthConfig{}) {
			continue
		}
		entries = append(entries, entry{place, config})
	}
	return entries, nil
}

// placeOf normalises a key of a Docker configuration: https://index.docker.io/v1/ is index.docker.io.
func placeOf(key string) (place string, ok bool) {
	if !strings.HasPrefix(key, "https://") && !strings.HasPrefix(key, "http://") {
		key = "https://" + key
	}
	parsed, err := url.Parse(key)
	if err != nil || parsed.Host == "" {
		return "", false
	}
	below := parsed.Path
	if strings.HasPrefix(below, "/v2/") || strings.HasPrefix(below, "/v1/") {
		below = below[3:]
	}
	if below == "/" {
		below = ""
	}
	return parsed.Host + below, true
}

// matches tells whether an entry is good for a repository.
func matches(place, repository string) bool {
	host, below, _ := strings.Cut(place, "/")
	wantHost, wantBelow, _ := strings.Cut(repository, "/")
	name, port := splitPort(host)
	wantName, wantPort := splitPort(wantHost)
	parts, wantParts := strings.Split(name, "."), strings.Split(wantName, ".")
	if port != wantPort || len(parts) != len(wantParts) || !strings.HasPrefix(wantBelow, below) {
		return false
	}
	for i := range parts {
		if ok, err := path.Match(parts[i], wantParts[i]); err != nil || !ok {
			return false
		}
	}
	return true
}

// splitPort takes a host and its port apart; an address of IPv6 loses its brackets where it has a port, as with the kubelet.
func splitPort(host string) (name, port string) {
	name, port, err := net.SplitHostPort(host)
	if err != nil {
		return host, ""
	}
	return name, port
}
