package app

import (
	stdlog "log" //nolint:depguard // net/http takes its error log as a *log.Logger and nothing else
	"strings"

	"github.com/sirupsen/logrus"
)

// newErrorLog lets net/http's own messages, such as failed TLS handshakes, go to our log.
func newErrorLog(log logrus.FieldLogger) *stdlog.Logger {
	return stdlog.New(errorLog{log}, "", 0)
}

type errorLog struct{ log logrus.FieldLogger }

func (e errorLog) Write(line []byte) (int, error) {
	e.log.WithField("component", "http").Warn(strings.TrimSpace(string(line)))
	return len(line), nil
}
