// Package lifecycle tells how long the release of a distribution is supported: from when on nobody mends what is found in it, so that
// an empty list of vulnerabilities says little.
//
// What it knows is a table in its source, releases.txt, taken from the vendors' own pages. It is as old as the program: a release
// that it lacks is not known, never supported. The package keeps no clock; whoever asks says what time it is.
package lifecycle
