package scan

import (
	"fmt"
	"runtime/debug"

	"github.com/sirupsen/logrus"
)

// panicError is a panic that was caught: a fault of ours that an image has brought to light.
type panicError struct {
	what  string
	value any
}

func (p *panicError) Error() string { return fmt.Sprintf("%s panicked: %v", p.what, p.value) }

// guarded runs fn and turns a panic into a *panicError, since a hostile image must not end the server.
func guarded(log logrus.FieldLogger, what string, fn func() error) (err error) {
	defer func() {
		if value := recover(); value != nil {
			err = &panicError{what, value}
			log.WithError(err).WithField("stack", string(debug.Stack())).Error("panic")
		}
	}()
	return fn()
}
