package storetest

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/runecast/runecast/pkg/auth"
)

// sampleToken gives a token with every field set; a later one for a greater n.
func sampleToken(n int) auth.Token {
	hash := sha256.Sum256([]byte(strconv.Itoa(n)))
	created := when().Add(time.Duration(n) * time.Minute)
	return auth.Token{
		ID: fmt.Sprintf("token-%d", n), Name: "API server “prod”", AccessType: auth.AccessGlobalAdmin, Hash: hash[:],
		CreatedAt: created, ExpiresAt: created.AddDate(1000, 0, 0), RevokedAt: created.Add(time.Microsecond), LastUsedAt: created.Add(time.Hour),
	}
}

func testTokenRoundTrip(t *testing.T, b Backend) {
	t.Helper()
	s := Open(t, b.New(t))
	full := sampleToken(2)
	complete(t, full)
	bare := auth.Token{ID: "bare", AccessType: auth.AccessReview, Hash: []byte{1}, CreatedAt: sampleToken(1).CreatedAt}
	must(t, s.CreateToken(t.Context(), full))
	must(t, s.CreateToken(t.Context(), bare))
	tokens, err := s.Tokens(t.Context())
	must(t, err)
	equal(t, "tokens, oldest first", tokens, []auth.Token{bare, full})
	if !bytes.Equal(tokens[1].Hash, full.Hash) {
		t.Errorf("hash is %x, want %x", tokens[1].Hash, full.Hash)
	}
	utc(t, tokens[1].CreatedAt)
}

func testTokenOnce(t *testing.T, b Backend) {
	t.Helper()
	s := Open(t, b.New(t))
	first := sampleToken(1)
	must(t, s.CreateToken(t.Context(), first))
	sameID, sameHash := sampleToken(2), sampleToken(3)
	sameID.ID, sameHash.Hash = first.ID, first.Hash
	for _, double := range []*auth.Token{&sameID, &sameHash} {
		want := "create token " + double.ID + ": a token with this id or hash exists already"
		if err := s.CreateToken(t.Context(), *double); err == nil || err.Error() != want {
			t.Errorf("error is %v, want %s", err, want)
		}
	}
	tokens, err := s.Tokens(t.Context())
	must(t, err)
	equal(t, "tokens", tokens, []auth.Token{first})
}

func testTokenRevoke(t *testing.T, b Backend) {
	t.Helper()
	s := Open(t, b.New(t))
	live, expired := sampleToken(1), sampleToken(2)
	live.RevokedAt, expired.RevokedAt = time.Time{}, time.Time{}
	live.ExpiresAt = time.Time{}
	expired.ExpiresAt = when()
	must(t, s.CreateToken(t.Context(), live))
	must(t, s.CreateToken(t.Context(), expired))
	for _, step := range []struct {
		id   string
		at   time.Time
		want bool
	}{
		{live.ID, when(), true},
		{live.ID, when().Add(time.Hour), false},
		{expired.ID, when(), false},
		{"nobody", when(), false},
		{"", when(), false},
	} {
		got, err := s.RevokeToken(t.Context(), step.id, step.at)
		if err != nil || got != step.want {
			t.Errorf("revoking %q gives %v, %v; want %v", step.id, got, err, step.want)
		}
	}
	live.RevokedAt = when()
	tokens, err := s.Tokens(t.Context())
	must(t, err)
	equal(t, "tokens", tokens, []auth.Token{live, expired})
}

func testTokenTouch(t *testing.T, b Backend) {
	t.Helper()
	s := Open(t, b.New(t))
	token := sampleToken(1)
	token.LastUsedAt = time.Time{}
	must(t, s.CreateToken(t.Context(), token))
	later := when().Add(time.Hour)
	for _, at := range []time.Time{when(), later, when()} {
		must(t, s.TouchToken(t.Context(), token.ID, at))
	}
	must(t, s.TouchToken(t.Context(), "nobody", when()))
	token.LastUsedAt = later
	tokens, err := s.Tokens(t.Context())
	must(t, err)
	equal(t, "tokens", tokens, []auth.Token{token})
}
