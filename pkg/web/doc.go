// Package web is what people and pipelines ask the server: a REST interface whose OpenAPI 3.1 description is made from the Go types of its
// requests and answers (https://spec.openapis.org/oas/v3.1.1), served with the interface, and the scan request that clients of
// Runecast Analyzer send. Errors are problem documents (RFC 9457).
//
// Callers show an API token, with or without the word Bearer. What a token may do is its access type's matter (pkg/auth): a
// token for reviews is refused everywhere here.
package web
