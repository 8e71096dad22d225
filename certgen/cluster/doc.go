// Package cluster reads and writes what certgen works on, with no more rights than these: get, update and patch on its three
// Secrets and on the webhook configurations, each by name; create on Secrets in the install hook alone; delete by name in the hook
// before an uninstall alone; list on the EndpointSlices
// and create and patch on the Events of its namespace. It never lists or watches Secrets or webhook configurations.
//
// Every write carries the resourceVersion of what was read, so that two runs at a time cannot undo each other's work: the later one
// gets ErrConflict and has to look again. No error of this package holds key material, also where the API server's answer did.
package cluster
