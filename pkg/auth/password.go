package auth

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"golang.org/x/crypto/argon2"
)

// Parameters of argon2id as the OWASP Password Storage Cheat Sheet asks for at the least
// (https://cheatsheetseries.owasp.org/cheatsheets/Password_Storage_Cheat_Sheet.html): 19 MiB, two passes, one lane. The salt's and
// the tag's length are those of RFC 9106, section 4.
const (
	argonTime    = 2
	argonMemory  = 19 << 10 // KiB
	argonThreads = 1
	argonSalt    = 16 // bytes
	argonTag     = 32 // bytes
)

const (
	passwordBytes = 16 // random bytes of a one-time password
	minPassword   = 12 // characters
	maxPassword   = 256
)

// argonPrefix begins every hash: PHC's form, with the parameters above, which are the only ones that were ever used.
const argonPrefix = "$argon2id$v=19$m=19456,t=2,p=1$"

func checkPassword(password string) error {
	if n := utf8.RuneCountInString(password); n < minPassword || len(password) > maxPassword {
		return fmt.Errorf("a password has %d to %d characters", minPassword, maxPassword)
	}
	return nil
}

// randomText gives n random bytes as text.
func randomText(n int) string {
	b := make([]byte, n)
	_, _ = rand.Read(b) // it never fails (https://pkg.go.dev/crypto/rand#Read)
	return base64.RawURLEncoding.EncodeToString(b)
}

// HashPassword gives the argon2id hash of a password in PHC's form, with a salt of its own.
func HashPassword(password string) string {
	salt := make([]byte, argonSalt)
	_, _ = rand.Read(salt) // it never fails
	tag := argon2.IDKey([]byte(password), salt, argonTime, argonMemory, argonThreads, argonTag)
	return argonPrefix + base64.RawStdEncoding.EncodeToString(salt) + "$" + base64.RawStdEncoding.EncodeToString(tag)
}

// VerifyPassword tells whether a hash is that of a password. An error means that the hash cannot be read.
func VerifyPassword(hash, password string) (bool, error) {
	rest, ok := strings.CutPrefix(hash, argonPrefix)
	salt64, tag64, both := strings.Cut(rest, "$")
	if !ok || !both || strings.ContainsAny(rest, "\r\n") { // which base64 would pass over
		return false, errors.New("the stored password is no hash of this version")
	}
	salt, saltErr := base64.RawStdEncoding.Strict().DecodeString(salt64)
	tag, tagErr := base64.RawStdEncoding.Strict().DecodeString(tag64)
	if err := errors.Join(saltErr, tagErr); err != nil || len(salt) != argonSalt || len(tag) != argonTag {
		return false, errors.New("the stored password is damaged")
	}
	got := argon2.IDKey([]byte(password), salt, argonTime, argonMemory, argonThreads, argonTag)
	return subtle.ConstantTimeCompare(got, tag) == 1, nil
}
