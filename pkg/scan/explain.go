package scan

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/runecast/runecast/pkg/image"
	"github.com/runecast/runecast/pkg/inventory"
)

// detail is a puller's error without the image's name, which Error gives already.
type detail struct{ err *image.Error }

func (d *detail) Error() string { return d.err.Detail() }

func (d *detail) Unwrap() error { return d.err }

// explain turns what a scan ended with into an *Error: the kind by the cause, and a remedy for the person whose deployment was
// just refused.
func explain(reference string, err error) *Error {
	e := &Error{Kind: KindInternal, Image: reference, Err: err}
	var (
		done     *Error
		pending  *pendingError
		full     *queueFullError
		noFeed   *noFeedError
		pull     *image.Error
		contents *inventory.Error
	)
	switch {
	case errors.As(err, &done):
		copied := *done
		copied.Image = reference
		return &copied
	case errors.As(err, &pending):
		e.Kind, e.Remedy = KindPending, "the scan goes on; retry in a moment"
	case errors.As(err, &full):
		e.Kind, e.Remedy = KindPending, "the scanner is busy; retry in a minute, or raise the server's setting scanConcurrency"
	case errors.As(err, &noFeed):
		e.Kind = KindNoFeed
		e.Remedy = "give the server a feed: make one with runecast feed build, or load one with runecast feed import"
	case errors.As(err, &pull):
		e.Kind, e.Err = Kind(pull.Kind), &detail{pull}
		e.Remedy = pullRemedy(pull)
	case errors.As(err, &contents):
		e.Kind, e.Remedy = contentsRemedy(contents.Kind)
	case errors.Is(err, errScanTime):
		e.Kind = KindUnreachable
		e.Remedy = "check how fast the registry delivers, or raise the server's setting scanTimeout"
	case errors.Is(err, errClosed), errors.Is(err, context.Canceled):
		e.Kind, e.Remedy = KindPending, "the server is shutting down; retry in a moment"
	case errors.Is(err, errFeedDamaged):
		e.Remedy = "build or import the feed again and look into the server's log"
	default:
		e.Remedy = "look into the server's log for this image and report the fault"
	}
	return e
}

func contentsRemedy(kind inventory.Kind) (Kind, string) {
	if kind == inventory.KindTooLarge {
		return KindTooLarge, "make the layer smaller, or raise the server's limits for layers"
	}
	return KindCorrupt, "build and push the image again"
}

// pullRemedy words what to do about a fault of the puller.
func pullRemedy(e *image.Error) string {
	switch e.Kind {
	case image.KindBadReference:
		return "correct the image's name: registry/repository:tag or registry/repository@sha256:…"
	case image.KindUnauthorized:
		return "check the image's name, and give the server credentials for registry " + e.Host
	case image.KindNotFound:
		return "check the image's name and tag, and whether it was pushed"
	case image.KindRateLimited:
		wait := "a few minutes"
		if e.RetryAfter > 0 {
			wait = e.RetryAfter.Round(time.Second).String()
		}
		return fmt.Sprintf("retry after %s, or give the server credentials for registry %s or a mirror of it", wait, e.Host)
	case image.KindUnreachable:
		return fmt.Sprintf("check that registry %s runs and that the server can reach it, then retry", e.Host)
	case image.KindNotAnImage:
		return "name a container image; charts and other artifacts cannot be run"
	case image.KindNoPlatform:
		if len(e.Platforms) == 0 {
			return "build the image for the platform of the nodes"
		}
		return "build the image for the platform of the nodes, or run it on nodes of one that it has: " + strings.Join(e.Platforms, ", ")
	case image.KindCorrupt:
		return "push the image again and check the registry's storage and any proxy before it"
	case image.KindTooLarge:
		if e.Setting == "" {
			return "build the image within that limit: with fewer layers, or with a smaller compression window"
		}
		return "make the image smaller, or raise the server's setting " + strings.ToLower(e.Setting[:1]) + e.Setting[1:]
	case image.KindInternal:
		return "look into the server's log for this image and report the fault"
	default:
		return "look into the server's log for this image"
	}
}
