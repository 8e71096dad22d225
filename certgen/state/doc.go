// Package state reads and writes what certgen keeps in its three Secrets, as values.
//
// The CA Secret (Opaque, mounted nowhere) holds the CA that signs the serving certificate as tls.crt and tls.key. During a
// rotation it holds the CA to come too (next.crt, next.key and next-cross.crt, which is the next CA cross-signed by the current
// one), and afterwards the one before (previous.crt, without its key). cross.crt is the current CA cross-signed by the one before;
// it stays after the rotation, for bundles that were made by hand. The phase of a rotation is an annotation:
//
//	(none) → expand: both CAs are being put into every caBundle
//	       → switch: the next CA is the current one; the endpoints are being watched until all present its leaf
//	       → contract: all do; the old CA is dropped when callers had time enough
//	       → (none)
//
// The serving Secret (kubernetes.io/tls) has tls.crt (the leaf, the cross-signed CA where there is one, the CA: OpenSSL takes
// the first issuer that fits, so with the self-signed CA before the cross-signed one a client of the old CA would not get
// through; and in phase switch the CA before, for whoever copies tls.crt into a caBundle just then), tls.key, and ca.crt, the bundle of the phase. The key Secret has the credential of the review path as key, and
// previous while API servers may still use the one before.
//
// Every step of a rotation is one write of one Secret or configuration, and what is to be done next follows from what is stored
// alone. A run that was cut off needs no repair.
package state
