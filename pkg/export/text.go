package export

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// clean makes one line of text from an image fit for every format: control characters, those that change the direction of
// writing, characters that XML 1.0 has no place for (https://www.w3.org/TR/xml/#charsets) and invalid UTF-8 become U+FFFD.
func clean(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case unicode.IsControl(r), r == '\u2028', r == '\u2029', r >= 0x202a && r <= 0x202e, r >= 0x2066 && r <= 0x2069, r == 0xfffe, r == 0xffff:
			return utf8.RuneError
		}
		return r // of an invalid byte it is utf8.RuneError
	}, text)
}

// orText gives the text, or another where it is empty.
func orText(text, otherwise string) string {
	if text == "" {
		return otherwise
	}
	return text
}

// spdxText makes text fit for tag-value files too, where a line holds one tag and <text> would begin a value of many lines.
func spdxText(text string) string {
	return strings.TrimSpace(strings.NewReplacer("<text>", "(text)", "</text>", "(/text)").Replace(clean(text)))
}
