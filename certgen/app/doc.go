// Package app is certgen's command line: flags, their check, and the wiring of everything else.
package app
