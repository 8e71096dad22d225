package policy

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// glob is a pattern over a whole text: * stands for any run of characters but slashes, ** for any run. Before the first slash of a
// repository, which is the registry, * does not stand for dots either: who may name one host of a domain need not own those below. It is matched in linear
// time, as the texts come from the users of a cluster.
type glob struct {
	literal string         // the pattern, where it has no *
	re      *regexp.Regexp // otherwise
}

// newRepositoryGlob compiles a pattern for registry and repository; suffix is a regular expression that may follow it.
func newRepositoryGlob(pattern, suffix string) glob {
	host, _, _ := strings.Cut(pattern, "/")
	return newGlob(pattern, suffix, len(host))
}

// newGlob compiles a pattern whose first bytes, as many as host says, are a registry.
func newGlob(pattern, suffix string, host int) glob {
	if !strings.Contains(pattern, "*") && suffix == "" {
		return glob{literal: pattern}
	}
	var b strings.Builder
	b.WriteString("^")
	for at := 0; at < len(pattern); {
		switch {
		case strings.HasPrefix(pattern[at:], "**"):
			b.WriteString(".*")
			at++
		case pattern[at] == '*' && at < host:
			b.WriteString("[^/.]*")
		case pattern[at] == '*':
			b.WriteString("[^/]*")
		default:
			b.WriteString(regexp.QuoteMeta(pattern[at : at+1]))
		}
		at++
	}
	b.WriteString(suffix + "$")
	return glob{re: regexp.MustCompile(b.String())} // every literal is quoted: it always compiles
}

func (g glob) match(s string) bool {
	if g.re == nil {
		return g.literal == s
	}
	return g.re.MatchString(s)
}

// imagePattern is registry/repository[:tag][@digest], with wildcards in registry, repository and tag.
type imagePattern struct {
	text   string
	repo   glob
	tag    *glob  // nil: any tag, or none
	digest string // empty: any
}

// parseImagePattern reads a pattern for images. The registry must be written out, so that nobody has to guess whether nginx
// means Docker Hub's or any.
func parseImagePattern(text string) (imagePattern, error) {
	rest, digest, hasDigest := strings.Cut(text, "@")
	if hasDigest && !validDigest(digest) {
		return imagePattern{}, fmt.Errorf("%q has a malformed digest: write @sha256: and 64 hexadecimal digits", clean(text, maxField))
	}
	tag := ""
	if i := strings.LastIndexByte(rest, ':'); i > strings.LastIndexByte(rest, '/') && strings.Contains(rest, "/") {
		rest, tag = rest[:i], rest[i+1:]
		if !validTag(strings.ReplaceAll(tag, "*", "x")) {
			return imagePattern{}, fmt.Errorf("%q has a malformed tag", clean(text, maxField))
		}
	}
	repo, err := normalisePattern(rest)
	if err != nil {
		return imagePattern{}, err
	}
	host, path, _ := strings.Cut(repo, "/")
	switch {
	case path == "" && !strings.HasPrefix(repo, "**"):
		return imagePattern{}, fmt.Errorf("%q names no repository: write %s/** for all images of that registry", clean(text, maxField), clean(repo, maxField))
	case host == dockerHub && !strings.ContainsAny(path, "/*"):
		repo = dockerHub + "/library/" + path
	}
	p := imagePattern{text: text, repo: newRepositoryGlob(repo, ""), digest: digest}
	if tag != "" && tag != "*" {
		g := newGlob(tag, "", 0)
		p.tag = &g
	}
	return p, nil
}

// match tells whether the pattern covers an image. digest is what the image resolved to, empty when that is not known.
func (p *imagePattern) match(ref *reference, digest string) bool {
	if p.digest != "" && p.digest != digest && p.digest != ref.digest {
		return false
	}
	if p.tag != nil && (ref.digest != "" && p.digest == "" || !p.tag.match(ref.tag)) {
		return false
	}
	return p.repo.match(ref.repository)
}

// parseRegistryPattern reads a pattern for registries: a registry, or a registry and the start of a path, in whole components.
func parseRegistryPattern(text string) (glob, error) {
	last := text[strings.LastIndexByte(text, '/')+1:]
	if strings.Contains(text, "@") || strings.Contains(last, ":") && last != text {
		return glob{}, fmt.Errorf("%q names a tag or digest: give the registry and repository alone", clean(text, maxField))
	}
	repo, err := normalisePattern(strings.TrimSuffix(text, "/"))
	if err != nil {
		return glob{}, err
	}
	return newRepositoryGlob(repo, "(/.*)?"), nil
}

// normalisePattern checks the registry and repository of a pattern and brings the registry into its usual form.
func normalisePattern(text string) (string, error) {
	if text == "" {
		return "", errors.New("pattern is empty: write registry/repository, such as docker.io/library/nginx")
	}
	host, path, hasPath := strings.Cut(text, "/")
	host = strings.ToLower(host)
	if host == "index.docker.io" {
		host = dockerHub
	}
	if !strings.ContainsAny(host, ".:*") && host != "localhost" {
		full := text
		if !hasPath {
			full = "library/" + text
		}
		return "", fmt.Errorf("%q names no registry: write %s/%s, or **/%s for any registry", clean(text, maxField), dockerHub, clean(full, maxField), clean(text, maxField))
	}
	if !validHost(strings.ReplaceAll(host, "*", "x")) || hasPath && !validPath(strings.ReplaceAll(path, "*", "x")) {
		return "", fmt.Errorf("%q is no image pattern: write lower-case registry/repository, with * for any characters within a component (in the registry, between dots) and ** for any", clean(text, maxField))
	}
	if !hasPath {
		return host, nil
	}
	return host + "/" + path, nil
}
