// Package download gets the public vulnerability data that feed.Build reads and keeps it up to date in a directory.
//
// What is kept is a copy of each source's files with the fingerprint of each (SHA-256, and what the server says of its version), so
// that a second run transfers only what is new: a file that has not changed costs one request, a download that was cut goes on where it
// was cut, and of OSV's exports (https://google.github.io/osv.dev/data/) only the records are fetched that changed since, into
// changes.zip beside the export. Whatever cannot be trusted is fetched whole.
//
// A file is replaced only by one that is complete and can be read. Without OSV's exports there is no feed, so that every fault in
// getting them is an error. Ratings (NVD, CVE, EPSS, KEV) may be of the last run where they cannot be had, and the result says so.
package download
