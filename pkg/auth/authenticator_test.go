package auth_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/runecast/runecast/pkg/auth"
)

// run starts Run and ends it, waiting, with the test.
func run(t *testing.T, a *auth.Authenticator) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- a.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
}

func TestAuthenticateHeader(t *testing.T) {
	t.Parallel()
	store := &memory{}
	secret, token := issue(t, store, "api server", auth.AccessGlobalAdmin, time.Time{})
	a := auth.NewAuthenticator(store, auth.Options{})
	for _, tt := range []struct {
		name, header string
		want         error
	}{
		{"bearer", "Bearer " + secret, nil},
		{"scheme in any case", "bEARER  " + secret + " ", nil},
		{"bare", secret, nil},
		{"empty", "", auth.ErrNoToken},
		{"blank", "  ", auth.ErrNoToken},
		{"scheme alone", "Bearer", auth.ErrNoToken},
		{"scheme and blank", "Bearer  ", auth.ErrNoToken},
		{"another scheme", "Basic " + secret, auth.ErrNoToken},
		{"unknown", "Bearer 2645cda9-ac05-4b6d-8e94-f27c84e93377", auth.ErrBadToken},
		{"two tokens", "Bearer " + secret + " " + secret, auth.ErrBadToken},
		{"upper case", "Bearer " + strings.ToUpper(secret), auth.ErrBadToken},
		{"a prefix", "Bearer " + secret[:35], auth.ErrBadToken},
		{"the hash", "Bearer " + string(token.Hash), auth.ErrBadToken},
		{"too long a token", "Bearer " + strings.Repeat("a", 129), auth.ErrBadToken},
		{"too long a header", "Bearer " + secret + strings.Repeat(" ", 1024), auth.ErrBadToken},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := a.Authenticate(t.Context(), tt.header)
			if !errors.Is(err, tt.want) {
				t.Fatalf("error is %v, want %v", err, tt.want)
			}
			want := auth.Principal{}
			if tt.want == nil {
				want = auth.Principal{TokenID: token.ID, Name: "api server", AccessType: auth.AccessGlobalAdmin}
			}
			if got != want {
				t.Errorf("principal is %+v, want %+v", got, want)
			}
		})
	}
	if _, err := a.AuthenticateKey(t.Context(), ""); !errors.Is(err, auth.ErrNoToken) {
		t.Errorf("an empty secret gives %v", err)
	}
}

func TestErrorTexts(t *testing.T) {
	t.Parallel()
	for err, want := range map[error]string{
		auth.ErrNoToken:     "no API token: send the header Authorization: Bearer <token>",
		auth.ErrBadToken:    "the API token is not valid: it is unknown, expired or revoked",
		auth.ErrUnavailable: "the API token cannot be checked now, because the token store does not answer",
	} {
		if err.Error() != want {
			t.Errorf("text is %q, want %q", err, want)
		}
	}
}

func TestNewTokenWorksAtOnce(t *testing.T) {
	t.Parallel()
	store := &memory{}
	a := auth.NewAuthenticator(store, auth.Options{Refresh: time.Hour})
	run(t, a)
	eventually(t, "the first refresh", func() bool { return a.Healthy() == nil })
	for range 3 {
		secret, token := issue(t, store, "new", auth.AccessReview, time.Time{})
		got, err := a.Authenticate(t.Context(), secret)
		if err != nil || got.TokenID != token.ID {
			t.Fatalf("a token issued a moment ago gives %+v, %v", got, err)
		}
	}
}

func TestRevokedTokenStopsWithinTheRefresh(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := &memory{}
		secret, token := issue(t, store, "old", auth.AccessReview, time.Time{})
		a := auth.NewAuthenticator(store, auth.Options{})
		run(t, a)
		synctest.Wait()
		if _, err := a.Authenticate(t.Context(), secret); err != nil {
			t.Fatal(err)
		}
		if found, err := store.RevokeToken(t.Context(), token.ID, time.Now()); !found || err != nil {
			t.Fatal(found, err)
		}
		<-time.After(2 * time.Second)
		synctest.Wait()
		if _, err := a.Authenticate(t.Context(), secret); !errors.Is(err, auth.ErrBadToken) {
			t.Errorf("2 s after its revocation the token gives %v", err)
		}
	})
}

func TestLastUseIsStoredOnceAMinute(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := &memory{}
		secret, token := issue(t, store, "busy", auth.AccessReview, time.Time{})
		_, idle := issue(t, store, "idle", auth.AccessReview, time.Time{})
		a := auth.NewAuthenticator(store, auth.Options{})
		run(t, a)
		for range 150 * 2 {
			if _, err := a.Authenticate(t.Context(), secret); err != nil {
				t.Fatal(err)
			}
			<-time.After(500 * time.Millisecond)
		}
		touches := store.touched(token.ID)
		if len(touches) != 3 {
			t.Errorf("150 s of use were stored as %v", touches)
		}
		for i := 1; i < len(touches); i++ {
			if gap := touches[i].Sub(touches[i-1]); gap < time.Minute {
				t.Errorf("two notes are %s apart", gap)
			}
		}
		if len(store.touched(idle.ID)) != 0 {
			t.Errorf("an unused token was touched at %v", store.touched(idle.ID))
		}
	})
}

func TestManyCallersWhileTokensChange(t *testing.T) {
	t.Parallel()
	store := &memory{}
	secret, _ := issue(t, store, "steady", auth.AccessReview, time.Time{})
	a := auth.NewAuthenticator(store, auth.Options{Refresh: time.Millisecond})
	run(t, a)
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for range 500 {
				if _, err := a.Authenticate(t.Context(), secret); err != nil {
					t.Errorf("the steady token gives %v", err)
					return
				}
			}
		})
	}
	all.Go(func() {
		for range 5 {
			other, token := issue(t, store, "short-lived", auth.AccessReview, time.Time{})
			if _, err := a.Authenticate(t.Context(), other); err != nil {
				t.Error(err)
			}
			if _, err := store.RevokeToken(t.Context(), token.ID, time.Now()); err != nil {
				t.Error(err)
			}
			eventually(t, "the revoked token stops", func() bool {
				_, err := a.Authenticate(t.Context(), other)
				return errors.Is(err, auth.ErrBadToken)
			})
		}
	})
	all.Wait()
}

func BenchmarkAuthenticate(b *testing.B) {
	for name, tokens := range map[string]int{"1 token": 1, "10 tokens": 10, "100 tokens": 100} {
		b.Run(name, func(b *testing.B) {
			store := &memory{}
			var secret string
			for range tokens {
				secret, _ = issue(b, store, "api server", auth.AccessGlobalAdmin, time.Now().Add(time.Hour))
			}
			a := auth.NewAuthenticator(store, auth.Options{})
			header := "Bearer " + secret
			b.ReportAllocs()
			for b.Loop() {
				if _, err := a.Authenticate(b.Context(), header); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
