package feed

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/runecast/runecast/pkg/advisory"
)

// DefaultInterval is how often a Holder looks whether the index file has changed.
const DefaultInterval = 5 * time.Second

// ErrNoIndex says that a Holder has no index at all. The error that wraps it says why.
var ErrNoIndex = errors.New("there is no vulnerability data")

// Holder keeps the current index of a running server. It is safe for concurrent use.
//
// The file is looked at every few seconds, and a changed one is verified and swapped in as a whole: whoever has the old index keeps
// it until done, and it is unmapped after its last user. A file that is damaged, or gone, never takes a good index away; what is
// wrong with it is logged once, counted and given by LastError.
type Holder struct {
	path     string
	interval time.Duration
	log      logrus.FieldLogger
	open     func(path string) (*advisory.Index, error)

	looking sync.Mutex // held while the file is looked at
	mu      sync.Mutex
	current *lease      // nil: none yet
	seen    os.FileInfo // the file that is in use or was refused for good; nil: none
	settled bool        // seen needs no other look until the file changes
	lastErr error
	refused int
}

// lease is an index and how many use it; the holder itself is one of them.
type lease struct {
	index *advisory.Index
	users int
}

// NewHolder loads the index at path. A file that is missing or damaged is no error of the holder: it has no index then, Current says
// why, and Run takes the file as soon as it is good. An interval of zero is DefaultInterval.
func NewHolder(path string, interval time.Duration, log logrus.FieldLogger) *Holder {
	if interval <= 0 {
		interval = DefaultInterval
	}
	h := &Holder{path: path, interval: interval, log: log, open: advisory.Open}
	h.poll()
	return h
}

// Current gives the index in use. Call release exactly once when done with it; until then the index stays open, whatever is swapped
// in meanwhile. Without an index the error wraps ErrNoIndex and says what to do.
func (h *Holder) Current() (index *advisory.Index, release func(), err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.current == nil {
		return nil, nil, fmt.Errorf("%w: %w", ErrNoIndex, h.lastErr)
	}
	l := h.current
	l.users++
	return l.index, sync.OnceFunc(func() { h.release(l) }), nil
}

func (h *Holder) release(l *lease) {
	h.mu.Lock()
	l.users--
	last := l.users == 0
	h.mu.Unlock()
	if !last {
		return
	}
	if err := l.index.Close(); err != nil {
		h.log.WithError(err).Warn("feed index: could not be closed")
	}
}

// LastError says what is wrong with the file as it is now; nil when the index in use is the file's. With an index in use, that one
// stays in use.
func (h *Holder) LastError() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.lastErr
}

// Refused counts the files that were not taken since the start, because they are damaged or no index.
func (h *Holder) Refused() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.refused
}

// Run looks for a changed file at once and then at every interval, until ctx ends; it returns the cause. The index stays usable
// after that.
func (h *Holder) Run(ctx context.Context) error {
	ticker := time.NewTicker(h.interval)
	defer ticker.Stop()
	for {
		h.poll()
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-ticker.C:
		}
	}
}

// Look looks for a changed file now, for whoever has just replaced it and does not want to wait.
func (h *Holder) Look() { h.poll() }

// poll takes the file if it is not the one that was seen last.
func (h *Holder) poll() {
	h.looking.Lock()
	defer h.looking.Unlock()
	stat, err := os.Stat(h.path)
	if err != nil {
		stat = nil
	}
	h.mu.Lock()
	same := h.settled && sameFile(h.seen, stat)
	h.mu.Unlock()
	if same {
		return
	}
	index, err := h.open(h.path)
	var fault *advisory.IndexError
	h.mu.Lock()
	// What is wrong with a file stays so; that it could not be opened, as with too many open files, may pass.
	h.seen, h.settled = stat, err == nil || errors.As(err, &fault)
	h.mu.Unlock()
	if err != nil {
		h.refuse(err)
		return
	}
	h.swap(index)
}

// sameFile tells whether nothing shows that a file is another one: same file, size and time of change; or still none.
func sameFile(a, b os.FileInfo) bool {
	if a == nil || b == nil {
		return a == nil && b == nil
	}
	return os.SameFile(a, b) && a.Size() == b.Size() && a.ModTime().Equal(b.ModTime())
}

func (h *Holder) refuse(err error) {
	h.mu.Lock()
	told := h.lastErr != nil && h.lastErr.Error() == err.Error() && !h.settled
	h.lastErr = err
	if told {
		h.mu.Unlock()
		return // it was tried again, and nothing is new
	}
	var fault *advisory.IndexError
	missing := errors.As(err, &fault) && fault.Fault == advisory.FaultMissing
	if !missing {
		h.refused++
	}
	inUse := h.current != nil
	h.mu.Unlock()
	log := h.log.WithError(err).WithField("path", h.path).WithField("previousStaysInUse", inUse)
	if missing {
		log.Warn("feed index missing")
		return
	}
	log.Error("feed index refused")
}

func (h *Holder) swap(index *advisory.Index) {
	info := index.Info()
	h.mu.Lock()
	old := h.current
	h.current, h.lastErr = &lease{index: index, users: 1}, nil
	h.mu.Unlock()
	if old != nil {
		h.release(old)
	}
	h.log.WithFields(logrus.Fields{
		"path": h.path, "revision": info.Revision, "date": info.Date, "advisories": info.Advisories, "rows": info.Rows,
	}).Info("feed index in use")
}
