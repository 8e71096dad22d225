package admission

import (
	"fmt"
	"time"
)

const (
	// defaultTimeout is the API server's own default for a webhook's timeoutSeconds.
	defaultTimeout = 10 * time.Second
	// maxTimeout is the largest timeoutSeconds that Kubernetes accepts.
	maxTimeout = 30 * time.Second
	// answerMargin is what is left of the timeout for the way back.
	answerMargin = 500 * time.Millisecond
)

// reviewTime tells how long a review may take from its arrival on, given the timeout parameter that the API server adds to
// the URL (a Go duration): the timeout less answerMargin, but never less than half of the timeout.
func reviewTime(parameter string) (time.Duration, error) {
	timeout := defaultTimeout
	if parameter != "" {
		parsed, err := time.ParseDuration(parameter)
		if err != nil || parsed <= 0 {
			return 0, fmt.Errorf("the timeout parameter %.20q is no positive duration such as 10s", parameter)
		}
		timeout = min(parsed, maxTimeout)
	}
	return max(timeout-answerMargin, timeout/2), nil
}
