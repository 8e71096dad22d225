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
