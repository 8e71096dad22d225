// Command peers measures runecast beside Grype, Syft and osv-scanner on the same images and the same vulnerability data, and compares
// what they find.
//
//	peers bench -bin DIR -feeds DIR -work DIR [-runs 5] [-rows 1000000]
//	peers diff -bin DIR -feeds DIR -work DIR [-table docs/peers.md]
//
// diff fails where a finding of one is not another's and the table of causes does not say why; docs/peers.md is that table.
//
// The programs are in -bin (make bench-peers builds them). Images are made once in -work: a Debian with nginx, Python, Node.js and
// Ruby by debootstrap, a small Debian, and a Go program alone. They are served from a registry in this process; osv-scanner, which
// cannot pull without Docker, reads them as archives.
package main
