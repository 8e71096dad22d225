package inventory

import (
	"errors"
	"fmt"
)

// Kind says what is wrong with a layer. The texts are those that the scanner's errors use.
type Kind string

// The kinds of Error.
const (
	KindCorrupt  Kind = "corrupt"   // the tar stream or a package database cannot be read as what it should be
	KindTooLarge Kind = "too-large" // one of the limits of Options, or the bound on what a layer may contribute, is exceeded
)

// ErrLayerFormat is what decoding a stored Layer gives when another version of this package wrote it. Such a Layer is to be
// treated as one that is not stored.
var ErrLayerFormat = errors.New("layer was stored in another format")

// Error is a layer or an image whose packages cannot be told. Errors of the stream itself, such as a broken connection, are
// not Errors: they are returned wrapped, as they came.
type Error struct {
	Kind Kind
	Path string // file in the image, without a leading slash; empty where the layer as a whole is meant
	Err  error  // what was wrong; never nil
}

// Error names the file, where there is one, and what was wrong with it.
func (e *Error) Error() string {
	if e.Path == "" {
		return fmt.Sprintf("layer is %s: %v", e.Kind, e.Err)
	}
	return fmt.Sprintf("%s is %s: %v", e.Path, e.Kind, e.Err)
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Err }
