// Package feed makes and keeps the index that servers match images with.
//
// Vulnerability data comes from several places that know different things. OSV's exports (one zip of JSON records per ecosystem) say
// which versions of which packages are affected and where they are fixed. How bad a vulnerability is stands in few of them; the CVE
// Program's records, with what CISA adds to them, and NVD rate CVEs. CISA's catalogue (KEV) says what is exploited, FIRST's EPSS what
// will be. Build reads them all, merges the records of one vulnerability, joins the ratings by CVE and writes one advisory.Index.
//
// Import takes an index that was built elsewhere, Status describes one, and a Holder keeps the current one of a running server and
// swaps it as a whole when the file changes. A damaged file never replaces a good one.
package feed
