package policy

import (
	"unicode"
	"unicode/utf8"
)

const (
	maxField  = 128 // runes of a name or version: these come from the image and can be of any size
	maxClause = 400 // runes of a cause, remedy or reason
)

// clean makes text from an image or a feed safe for one line on a terminal and cuts it to limit runes.
func clean(s string, limit int) string {
	if plain(s, limit) {
		return s
	}
	return string(appendClean(nil, s, limit))
}

// plain tells whether a text is short printable ASCII, as almost all are.
func plain(s string, limit int) bool {
	if len(s) > limit {
		return false
	}
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

// appendClean appends s with white space as blanks and everything that could steer a terminal (control and format characters,
// such as escape sequences and reversals of the writing direction) or is no UTF-8 as U+FFFD. Longer texts end in "…".
func appendClean(buf []byte, s string, limit int) []byte {
	if plain(s, limit) {
		return append(buf, s...)
	}
	count := 0
	for i, r := range s {
		if count == limit-1 && utf8.RuneCountInString(s[i:min(len(s), i+2*utf8.UTFMax)]) > 1 {
			return append(buf, "…"...)
		}
		buf = utf8.AppendRune(buf, safeRune(r))
		count++
	}
	return buf
}

func safeRune(r rune) rune {
	switch {
	case unicode.IsSpace(r):
		return ' '
	case unicode.IsPrint(r):
		return r
	default: // control, format, surrogate, private use, not assigned
		return utf8.RuneError
	}
}
