package auth

import (
	"strconv"
	"time"
)

// Flood counts attempts of many addresses, names and browsers without hashing a password.
func Flood(s *Sessions, n int, now time.Time) {
	for i := range n {
		text := strconv.Itoa(i)
		s.gate.admit("user"+text, "203.0.113."+text, "", now)
		s.gate.admit("user"+text, "", text, now)
	}
}

// Guess counts attempts of many addresses as one user without hashing a password.
func Guess(s *Sessions, name string, n int, now time.Time) {
	for i := range n {
		s.gate.admit(name, "203.0.113."+strconv.Itoa(i), "", now)
	}
}
