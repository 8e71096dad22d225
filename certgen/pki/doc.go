// Package pki makes certificates and says why one is no longer good.
//
// There are two kinds: a CA, which is its own root and signs for ten years, and the serving certificate of nginx and the
// review server, a leaf that the CA signs for 90 days. A renewal makes a new leaf with the same private key. A rotation
// makes a new CA of the next generation, and signs that CA's key with the old CA too: the cross-signed certificate lets a
// client that knows only the old CA follow a chain from the new leaf to it.
//
// Keys are ECDSA on P-256 in PKCS#8, serial numbers are random and positive, of up to 128 bits, and certificates begin an hour
// back, as the clocks of clients may be behind. Nothing here reads a clock: the time is an argument.
package pki
