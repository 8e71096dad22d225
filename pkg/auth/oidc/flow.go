package oidc

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"time"

	"golang.org/x/oauth2"
)

const (
	flowTime  = 10 * time.Minute // within which somebody who was sent to the provider is back
	maxFlow   = 3 << 10          // bytes of a flow as text, which is a cookie
	maxNext   = 1 << 10          // bytes of where to go afterwards
	flowBytes = 32               // random bytes of state and nonce
)

// flow is a login that has begun, as the browser keeps it. Only the browser that has it can finish the login.
type flow struct {
	State    string `json:"s"`
	Nonce    string `json:"n"`
	Verifier string `json:"v"`
	Next     string `json:"p"` // where to go afterwards
	Began    int64  `json:"t"` // seconds since 1970
}

func newFlow(next string, now time.Time) flow {
	if len(next) > maxNext {
		next = ""
	}
	return flow{State: random(), Nonce: random(), Verifier: oauth2.GenerateVerifier(), Next: next, Began: now.Unix()}
}

func random() string {
	b := make([]byte, flowBytes)
	_, _ = rand.Read(b) // it never fails (https://pkg.go.dev/crypto/rand#Read)
	return base64.RawURLEncoding.EncodeToString(b)
}

func (f flow) text() string {
	plain, err := json.Marshal(f)
	if err != nil {
		return "" // strings and a number: it cannot fail, and an empty text is no flow
	}
	return base64.RawURLEncoding.EncodeToString(plain)
}

// parseFlow reads what a browser sent back, and tells whether it is a flow that is not over yet.
func parseFlow(text string, now time.Time) (flow, bool) {
	var f flow
	if len(text) > maxFlow {
		return f, false
	}
	plain, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil || json.Unmarshal(plain, &f) != nil {
		return f, false
	}
	age := now.Sub(time.Unix(f.Began, 0))
	return f, f.State != "" && f.Nonce != "" && f.Verifier != "" && age < flowTime && age > -flowTime
}
