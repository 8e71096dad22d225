// Package cluster is the API server as an operator's webhook commands need it: found as kubectl finds it, asked for webhook
// configurations, namespaces and the two Secrets of an installation, and sent configurations by server-side apply.
//
// It uses client-go's rest client alone. The typed clients would do the same and bring the types of every API group into every process
// of the program (docs/adr/0007-memory.md).
package cluster
