package policy

import (
	"unicode/utf8"
)

// The API server's limits (CONTRACT section 1): it cuts longer warnings, drops those beyond the total, and drops one with a line
// break without a word.
const (
	maxWarning  = 256  // runes
	maxWarnings = 4096 // runes of all warnings together
	restRoom    = 64   // runes kept for the line that says how many were left out
)

// Warnings words the warnings of all images for the API server: one line each, headed by the image's name, without control
// characters, within the API server's limits. Equal ones appear once. Where some do not fit, the last line says how many.
func Warnings(images []ImageResult) []string {
	var all []string
	seen := map[string]bool{}
	for i := range images {
		for _, w := range images[i].Result.Warnings {
			text := clean(clean(images[i].Reference, maxField)+": "+w, maxWarning)
			if !seen[text] {
				seen[text] = true
				all = append(all, text)
			}
		}
	}
	return LimitWarnings(all)
}

// LimitWarnings makes any warnings fit the API server's limits, as Warnings does.
func LimitWarnings(warnings []string) []string {
	var out []string
	total := 0
	for i, w := range warnings {
		text := clean(w, maxWarning)
		n := utf8.RuneCountInString(text)
		room := restRoom
		if i == len(warnings)-1 {
			room = 0
		}
		if total+n+room > maxWarnings {
			return append(out, plural(len(warnings)-i, "more warning")+" left out")
		}
		out, total = append(out, text), total+n
	}
	return out
}
