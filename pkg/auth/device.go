package auth

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"strings"
)

const deviceBytes = 16 // random bytes of a device's id

// newDevice gives a text that proves that a user has logged in with a browser. It opens nothing: it takes the browser's attempts out of
// what all attempts as that user are counted by (https://owasp.org/www-community/Slow_Down_Online_Guessing_Attacks_with_Device_Cookies).
// It is signed by what the store alone has, the hash of the password, and so ends with the password, and needs no place of its own.
func newDevice(u *User) string {
	id := randomText(deviceBytes)
	return id + "." + deviceTag(u, id)
}

// deviceOf gives the id of a user's device; "" where the text is none of theirs.
func deviceOf(u *User, text string) string {
	id, tag, ok := strings.Cut(text, ".")
	if !ok || u == nil || u.Password == "" || !hmac.Equal([]byte(tag), []byte(deviceTag(u, id))) {
		return ""
	}
	return id
}

func deviceTag(u *User, id string) string {
	key := sha256.Sum256([]byte("device of a user\x00" + u.Password))
	mac := hmac.New(sha256.New, key[:])
	mac.Write([]byte(u.Name + "\x00" + id))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}
