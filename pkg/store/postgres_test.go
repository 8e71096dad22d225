package store_test

import (
	"context"
	"net"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/runecast/runecast/pkg/store"
	"github.com/runecast/runecast/pkg/store/storetest"
)

func TestPostgresErrorsHoldNoPassword(t *testing.T) {
	t.Parallel()
	silent, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0") // takes connections and says nothing
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	closed, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	refused := closed.Addr().String()
	if err := closed.Close(); err != nil {
		t.Fatal(err)
	}
	for name, dsn := range map[string]string{
		"refused":           "postgres://runecast:s3cret@" + refused + "/db?sslmode=disable",
		"silent":            "postgres://runecast:s3cret@" + silent.Addr().String() + "/db?sslmode=disable",
		"password in query": "postgres://runecast@" + refused + "/db?sslmode=disable&password=s3cret",
		"not escaped":       "postgres://runecast:s3cret#1@" + refused + "/db",
		"no such option":    "postgres://runecast:s3cret@" + refused + "/db?sslmode=sometimes",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
			defer cancel()
			begin := time.Now()
			_, err := store.Open(ctx, dsn, storetest.Log())
			if err == nil || strings.Contains(err.Error(), "s3c") {
				t.Errorf("error is %v", err)
			}
			if took := time.Since(begin); took > 5*time.Second {
				t.Errorf("it took %s", took)
			}
		})
	}
}

func TestPostgresNameHoldsNoCredentials(t *testing.T) {
	t.Parallel()
	dsn, err := url.Parse(postgres.NewDatabase(t))
	if err != nil {
		t.Fatal(err)
	}
	dsn.User = url.UserPassword(dsn.User.Username(), "s3cret") // the server trusts, or the password is wrong and the error is checked
	s, err := store.Open(t.Context(), dsn.String(), storetest.Log())
	if err != nil {
		if strings.Contains(err.Error(), "s3cret") {
			t.Errorf("error is %v", err)
		}
		return
	}
	defer s.Close()
	if !strings.HasPrefix(s.Name(), "PostgreSQL database "+strings.TrimPrefix(dsn.Path, "/")+" at ") || strings.Contains(s.Name(), "s3cret") {
		t.Errorf("name is %q", s.Name())
	}
}

func TestPostgresRestartIsSurvived(t *testing.T) {
	t.Parallel()
	dsn := postgres.NewDatabase(t)
	s := storetest.Open(t, dsn)
	decision := storetest.Decision(1)
	if err := s.CreateDecision(t.Context(), decision); err != nil {
		t.Fatal(err)
	}
	var readers sync.WaitGroup
	for range 8 { // so that the pool has several connections
		readers.Go(func() {
			if _, err := s.Tokens(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	readers.Wait()
	raw := postgres.Backend().Raw(t, dsn)
	if _, err := raw.ExecContext(t.Context(), `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
		WHERE datname = current_database() AND pid <> pg_backend_pid()`); err != nil {
		t.Fatal(err)
	}
	second := storetest.Decision(2)
	if err := s.CreateDecision(t.Context(), second); err != nil {
		t.Errorf("after the server closed all connections CreateDecision gives %v", err)
	}
	list, _, err := s.Decisions(t.Context(), store.DecisionFilter{})
	if err != nil || len(list) != 2 {
		t.Errorf("stored are %v, %v", list, err)
	}
}
