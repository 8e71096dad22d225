package policy

import (
	"errors"
	"fmt"
	"strings"
)

var errReference = errors.New("is no image reference")

// reference is an image reference in full form, normalised as Docker and containerd do
// (https://github.com/distribution/reference): nginx is docker.io/library/nginx:latest.
type reference struct {
	host       string // registry, in lower case, with its port
	repository string // host/path
	tag        string // latest where the reference has neither tag nor digest
	digest     string // algorithm:hex; where it is set, runtimes ignore the tag
}

func parseReference(text string) (reference, error) {
	name, digest, hasDigest := strings.Cut(text, "@")
	if hasDigest && !validDigest(digest) {
		return reference{}, fmt.Errorf("%q %w", clean(text, maxField), errReference)
	}
	path, tag := name, ""
	if i := strings.LastIndexByte(name, ':'); i > strings.LastIndexByte(name, '/') {
		path, tag = name[:i], name[i+1:]
		if !validTag(tag) {
			return reference{}, fmt.Errorf("%q %w", clean(text, maxField), errReference)
		}
	}
	if tag == "" && digest == "" {
		tag = "latest"
	}
	host, rest, explicit := splitHost(path)
	if !validHost(host) || !validPath(rest) {
		return reference{}, fmt.Errorf("%q %w", clean(text, maxField), errReference)
	}
	if host == dockerHub && !strings.Contains(rest, "/") {
		rest, explicit = "library/"+rest, false
	}
	repository := path
	if !explicit || !strings.HasPrefix(path, host) {
		repository = host + "/" + rest
	}
	return reference{host: host, repository: repository, tag: tag, digest: digest}, nil
}

const dockerHub = "docker.io"

// splitHost separates the registry from the path. The first component is a registry if it has a dot or a port, is localhost, or
// has capital letters, which no path has.
func splitHost(name string) (host, path string, explicit bool) {
	first, rest, found := strings.Cut(name, "/")
	if !found || (!strings.ContainsAny(first, ".:") && first != "localhost" && strings.ToLower(first) == first) {
		return dockerHub, name, false
	}
	host = strings.ToLower(first)
	if host == "index.docker.io" {
		host = dockerHub
	}
	return host, rest, true
}

func validHost(s string) bool { return s != "" && only(s, "abcdefghijklmnopqrstuvwxyz0123456789.-:[]") }

func validPath(s string) bool {
	if s == "" || strings.HasPrefix(s, "/") || strings.HasSuffix(s, "/") || strings.Contains(s, "//") || strings.Contains(s, "..") {
		return false
	}
	return only(s, "abcdefghijklmnopqrstuvwxyz0123456789._-/")
}

func validTag(s string) bool {
	return s != "" && len(s) <= 128 && only(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")
}

func validDigest(s string) bool {
	algorithm, hex, found := strings.Cut(s, ":")
	return found && algorithm != "" && len(hex) >= 32 && only(algorithm, "abcdefghijklmnopqrstuvwxyz0123456789+._-") && only(hex, "0123456789abcdef")
}

// only tells whether s has no bytes but those listed.
func only(s, allowed string) bool {
	for i := range len(s) {
		if strings.IndexByte(allowed, s[i]) < 0 {
			return false
		}
	}
	return true
}
