// Package makerun tries what the README promises of `make run`: it builds, starts a server, and prints a curl command that
// works as it stands.
package makerun
