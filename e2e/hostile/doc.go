// Package hostile scans images that mean harm with the program itself, as a process: bombs, a million files, names that lead outside,
// loops, lying headers, nested archives, manifests without end. Each is judged or refused with an outcome that has a name, in bounded memory
// and time of processors, and nothing is written outside of the directories that the scan was given: run by root, the program is a user of its
// own, whose files are looked for in all places that every user may write to. What registries can do is tried in pkg/image, what servers answer meanwhile
// in e2e/apiserver.
package hostile
