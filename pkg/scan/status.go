package scan

import (
	"fmt"
	"sync/atomic"
	"time"
)

// progressInterval is the least time between two calls of Options.Progress for one image, but for the last.
const progressInterval = 100 * time.Millisecond

// Progress is how far the reading of an image is.
type Progress struct {
	Image    string // the reference that was asked for first
	Digest   string
	Done     int64 // bytes of layers, compressed, that are read or need no reading
	Total    int64 // bytes of all layers
	Finished bool  // no more will come, whether the scan succeeded or not
}

// status is where a scan stands, for those who cannot wait for its end.
type status struct {
	queued      atomic.Bool
	done, total atomic.Int64
	told        atomic.Int64 // when Progress was called last, Unix nanoseconds
}

// String words the status for users.
func (s *status) String() string {
	const megabyte = 1e6
	total := s.total.Load()
	switch {
	case s.queued.Load():
		return "it waits until other scans are done"
	case total > 0:
		return fmt.Sprintf("%.1f of %.1f MB are read", float64(s.done.Load())/megabyte, float64(total)/megabyte)
	default:
		return "it has begun"
	}
}

// add counts bytes and tells whether it is time to report.
func (s *status) add(n int64) (report bool) {
	s.done.Add(n)
	now, last := time.Now().UnixNano(), s.told.Load()
	return now-last >= int64(progressInterval) && s.told.CompareAndSwap(last, now)
}
