package image

import (
	"fmt"
	"time"
)

// Kind tells what went wrong, in the words that package scan uses for its own errors.
type Kind string

// The kinds.
const (
	KindBadReference Kind = "bad-reference" // the name is no image reference
	KindUnauthorized Kind = "unauthorized"  // 401 or 403 from the registry
	KindNotFound     Kind = "not-found"     // no such repository, tag or digest
	KindRateLimited  Kind = "rate-limited"  // 429 from the registry, or no turn under our own limits, to the end of our patience
	KindUnreachable  Kind = "unreachable"   // no connection, a cut one, a time-out, a stall or 5xx
	KindNotAnImage   Kind = "not-an-image"  // an artifact of another type, or a manifest that cannot be read
	KindNoPlatform   Kind = "no-platform"   // the index has no manifest for the platform
	KindCorrupt      Kind = "corrupt"       // what does not match its digest or cannot be decompressed
	KindTooLarge     Kind = "too-large"     // over one of the limits in Options
	KindInternal     Kind = "internal"      // a fault of ours
)

// Error says what failed with which image. Its text holds no credential, no query of an address and no line break.
type Error struct {
	Kind       Kind
	Reference  string        // as asked for
	Host       string        // the registry's name; empty for a bad reference
	Status     int           // of HTTP, where the registry answered with an error
	RetryAfter time.Duration // how long the registry asks to wait; 0: it did not say
	Platforms  []string      // what the index has, for KindNoPlatform
	Tried      int           // how many credentials of the caller there were to try, beside the server's own
	Setting    string        // the field of Options that names the limit, for KindTooLarge
	Err        error         // the cause, cleaned in the same way

	lasting   bool // it is unreachable by our own rules, which time does not change
	elsewhere bool // see Elsewhere
}

// Error gives the reference and the detail.
func (e *Error) Error() string { return fmt.Sprintf("image %s: %s", e.Reference, e.Detail()) }

// Detail is the error's text without the image's name.
func (e *Error) Detail() string {
	if e.Err == nil {
		return string(e.Kind)
	}
	return e.Err.Error()
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Err }

// Temporary tells whether the same request may succeed later with nothing changed on our side.
func (e *Error) Temporary() bool {
	return e.Kind == KindRateLimited || e.Kind == KindUnreachable && !e.lasting
}

// Elsewhere tells whether a layer came wrong from one host for its registry and there is another that was not asked: OpenLayer asks
// that one when it is called again.
func (e *Error) Elsewhere() bool { return e.elsewhere }

// cause has a text that is fit for users and the error behind it, whose own text may not be.
type cause struct {
	text string
	err  error
}

func (c *cause) Error() string { return c.text }

func (c *cause) Unwrap() error { return c.err }
