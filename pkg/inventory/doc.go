// Package inventory finds the packages inside container image layers.
//
// An image is a stack of layers, each a tar stream of files. Package managers leave databases in it (dpkg's status, apk's
// installed, rpm's rpmdb.sqlite, Packages.db or Packages), language tools leave metadata beside their files (package.json, METADATA), and Go binaries carry their build
// information in themselves. ScanLayer reads one layer as a stream, keeps nothing but what it recognises, and returns a Layer:
// the packages by file, the deletions (OCI whiteouts and opaque directories) and the links. Merge stacks Layers in order into
// the Inventory of the image, so that a package whose file a later layer deletes or replaces is not in it. A Layer depends on
// the layer's bytes alone and can be stored under the layer's digest and shared by every image that has it.
//
// Databases are read whole or not at all: one that cannot be read, or is no regular file, is an *Error. An os-release that counts and cannot be
// read, or is over 64 KiB, leaves the distribution unknown and is listed under Inventory.Unread, and so is a directory in a database's place. A language's file that cannot be read is
// listed under Inventory.Unread where it is that of an installed package, since the image cannot be judged without it, and is a
// warning elsewhere. Besides Options there are fixed bounds: 16 MiB of a package.json or of Python metadata, 4 MiB of either end of
// a wheel or egg, 2 GiB of a Java archive and of what is unpacked from it (8 MiB in memory, beyond that a temporary file), four Java
// archives within each other, 16 MiB of an installed.json or deps.json, 4 MiB of a gem's specification, 16 MiB of a Go program's module information, 100,000 packages in a database, 64 MiB of what one layer may
// contribute.
//
// The readers are this package's own. Libraries' leave out in silence what they cannot read, hold whole files, and bring along much that a
// process pays for in memory at its start (docs/adr/0007-memory.md); a part of the packages must never be given for the whole, so rpm's
// databases are read by the same rule. A database over 1 MiB lies in a temporary file ($TMPDIR, else /tmp) while it is read. One that cannot be read is
// listed under Inventory.Unread.
package inventory
