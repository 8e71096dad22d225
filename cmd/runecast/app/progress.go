package app

import (
	"io"
	"sync"
	"time"

	"github.com/cheggaaa/pb/v3"
)

// stageBars shows the stages of a long command as bars, one after the other, on a terminal; elsewhere it shows nothing.
type stageBars struct {
	writer io.Writer
	mu     sync.Mutex
	stage  string
	bar    *pb.ProgressBar
}

func newStageBars(w io.Writer) *stageBars { return &stageBars{writer: w} }

// progress moves the bar of a stage. A total of 0 means that the end is not known.
func (s *stageBars) progress(stage string, done, total int64) {
	if !isTerminal(s.writer) {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.bar == nil || s.stage != stage {
		if s.bar != nil {
			s.bar.Finish()
		}
		s.stage = stage
		s.bar = pb.New64(total).SetWriter(s.writer).SetRefreshRate(100*time.Millisecond).SetMaxWidth(100).
			Set(pb.Bytes, true).Set("prefix", short(stage, 40)+" ").Start()
	}
	s.bar.SetTotal(total).SetCurrent(done)
}

// finish ends the last bar.
func (s *stageBars) finish() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.bar != nil {
		s.bar.Finish()
		s.bar = nil
	}
}
