// Package imagetest builds container images from lists of files and serves them from a registry inside the process, healthy
// or with a fault of choice. It is to images what net/http/httptest is to servers: for tests, benchmarks and demonstrations.
//
// An image is a list of layers; a layer is a tar of the files that it adds or changes, compressed, and known by the digest of
// its compressed bytes. A file that a layer deletes is written as an empty file named .wh.NAME beside it (a whiteout), and a
// directory whose older contents shall vanish has an empty .wh..wh..opq in it. Delete and Opaque write these.
//
// Functions that build values panic where they are given what cannot be built, as httptest.NewRequest does. The package
// names Nginx119 and its like hold the names and versions that the real images had, with none of their files.
package imagetest
