// Package inventory finds the packages inside container image layers.
//
// An image is a stack of layers, each a tar stream of files. Package managers leave databases in it (dpkg's status, apk's
// installed), language tools leave metadata beside their files (package.json, METADATA), and Go binaries carry their build
// information in themselves. ScanLayer reads one layer as a stream, keeps nothing but what it recognises, and returns a Layer:
// the packages by file, the deletions (OCI whiteouts and opaque directories) and the links. Merge stacks Layers in order into
// the Inventory of the image, so that a package whose file a later layer deletes or replaces is not in it. A Layer depends on
// the layer's bytes alone and can be stored under the layer's digest and shared by every image that has it.
//
// The extractors are osv-scalibr's, behind this package's own types.
package inventory
