package advisory

import (
	"errors"
	"fmt"
)

// IndexFault tells what is wrong with an index file.
type IndexFault string

// The faults.
const (
	FaultMissing IndexFault = "missing"         // there is no such file
	FaultNoIndex IndexFault = "not an index"    // a file of another kind
	FaultVersion IndexFault = "another version" // an index of a format that this program does not read
	FaultDamaged IndexFault = "damaged"         // cut off, or changed since it was written
)

// IndexError says that a file cannot be used as an index, why, and what to do.
type IndexError struct {
	Path   string
	Fault  IndexFault
	Detail string
}

// Error gives all three in one sentence.
func (e *IndexError) Error() string {
	switch e.Fault {
	case FaultMissing:
		return fmt.Sprintf("feed index %s does not exist; build one with 'runecast feed build' or import one with 'runecast feed import'", e.Path)
	case FaultNoIndex:
		return fmt.Sprintf("%s is no feed index: %s; give the file that 'runecast feed build' wrote", e.Path, e.Detail)
	case FaultVersion:
		return fmt.Sprintf("feed index %s cannot be read by this program: %s; build it again, or import one that this version of runecast built", e.Path, e.Detail)
	default:
		return fmt.Sprintf("feed index %s is damaged: %s; build or import it again", e.Path, e.Detail)
	}
}

// ErrClosed is given by an Index after Close.
var ErrClosed = errors.New("the feed index is closed")

// ErrNotFound is given for an advisory that the index does not have.
var ErrNotFound = errors.New("no such advisory in the feed")
