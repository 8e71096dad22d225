package image

import (
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
)

// parse reads a reference as Docker and the kubelet write it: nginx is index.docker.io/library/nginx:latest.
func (p *Puller) parse(reference string) (target, name.Reference, error) {
	ref, err := parseReference(reference)
	if err == nil && p.plain[ref.Context().RegistryStr()] {
		ref, err = parseReference(reference, name.Insecure)
	}
	if err != nil {
		text := redact(strings.TrimPrefix(err.Error(), "could not parse reference: "))
		return target{}, nil, &Error{Kind: KindBadReference, Reference: reference, Err: &cause{text, err}}
	}
	return target{reference: reference, repo: ref.Context()}, ref, nil
}

// parseReference adds one rule to go-containerregistry's: a first part localhost is a registry without a port, as it is for
// the kubelet, not a namespace of Docker Hub.
func parseReference(reference string, opts ...name.Option) (name.Reference, error) {
	if rest, ok := strings.CutPrefix(reference, "localhost/"); ok {
		return name.ParseReference(rest, append(opts, name.WithDefaultRegistry("localhost"), name.Insecure)...)
	}
	return name.ParseReference(reference, opts...)
}
