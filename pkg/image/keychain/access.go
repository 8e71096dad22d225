package keychain

import (
	"cmp"
	"encoding/json"
	"errors"
	"net/url"
	"path"
	"slices"
	"strings"

	"github.com/google/go-containerregistry/pkg/authn"
	corev1 "k8s.io/api/core/v1"
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
// (https://kubernetes.io/docs/concepts/containers/images/#config-json): the hosts match part by part, with wildcards; the ports are the
// same; the entry's path is a prefix of the repository's. The kubelet calls Docker Hub docker.io, its entries also index.docker.io.
func (a *Access) Credentials(repository string) []authn.AuthConfig {
	names := []string{repository}
	if rest, ok := strings.CutPrefix(repository, dockerHub+"/"); ok {
		names = append(names, "docker.io/"+rest)
	}
	var found []authn.AuthConfig
	for i := range a.entries {
		e := &a.entries[i]
		if slices.ContainsFunc(names, func(name string) bool { return matches(e.place, name) }) && !slices.Contains(found, e.config) {
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
func parseSecret(secret *corev1.Secret) ([]entry, error) {
	auths := map[string]authn.AuthConfig{}
	switch secret.Type {
	case corev1.SecretTypeDockerConfigJson:
		var doc struct {
			Auths map[string]authn.AuthConfig `json:"auths"`
		}
		if json.Unmarshal(secret.Data[corev1.DockerConfigJsonKey], &doc) != nil {
			return nil, errDamaged
		}
		auths = doc.Auths
	case corev1.SecretTypeDockercfg:
		if json.Unmarshal(secret.Data[corev1.DockerConfigKey], &auths) != nil {
			return nil, errDamaged
		}
	default:
		return nil, errNoDockerConfig
	}
	if len(auths) > maxEntries {
		return nil, errors.New("it has credentials for more than 1024 registries")
	}
	entries := make([]entry, 0, len(auths))
	for key, config := range auths {
		place, ok := placeOf(key)
		if !ok || config == (authn.AuthConfig{}) {
			continue
		}
		if config.Username != "" || config.Password != "" {
			config.Auth = "" // it says the same, and would win
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
	name, port, _ := strings.Cut(host, ":")
	wantName, wantPort, _ := strings.Cut(wantHost, ":")
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
