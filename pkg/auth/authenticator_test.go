package auth_test

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sirupsen/logrus"

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
	if _, err := a.AuthenticateSecret(t.Context(), ""); !errors.Is(err, auth.ErrNoToken) {
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

func TestExpiryIsHonouredBetweenRefreshesAndWhileTheStoreFails(t *testing.T) {
	t.Parallel()
	now := &clock{now: time.Now()}
	store := &memory{}
	short, _ := issue(t, store, "short", auth.AccessReview, now.Now().Add(time.Hour))
	long, _ := issue(t, store, "long", auth.AccessReview, time.Time{})
	a := auth.NewAuthenticator(store, auth.Options{Clock: now.Now})
	for _, secret := range []string{short, long} {
		if _, err := a.Authenticate(t.Context(), secret); err != nil {
			t.Fatal(err)
		}
	}
	now.advance(time.Hour)
	store.set(func(m *memory) { m.fail = errDown })
	if _, err := a.Authenticate(t.Context(), short); !errors.Is(err, auth.ErrBadToken) {
		t.Errorf("the expired token gives %v", err)
	}
	if _, err := a.Authenticate(t.Context(), long); err != nil {
		t.Errorf("the live token gives %v", err)
	}
	store.set(func(m *memory) { m.fail = nil })
	if _, err := a.Authenticate(t.Context(), short); !errors.Is(err, auth.ErrBadToken) {
		t.Errorf("the expired token gives %v", err)
	}
}

func TestStoreFailure(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var logged bytes.Buffer
		log := logrus.New()
		log.SetOutput(&logged)
		if level, err := logrus.ParseLevel("debug"); err == nil {
			log.SetLevel(level)
		}
		store := &memory{fail: nil}
		secret, _ := issue(t, store, "known", auth.AccessReview, time.Time{})
		a := auth.NewAuthenticator(store, auth.Options{Log: log})
		if err := a.Healthy(); err == nil || err.Error() != "the API tokens have not been read yet" {
			t.Errorf("before the first read Healthy gives %v", err)
		}
		run(t, a)
		synctest.Wait()
		store.set(func(m *memory) { m.fail = errDown })
		<-time.After(20 * time.Second)
		synctest.Wait()

		if err := a.Healthy(); !errors.Is(err, errDown) || err.Error() != "read API tokens: database is down" {
			t.Errorf("Healthy gives %v", err)
		}
		if _, err := a.Authenticate(t.Context(), secret); err != nil {
			t.Errorf("the known token gives %v", err)
		}
		if _, err := a.Authenticate(t.Context(), "unknown"); !errors.Is(err, auth.ErrUnavailable) {
			t.Errorf("an unknown token gives %v", err)
		}
		store.set(func(m *memory) { m.fail = nil })
		<-time.After(20 * time.Second)
		synctest.Wait()
		if err := a.Healthy(); err != nil {
			t.Errorf("after the recovery Healthy gives %v", err)
		}
		text := logged.String()
		if strings.Count(text, "cannot be refreshed") != 1 || strings.Count(text, "refreshed again") != 1 {
			t.Errorf("log is\n%s", text)
		}
		if strings.Contains(text, secret) {
			t.Errorf("the log holds a secret:\n%s", text)
		}
	})
}

func TestHangingStoreDelaysNobodyBeyondTheDeadline(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := &memory{}
		known, _ := issue(t, store, "known", auth.AccessReview, time.Time{})
		a := auth.NewAuthenticator(store, auth.Options{})
		if _, err := a.Authenticate(t.Context(), known); err != nil {
			t.Fatal(err)
		}
		store.set(func(m *memory) { m.hang = true })
		run(t, a)
		begin := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		defer cancel()
		if _, err := a.Authenticate(ctx, "unknown"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("an unknown token gives %v", err)
		}
		if took := time.Since(begin); took != 300*time.Millisecond {
			t.Errorf("it took %s", took)
		}
		begin = time.Now()
		if _, err := a.Authenticate(t.Context(), known); err != nil || time.Since(begin) != 0 {
			t.Errorf("the known token gives %v after %s", err, time.Since(begin))
		}
		if _, err := a.Authenticate(t.Context(), "unknown"); !errors.Is(err, auth.ErrUnavailable) || time.Since(begin) > 5*time.Second {
			t.Errorf("an unknown token gives %v after %s", err, time.Since(begin))
		}
	})
}

func TestUnknownTokensReadTheStoreTenTimesASecond(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := &memory{}
		a := auth.NewAuthenticator(store, auth.Options{})
		var all sync.WaitGroup
		begin := time.Now()
		for range 50 {
			all.Go(func() {
				for range 20 {
					if _, err := a.Authenticate(t.Context(), "guess"); !errors.Is(err, auth.ErrBadToken) {
						t.Errorf("a guess gives %v", err)
					}
				}
			})
		}
		all.Wait()
		limit := int(time.Since(begin)/(100*time.Millisecond)) + 1
		if reads := store.readCount(); reads > limit || reads < 20 {
			t.Errorf("1000 guesses read the store %d times in %s", reads, time.Since(begin))
		}
		<-time.After(time.Second) // the last refresh keeps its turn; then its goroutine is gone, or synctest fails
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

func TestDamagedHashLocksOutNobodyElse(t *testing.T) {
	t.Parallel()
	store := &memory{}
	secret, _ := issue(t, store, "good", auth.AccessReview, time.Time{})
	store.tokens = append(store.tokens, auth.Token{ID: "bad", AccessType: auth.AccessGlobalAdmin, Hash: []byte{1}})
	a := auth.NewAuthenticator(store, auth.Options{})
	if _, err := a.Authenticate(t.Context(), secret); err != nil {
		t.Error(err)
	}
	want := "token bad has a damaged hash of 1 bytes: revoke it and issue another"
	if err := a.Healthy(); err == nil || err.Error() != want {
		t.Errorf("Healthy gives %v, want %s", err, want)
	}
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
