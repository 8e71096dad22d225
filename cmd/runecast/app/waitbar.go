package app

import (
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/cheggaaa/pb/v3"
)

// waitBar shows how much of a wait's limit is over, on a terminal; elsewhere it says what is waited for whenever that is another thing.
type waitBar struct {
	writer io.Writer
	mu     sync.Mutex
	bar    *pb.ProgressBar
	last   time.Duration
	said   string
}

func newWaitBar(w io.Writer) *waitBar { return &waitBar{writer: w} }

func (b *waitBar) waiting(lasted, limit time.Duration, not error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !isTerminal(b.writer) {
		if text := short(printable(not.Error()), 160); text != b.said {
			b.said = text
			_, _ = fmt.Fprintf(b.writer, "  after %s: %s\n", lasted.Round(time.Second), text) // as for every step
		}
		return
	}
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
