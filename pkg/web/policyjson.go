package web

import (
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// plainJSON writes those escapes of JSON's strings out that YAML does not know: \/ and pairs of surrogates (RFC 8259, section 7; YAML 1.2.2,
// section 5.7). All else of JSON is YAML. Lines stay as they are; what is no JSON stays as it is, and YAML's reader tells what is wrong.
func plainJSON(content []byte) []byte {
	out := make([]byte, 0, len(content))
	text := false // within a string
	for i := 0; i < len(content); i++ {
		c := content[i]
		switch {
		case c == '"':
			text = !text
		case text && c == '\\' && i+1 < len(content):
			if r, ok := pair(content[i:]); ok {
				out = utf8.AppendRune(out, r)
				i += 11
				continue
			}
			i++
			if content[i] != '/' {
				out = append(out, c)
			}
			c = content[i]
		}
		out = append(out, c)
	}
	return out
}

// pair reads a character that two escapes make, such as \ud83d\ude00.
func pair(text []byte) (rune, bool) {
	if len(text) < 12 || string(text[:2]) != `\u` || string(text[6:8]) != `\u` {
		return 0, false
	}
	high, err := strconv.ParseUint(string(text[2:6]), 16, 16)
	low, failure := strconv.ParseUint(string(text[8:12]), 16, 16)
	if err != nil || failure != nil {
		return 0, false
	}
	r := utf16.DecodeRune(rune(high), rune(low))
	return r, r != utf8.RuneError
}
