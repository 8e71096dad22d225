package store

import (
	"encoding/base64"
	"strconv"
	"strings"
)

// wordsCursor names a place by words without spaces, but for the last one.
func wordsCursor(words ...string) string {
	return base64.RawURLEncoding.EncodeToString([]byte(strings.Join(words, " ")))
}

// cursorWords gives the words of a cursor, of which some are numbers. Another one is ErrBadCursor.
func cursorWords(cursor string, numbers ...bool) ([]any, error) {
	plain, err := base64.RawURLEncoding.DecodeString(cursor)
	if err != nil {
		return nil, ErrBadCursor
	}
	words := strings.SplitN(string(plain), " ", len(numbers))
	if len(words) != len(numbers) {
		return nil, ErrBadCursor
	}
	values := make([]any, len(words))
	for i, number := range numbers {
		word := words[i]
		if !number {
			if values[i] = word; word == "" || key(word) != word {
				return nil, ErrBadCursor
			}
			continue
		}
		if values[i], err = strconv.ParseInt(word, 10, 64); err != nil {
			return nil, ErrBadCursor
		}
	}
	return values, nil
}
