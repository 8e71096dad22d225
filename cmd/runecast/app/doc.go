// Package app is the runecast program: its commands, its configuration and the wiring of all packages. The wiring is in run.go
// alone; commands and tests start the same things by it.
package app
