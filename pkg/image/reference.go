package image

import (
	"fmt"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
)

// parse reads a reference as Docker and the kubelet write it: nginx is index.docker.io/library/nginx:latest.
func (p *Puller) parse(reference string) (target, name.Reference, error) {
	ref, err := parseReference(reference)
	if err == nil && p.plain[strings.ToLower(ref.Context().RegistryStr())] {
		ref, err = parseReference(reference, name.Insecure)
	}
	if err != nil {
		return target{}, nil, &Error{Kind: KindBadReference, Reference: redact(reference), Err: &cause{whyNot(reference, err), err}}
	}
	repo := ref.Context()
	return target{reference: reference, repo: &repo, caller: &login{}}, ref, nil
}

// parseReference adds two rules to go-containerregistry's: a first part localhost is a registry without a port, as it is for
// the kubelet, not a namespace of Docker Hub; and a repository has no part that a URL would not keep, which the kubelet refuses, too
// (https://github.com/distribution/reference, path-component).
func parseReference(reference string, opts ...name.Option) (name.Reference, error) {
	text := reference
	if rest, ok := strings.CutPrefix(reference, "localhost/"); ok {
		text, opts = rest, append(opts, name.WithDefaultRegistry("localhost"), name.Insecure)
	}
	ref, err := name.ParseReference(text, opts...)
	if err != nil {
		return nil, err //nolint:wrapcheck // whyNot words it
	}
	for part := range strings.SplitSeq(ref.Context().RepositoryStr(), "/") {
		if part == "" || part == "." || part == ".." {
			return nil, fmt.Errorf("could not parse reference: %s: an empty part, . or .. is in its repository", reference)
		}
	}
	return ref, nil
}

// whyNot words what is wrong with a reference; name.ParseReference only says that something is.
func whyNot(reference string, err error) string {
	parse := func() (err error) { _, err = name.NewTag(reference); return err }
	if strings.Contains(reference, "@") {
		parse = func() (err error) { _, err = name.NewDigest(reference); return err }
	}
	if better := parse(); better != nil {
		err = better
	}
	return "it is no image reference: " + redact(err.Error())
}
