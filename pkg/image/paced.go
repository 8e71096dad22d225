package image

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync/atomic"
	"time"
)

// pacedBody ends a body that delivers less than minRate over a window of waiting. Only time spent in Read counts: a slow
// reader is not the registry's fault.
type pacedBody struct {
	inner   io.ReadCloser
	minRate int64
	window  time.Duration
	cancel  context.CancelCauseFunc
	timer   *time.Timer
	stalled *slow
	waited  time.Duration // within the current window
	got     int64         // within the current window
	fired   atomic.Bool   // set by the timer
}

func newPacedBody(inner io.ReadCloser, minRate int64, window time.Duration, cancel context.CancelCauseFunc) *pacedBody {
	b := &pacedBody{
		inner: inner, minRate: minRate, window: window, cancel: cancel,
		stalled: &slow{fmt.Sprintf("less than %d bytes a second for %s", minRate, window)},
	}
	b.timer = time.AfterFunc(time.Hour, func() {
		b.fired.Store(true)
		cancel(b.stalled)
	})
	b.timer.Stop()
	return b
}

// Read implements io.Reader.
func (b *pacedBody) Read(p []byte) (int, error) {
	begin := time.Now()
	b.timer.Reset(b.window)
	n, err := b.inner.Read(p)
	b.timer.Stop()
	b.waited += time.Since(begin)
	b.got += int64(n)
	if err != nil {
		if b.fired.Load() {
			return n, b.stalled
		}
		if errors.Is(err, io.EOF) {
			return n, io.EOF
		}
		return n, &broken{err}
	}
	if b.waited >= b.window {
		if float64(b.got) < float64(b.minRate)*b.waited.Seconds() {
			b.cancel(b.stalled)
			return n, b.stalled
		}
		b.waited, b.got = 0, 0
	}
	return n, nil
}

// Close implements io.Closer.
func (b *pacedBody) Close() error {
	b.timer.Stop()
	err := b.inner.Close()
	b.cancel(nil)
	return err
}
