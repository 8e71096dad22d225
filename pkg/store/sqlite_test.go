package store_test

import (
	"context"
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/runecast/runecast/pkg/store"
	"github.com/runecast/runecast/pkg/store/storetest"
)

func TestSQLiteFormsOfThePath(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "a b?mode=ro&c%20#d;é.db")
	decision := storetest.Decision(1)
	s := storetest.Open(t, path)
	if err := s.CreateDecision(t.Context(), decision); err != nil {
		t.Fatal(err)
	}
	if want := "SQLite database " + path; s.Name() != want {
		t.Errorf("name is %q, want %q", s.Name(), want)
	}
	plain := filepath.Join(t.TempDir(), "plain.db")
	for _, dsn := range []string{plain, "sqlite:" + plain, "sqlite://" + plain, "sqlite://" + plain + "?mode=rw"} {
		if err := storetest.Open(t, dsn).CreateDecision(t.Context(), decision); err != nil {
			t.Errorf("%s: %v", dsn, err)
		}
	}
	for _, file := range []string{path, plain} {
		list, _, err := storetest.Open(t, file).Decisions(t.Context(), store.DecisionFilter{})
		if err != nil || len(list) != 1 || list[0].ID != decision.ID {
			t.Errorf("%s holds %v, %v", file, list, err)
		}
	}
}

func TestSQLiteFilesAreForTheirOwnerAlone(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	wide := filepath.Join(dir, "wide.db")
	if err := os.WriteFile(wide, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{filepath.Join(dir, "new.db"), wide} {
		if err := storetest.Open(t, path).Writable(t.Context()); err != nil {
			t.Fatal(err)
		}
		for _, file := range []string{path, path + "-wal", path + "-shm"} {
			info, err := os.Stat(file)
			if err != nil {
				t.Fatal(err)
			}
			if info.Mode().Perm() != 0o600 {
				t.Errorf("%s has mode %o", file, info.Mode().Perm())
			}
		}
	}
}

func TestSQLiteRefusesAnotherFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "notes.txt")
	text := strings.Repeat("this is no database, and it is kept as it is\n", 100)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := store.Open(t.Context(), path, storetest.Log())
	if err == nil || !strings.HasPrefix(err.Error(), "open SQLite database "+path+": ") || !strings.Contains(err.Error(), "file is not a database (26)") {
		t.Errorf("error is %v", err)
	}
	if left, err := os.ReadFile(path); err != nil || string(left) != text {
		t.Errorf("the file was changed: %v", err)
	}
}

// hold begins a transaction that keeps all writers out until the test ends or release is called.
func hold(t *testing.T, path string) (release func()) {
	t.Helper()
	raw, err := sql.Open("sqlite", "file:"+path+"?_txlock=immediate&_pragma=busy_timeout(10000)")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if closeErr := raw.Close(); closeErr != nil {
			t.Error(closeErr)
		}
	})
	tx, err := raw.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	return func() {
		if err := tx.Rollback(); err != nil {
			t.Error(err)
		}
	}
}

func TestSQLiteWaitsForAnotherProcessUntilTheDeadline(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "busy.db")
	s := storetest.Open(t, path)
	release := hold(t, path)

	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	begin := time.Now()
	err := s.CreateDecision(ctx, storetest.Decision(1))
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("at the deadline CreateDecision gives %v", err)
	}
	if took := time.Since(begin); took > 2*time.Second {
		t.Errorf("a call with a deadline of 200 ms took %s", took)
	}
	if list, _, readErr := s.Decisions(t.Context(), store.DecisionFilter{}); readErr != nil || len(list) != 0 {
		t.Errorf("a reader is not served meanwhile: %v, %v", list, readErr)
	}

	decision := storetest.Decision(2)
	done := make(chan error, 1)
	go func() { done <- s.CreateDecision(t.Context(), decision) }()
	select {
	case err = <-done:
		t.Errorf("a writer did not wait: %v", err)
	case <-time.After(100 * time.Millisecond):
	}
	release()
	if err = <-done; err != nil {
		t.Errorf("after the wait CreateDecision gives %v", err)
	}
	list, _, err := s.Decisions(t.Context(), store.DecisionFilter{})
	if err != nil || len(list) != 1 || list[0].ID != decision.ID {
		t.Errorf("stored are %v, %v", list, err)
	}
}

func TestSQLiteStoresNoHalfDecision(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "full.db")
	s := storetest.Open(t, path)
	raw := storetest.SQLite().Raw(t, path)
	// A trigger that fails stands for the disk: SQLite gives a failure in the middle of a transaction the same way.
	if _, err := raw.ExecContext(t.Context(), `CREATE TRIGGER full BEFORE INSERT ON decision_images BEGIN SELECT RAISE(FAIL, 'database or disk is full'); END`); err != nil {
		t.Fatal(err)
	}
	decision := storetest.Decision(1)
	err := s.CreateDecision(t.Context(), decision)
	if want := "create decision " + decision.ID + ": "; err == nil || !strings.HasPrefix(err.Error(), want) || !strings.Contains(err.Error(), "database or disk is full") {
		t.Errorf("error is %v", err)
	}
	if list, _, err := s.Decisions(t.Context(), store.DecisionFilter{}); err != nil || len(list) != 0 {
		t.Errorf("half a decision is stored: %v, %v", list, err)
	}
	if _, err := raw.ExecContext(t.Context(), `DROP TRIGGER full`); err != nil {
		t.Fatal(err)
	}
	if err := s.CreateDecision(t.Context(), decision); err != nil {
		t.Errorf("once there is room again: %v", err)
	}
}

func TestRetentionCanDeleteDecisions(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "old.db")
	s := storetest.Open(t, path)
	decision := storetest.Decision(1)
	if err := s.CreateDecision(t.Context(), decision); err != nil {
		t.Fatal(err)
	}
	raw := storetest.SQLite().Raw(t, path)
	if _, err := raw.ExecContext(t.Context(), `PRAGMA foreign_keys = 1; DELETE FROM decisions`); err != nil {
		t.Fatal(err)
	}
	var images int
	if err := raw.QueryRowContext(t.Context(), `SELECT count(*) FROM decision_images`).Scan(&images); err != nil || images != 0 {
		t.Errorf("a deleted decision leaves %d images, %v", images, err)
	}
	if list, _, err := s.Decisions(t.Context(), store.DecisionFilter{}); err != nil || len(list) != 0 {
		t.Errorf("decisions are %v, %v", list, err)
	}
}
