package store

import (
	"database/sql"
	"strings"
	"time"
	"unicode/utf8"
)

// maxKey is the most bytes of a text that an index holds: PostgreSQL refuses entries over 2,704 bytes, and a row that is
// refused because somebody sent a namespace of a megabyte would be a decision that nobody sees. Kubernetes' own names have at
// most 253.
const maxKey = 512

// text makes a text storable on both databases: PostgreSQL refuses NUL and what is not UTF-8.
func text[T ~string](value T) string {
	s := string(value)
	if strings.IndexByte(s, 0) < 0 && utf8.ValidString(s) {
		return s
	}
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "\uFFFD")
}

// key is text for a column with an index.
func key[T ~string](value T) string {
	s := text(value)
	if len(s) <= maxKey {
		return s
	}
	end := maxKey
	for !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end]
}

// moment gives a time as it is stored: microseconds, NULL for the zero time.
func moment(t time.Time) sql.NullInt64 {
	if t.IsZero() {
		return sql.NullInt64{}
	}
	return sql.NullInt64{Int64: t.UnixMicro(), Valid: true}
}

// timeOf is the reverse of moment, in UTC.
func timeOf(stored sql.NullInt64) time.Time {
	if !stored.Valid {
		return time.Time{}
	}
	return time.UnixMicro(stored.Int64).UTC()
}
