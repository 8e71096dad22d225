// Package auth tells who calls: API tokens, what each may do, and how a presented token is checked.
//
// An API server, a pipeline or a person proves itself with a token, a random UUID in the Authorization header. The product
// keeps only the SHA-256 of a token's text, so a stolen database opens nothing. The token has 122 random bits: nobody can try
// them out, whatever the speed of the hash, so the salted, slow hashes that weak passwords need would cost milliseconds in
// every review and protect nothing.
//
// Several tokens live at once, because the API server reads its own only when it starts: an operator issues the new one,
// restarts the control plane at leisure and then revokes the old one. Authenticator keeps the live tokens in memory, so that a
// review waits for no database and a database that is down locks nobody out; Run refreshes them.
package auth
