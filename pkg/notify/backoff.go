package notify

import (
	"math/rand/v2"
	"time"
)

const (
	maxAttempts = 16
	firstDelay  = 10 * time.Second
	maxDelay    = time.Hour
)

// delay is how long the attempt after the given one (from 1) waits: 10 s, doubled each time up to an hour, a fifth more or less by
// chance, so that what failed together is not tried together. All 16 attempts take about 7 h. What the destination asks for counts
// where it is longer.
func delay(attempt int, asked time.Duration) time.Duration {
	d := maxDelay
	if attempt < 10 {
		d = min(firstDelay<<(attempt-1), maxDelay)
	}
	d += time.Duration((rand.Float64()*0.4 - 0.2) * float64(d)) //nolint:gosec // chance, not a secret
	return max(d, asked)
}
