package inventory

import (
	"errors"
	"fmt"
)

// maxPackages bounds the different packages of a database; the largest installations have some thousands.
const maxPackages = 100_000

// errManyPackages says that a database is larger than any distribution's.
var errManyPackages = fmt.Errorf("it has more than %d packages", maxPackages)

// installedList collects the packages of a database, each once.
type installedList struct {
	found  []found
	seen   map[found]struct{}
	listed int // bytes of found, about
}

// add takes a package.
func (l *installedList) add(f found) error { //nolint:gocritic // hugeParam: it is kept by value
	if l.seen == nil {
		l.seen = map[found]struct{}{}
	}
	if _, twice := l.seen[f]; twice {
		return nil
	}
	if len(l.found) == maxPackages {
		return errManyPackages
	}
	l.seen[f] = struct{}{}
	l.found = append(l.found, f)
	if l.listed += f.size(); l.listed > maxResult {
		return tooLargeResult()
	}
	return nil
}

// faultOf tells what kind of fault a database has that cannot be read.
func faultOf(err error) Kind {
	if errors.Is(err, errManyPackages) {
		return KindTooLarge
	}
	return KindCorrupt
}
