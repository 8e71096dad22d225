package image

import (
	"regexp"
	"strings"
	"unicode"
)

// maxText is how many runes of a registry's own words an error repeats.
const maxText = 300

var (
	queryPattern    = regexp.MustCompile(`(://[^\s?"']*)\?[^\s"']*`)
	userinfoPattern = regexp.MustCompile(`://[^\s/@"']*@`)
	secretPattern   = regexp.MustCompile(`(?i)\b(bearer|basic)\s+[a-z0-9+/=._~-]{8,}`)
)

// redact makes a foreign text fit for users: one line of at most maxText runes, without queries and user names in addresses
// (signed addresses of blob stores carry credentials in their query) and without Authorization values.
func redact(text string) string {
	text = strings.Join(strings.FieldsFunc(text, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }), " ")
	text = queryPattern.ReplaceAllString(text, "$1?…")
	text = userinfoPattern.ReplaceAllString(text, "://")
	text = secretPattern.ReplaceAllString(text, "$1 …")
	if runes := []rune(text); len(runes) > maxText {
		text = string(runes[:maxText-1]) + "…"
	}
	return text
}
