package app

import (
	"io"
	"sync"
	"time"

	"github.com/cheggaaa/pb/v3"
)

// waitBar shows how much of a wait's limit is over, on a terminal; elsewhere it shows nothing.
type waitBar struct {
	writer io.Writer
	mu     sync.Mutex
	bar    *pb.ProgressBar
	last   time.Duration
}

func newWaitBar(w io.Writer) *waitBar { return &waitBar{writer: w} }

func (b *waitBar) waiting(lasted, limit time.Duration, _ error) {
	if !isTerminal(b.writer) {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.bar != nil && lasted < b.last { // another wait
		b.bar.Finish()
		b.bar = nil
	}
	if b.bar == nil {
		b.bar = pb.New64(int64(limit.Seconds())).SetWriter(b.writer).SetMaxWidth(100).Set(pb.Static, true).Start()
	}
	b.last = lasted
	b.bar.SetCurrent(int64(lasted.Seconds()))
	b.bar.Write()
}

func (b *waitBar) finish() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.bar != nil {
		b.bar.Finish()
		b.bar = nil
	}
}
