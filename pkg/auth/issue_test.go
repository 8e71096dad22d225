package auth_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/runecast/runecast/pkg/auth"
)

func TestIssueStoresOnlyAHash(t *testing.T) {
	t.Parallel()
	store := &memory{}
	expires := time.Now().Add(time.Hour)
	secret, token := issue(t, store, " pipeline ", auth.AccessReview, expires)

	if uuid4 := regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`); !uuid4.MatchString(secret) {
		t.Errorf("secret %q is no version 4 UUID in lower case", secret)
	}
	if hash := sha256.Sum256([]byte(secret)); !bytes.Equal(token.Hash, hash[:]) {
		t.Errorf("hash %x is not the SHA-256 of the secret", token.Hash)
	}
	if token.Name != "pipeline" || token.AccessType != auth.AccessReview || !token.ExpiresAt.Equal(expires.Truncate(time.Microsecond)) {
		t.Errorf("token is %+v", token)
	}
	if !regexp.MustCompile(`^[0-9a-f]{12}$`).MatchString(token.ID) || strings.Contains(secret, token.ID) {
		t.Errorf("id is %q", token.ID)
	}
	if len(store.tokens) != 1 || store.tokens[0].ID != token.ID {
		t.Errorf("stored tokens are %+v", store.tokens)
	}
	text, err := json.Marshal(token)
	if err != nil {
		t.Fatal(err)
	}
	for _, hidden := range []string{secret, "ash"} {
		if strings.Contains(string(text), hidden) {
			t.Errorf("the token's JSON %s holds %q", text, hidden)
		}
	}
}

func TestIssueGivesDifferentSecrets(t *testing.T) {
	t.Parallel()
	store := &memory{}
	secrets, ids := map[string]bool{}, map[string]bool{}
	for range 100 {
		secret, token := issue(t, store, "ci", auth.AccessReview, time.Time{})
		secrets[secret], ids[token.ID] = true, true
	}
	if len(secrets) != 100 || len(ids) != 100 {
		t.Errorf("100 tokens have %d secrets and %d ids", len(secrets), len(ids))
	}
}

func TestIssueRefuses(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		req  auth.IssueRequest
		want string
	}{
		{
			"everything missing",
			auth.IssueRequest{},
			"issue token: a token needs a name\naccess type \"\" is none of \"Global Admin\", \"Review\"",
		},
		{
			"long name",
			auth.IssueRequest{Name: strings.Repeat("é", 101), AccessType: auth.AccessReview},
			"issue token: the name has 101 characters, 100 are the limit",
		},
		{
			"control characters",
			auth.IssueRequest{Name: "a\x1b[2Jb", AccessType: auth.AccessReview},
			`issue token: the name "a\x1b[2Jb" has characters that cannot be printed`,
		},
		{
			"past expiry",
			auth.IssueRequest{Name: "ci", AccessType: auth.AccessReview, ExpiresAt: time.Date(2020, 1, 2, 3, 4, 5, 0, time.UTC)},
			"issue token: the expiry 2020-01-02T03:04:05Z is in the past",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			store := &memory{}
			secret, _, err := auth.Issue(t.Context(), store, tt.req)
			if err == nil || err.Error() != tt.want {
				t.Errorf("error is %q, want %q", err, tt.want)
			}
			if secret != "" || len(store.tokens) != 0 {
				t.Errorf("secret %q, stored %v", secret, store.tokens)
			}
		})
	}
}

func TestIssueGivesNoSecretThatIsNotStored(t *testing.T) {
	t.Parallel()
	secret, _, err := auth.Issue(t.Context(), &memory{fail: errDown}, auth.IssueRequest{Name: "ci", AccessType: auth.AccessReview})
	if secret != "" || !errors.Is(err, errDown) || err.Error() != `issue token "ci": database is down` {
		t.Errorf("secret %q, error %v", secret, err)
	}
}

func TestParseAccessType(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]auth.AccessType{
		"Global Admin": auth.AccessGlobalAdmin, "global-admin": auth.AccessGlobalAdmin, " GLOBAL_ADMIN ": auth.AccessGlobalAdmin,
		"Review": auth.AccessReview, "review": auth.AccessReview,
	} {
		if got, err := auth.ParseAccessType(name); err != nil || got != want {
			t.Errorf("%q gives %q, %v; want %q", name, got, err, want)
		}
	}
	if _, err := auth.ParseAccessType("admin"); err == nil || err.Error() != `access type "admin" is none of "Global Admin", "Review"` {
		t.Errorf("error is %v", err)
	}
}

func TestMay(t *testing.T) {
	t.Parallel()
	all := []auth.Action{auth.ActionReview, auth.ActionScan, auth.ActionRead, auth.ActionManage}
	for access, allowed := range map[auth.AccessType][]auth.Action{
		auth.AccessGlobalAdmin: all,
		auth.AccessReview:      {auth.ActionReview},
		"":                     nil,
		"Auditor":              nil,
	} {
		want := map[auth.Action]bool{}
		for _, action := range allowed {
			want[action] = true
		}
		for _, action := range all {
			if got := (auth.Principal{AccessType: access}).May(action); got != want[action] {
				t.Errorf("%q may %q: %v", access, action, got)
			}
		}
	}
}

func TestStatus(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)
	for _, tt := range []struct {
		token auth.Token
		want  auth.Status
	}{
		{auth.Token{}, auth.StatusLive},
		{auth.Token{ExpiresAt: now.Add(time.Microsecond)}, auth.StatusLive},
		{auth.Token{ExpiresAt: now}, auth.StatusExpired},
		{auth.Token{RevokedAt: now.Add(time.Hour)}, auth.StatusRevoked},
		{auth.Token{RevokedAt: now, ExpiresAt: now}, auth.StatusRevoked},
	} {
		if got := tt.token.Status(now); got != tt.want {
			t.Errorf("%+v is %q, want %q", tt.token, got, tt.want)
		}
	}
}
