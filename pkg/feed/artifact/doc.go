// Package artifact moves a feed index through OCI registries.
//
// An index is an OCI artifact (https://github.com/opencontainers/image-spec/blob/main/manifest.md#guidelines-for-artifact-usage):
// an image manifest with the artifactType application/vnd.runecast.feed.v1, the empty configuration, and one layer of the type
// application/vnd.runecast.feed.index.v1+zstd, which is the index file compressed by zstd. Annotations tell the index's revision,
// the date of its data and the checksum of the uncompressed file. The same index always makes the same manifest, so that pushing it
// twice changes nothing.
package artifact
