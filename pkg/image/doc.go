// Package image finds container images in registries and reads their layers.
//
// A reference (nginx:1.19, registry.example/app@sha256:…) names a registry, a repository and a tag or a digest. The registry
// answers with a manifest, the list of the image's layers, or with an index, the list of manifests of several platforms. Each
// of these, the image's configuration and every layer is stored under the SHA-256 of its bytes, its digest, so that only a tag
// can move: what a digest names is the same for ever and can be kept. A layer is a tar stream, mostly compressed by gzip or zstd.
//
// The Puller trusts no registry: bytes that do not match their digest, streams that do not end, servers that do not answer and
// archives that grow beyond all measure end in an *Error whose Kind says what a caller can do about it. The protocol's login
// (https://distribution.github.io/distribution/spec/auth/token/) is go-containerregistry's.
package image
