package policy

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

const (
	day     = 24 * time.Hour
	maxDays = 36500 // a hundred years: more is a typing mistake, and int64 nanoseconds end at 292 years
)

// Duration is a span of time that YAML and JSON write as text, such as 14d, 36h or 1d12h. A day has 24 hours. Zero means not set.
type Duration time.Duration

// ParseDuration reads an optional number of days and what time.ParseDuration accepts: 7d, 168h, 1d12h. It must be above zero.
func ParseDuration(text string) (Duration, error) {
	var total time.Duration
	rest := text
	if days, after, found := strings.Cut(text, "d"); found {
		n, err := strconv.ParseUint(days, 10, 16)
		if err != nil || n > maxDays {
			return 0, durationError(text)
		}
		total, rest = time.Duration(n)*day, after
	}
	if rest != "" {
		part, err := time.ParseDuration(rest)
		if err != nil || part < 0 || part > maxDays*day {
			return 0, durationError(text)
		}
		total += part
	}
	if total <= 0 {
		return 0, durationError(text)
	}
	return Duration(total), nil
}

func durationError(text string) error {
	return fmt.Errorf("%q is no duration above zero: write days or hours, such as 7d, 168h or 1d12h", clean(text, 64))
}

// String gives the shortest text that reads back to the same value.
func (d Duration) String() string {
	span := time.Duration(d)
	days, rest := span/day, span%day
	text := ""
	if days > 0 {
		text = strconv.Itoa(int(days)) + "d"
	}
	if rest == 0 && text != "" {
		return text
	}
	short := rest.String()
	short = strings.TrimSuffix(short, "0s")
	if strings.HasSuffix(short, "h0m") {
		short = strings.TrimSuffix(short, "0m")
	}
	if short == "" {
		short = "0s"
	}
	return text + short
}

// MarshalText writes String.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText reads what ParseDuration reads.
func (d *Duration) UnmarshalText(text []byte) error {
	parsed, err := ParseDuration(string(text))
	*d = parsed
	return err
}
