package scan

import "fmt"

// Kind tells what stood in the way of a report. A policy has one switch for each group of kinds.
type Kind string

// The kinds. Pending and NoFeed stand for themselves, all others mean that the image is unscannable.
const (
	KindPending      Kind = "pending"       // the scan goes on in the background
	KindNoFeed       Kind = "no-feed"       // there is no vulnerability data to match against
	KindBadReference Kind = "bad-reference" // the name is no image reference
	KindUnauthorized Kind = "unauthorized"  // 401 or 403 from the registry
	KindNotFound     Kind = "not-found"     // no such repository, tag or digest
	KindRateLimited  Kind = "rate-limited"  // 429 from the registry, to the end of our patience
	KindUnreachable  Kind = "unreachable"   // no connection, a cut one, a time-out or 5xx
	KindNotAnImage   Kind = "not-an-image"  // an artifact of another type, or a manifest that cannot be read
	KindNoPlatform   Kind = "no-platform"   // the index has no manifest for the platform
	KindCorrupt      Kind = "corrupt"       // a layer or manifest that does not match its digest or cannot be decoded
	KindTooLarge     Kind = "too-large"     // over a limit: bytes, files, ratio
	KindInternal     Kind = "internal"      // a fault of ours
)

// Error says that there is no report, why, and what the user can do. Its texts hold no credentials.
type Error struct {
	Kind   Kind
	Image  string // the reference that was asked for
	Remedy string // what to do about it, a full clause
	Err    error  // the cause; may be nil for KindPending
}

// Error gives what failed and with which image.
func (e *Error) Error() string {
	if e.Err == nil {
		return fmt.Sprintf("image %s: %s", e.Image, e.Kind)
	}
	return fmt.Sprintf("image %s: %s: %v", e.Image, e.Kind, e.Err)
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Err }
