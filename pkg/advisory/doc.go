// Package advisory knows vulnerabilities: which versions of which packages have them, how bad they are, and where they are fixed.
//
// An advisory is a record of the OSV schema (https://ossf.github.io/osv-schema/). It lists packages of an ecosystem ("Debian:10",
// "Go", "PyPI") and, for each, ranges of affected versions in that ecosystem's own ordering. One vulnerability usually has several
// records: DEBIAN-CVE-2021-3711 and DSA-4963-1 and CVE-2021-3711. They are merged when a feed is built, so that a package gets one
// finding per vulnerability, under the CVE's name where there is one.
//
// What a server matches with is an Index: one immutable, checksummed file, memory-mapped and binary-searched. Write makes it, Open
// verifies it, Match finds what an inventory.Inventory is affected by. Anything that cannot be decided (a version that nobody can
// parse, an ecosystem without data) is in the result as such and never left out.
package advisory
