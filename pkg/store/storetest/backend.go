package storetest

import (
	"database/sql"
	"net/url"
	"path/filepath"
	"testing"

	"github.com/sirupsen/logrus"
	logtest "github.com/sirupsen/logrus/hooks/test"

	"github.com/runecast/runecast/pkg/store"
)

// Backend is one kind of database, as the suite needs it.
type Backend struct {
	New          func(tb testing.TB) string              // gives the dsn of a new, empty database
	ReadOnly     func(dsn string) string                 // gives a dsn by which the same database can only be read
	ReadOnlyText string                                  // what the database says to a write then
	Raw          func(tb testing.TB, dsn string) *sql.DB // opens the database below the store
}

// SQLite is a backend of files in the test's directory.
func SQLite() Backend {
	return Backend{
		New:          func(tb testing.TB) string { tb.Helper(); return filepath.Join(tb.TempDir(), "runecast.db") },
		ReadOnly:     func(dsn string) string { return "sqlite://" + dsn + "?mode=ro" },
		ReadOnlyText: "attempt to write a readonly database (8)",
		Raw: func(tb testing.TB, dsn string) *sql.DB {
			tb.Helper()
			// It waits for the store's own writers.
			return openRaw(tb, "sqlite", (&url.URL{Scheme: "file", Path: dsn, RawQuery: "_pragma=busy_timeout(10000)"}).String())
		},
	}
}

func openRaw(tb testing.TB, driver, dsn string) *sql.DB {
	tb.Helper()
	db, err := sql.Open(driver, dsn)
	if err != nil {
		tb.Fatalf("open database: %v", err)
	}
	tb.Cleanup(func() {
		if err := db.Close(); err != nil {
			tb.Errorf("close database: %v", err)
		}
	})
	return db
}

// Open opens a store that is closed with the test.
func Open(tb testing.TB, dsn string) *store.Store {
	tb.Helper()
	s, err := store.Open(tb.Context(), dsn, Log())
	if err != nil {
		tb.Fatalf("open store: %v", err)
	}
	tb.Cleanup(func() {
		if err := s.Close(); err != nil {
			tb.Errorf("close store: %v", err)
		}
	})
	return s
}

// Log gives a logger that writes nowhere.
func Log() logrus.FieldLogger {
	log, _ := logtest.NewNullLogger()
	return log
}
