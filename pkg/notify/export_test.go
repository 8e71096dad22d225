package notify

import "time"

// Impatient makes a sink of HTTP wait less.
func Impatient(s Sink, timeout time.Duration) Sink {
	switch s := s.(type) {
	case *webhook:
		s.timeout = timeout
	case *slack:
		s.timeout = timeout
	}
	return s
}

// Delay is how long the attempt after the given one waits.
func Delay(attempt int, asked time.Duration) time.Duration { return delay(attempt, asked) }

// Stem is the part of a name by which denials are grouped.
func Stem(name string) string { return stem(name) }

// MaxAttempts is how often one notification is tried.
const MaxAttempts = maxAttempts
