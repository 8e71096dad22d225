package image

import (
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

// parseReference adds one rule to go-containerregistry's: a first part localhost is a registry without a port, as it is for
// the kubelet, not a namespace of Docker Hub.
func parseReference(reference string, opts ...name.Option) (name.Reference, error) {
	if rest, ok := strings.CutPrefix(reference, "localhost/"); ok {
		return name.ParseReference(rest, append(opts, name.WithDefaultRegistry("localhost"), name.Insecure)...)
	}
	return name.ParseReference(reference, opts...)
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
