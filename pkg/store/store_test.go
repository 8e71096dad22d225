package store_test

import (
	"strings"
	"testing"

	"github.com/runecast/runecast/pkg/store"
	"github.com/runecast/runecast/pkg/store/storetest"
)

func TestSQLite(t *testing.T) {
	t.Parallel()
	storetest.Run(t, storetest.SQLite())
}

func TestPostgres(t *testing.T) {
	t.Parallel()
	postgres.Require(t)
	storetest.Run(t, postgres.Backend())
}

func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for dsn, want := range map[string]string{
		"":                                     "open store: neither a path nor a postgres:// URL is given",
		"mysql://root:secret@db/runecast":      `open store: scheme "mysql" is none of postgres, postgresql, sqlite`,
		":memory:":                             `open store: ":memory:" is no path of a file, and databases in memory are not supported`,
		"sqlite://":                            `open store: "" is no path of a file, and databases in memory are not supported`,
		"sqlite://" + dir + "/x?cache=shared":  "open store " + dir + "/x: option cache=shared is not known: mode=ro and mode=rw are",
		dir:                                    "open SQLite database " + dir + ": it is a directory",
		"sqlite://" + dir + "/none.db?mode=ro": "open SQLite database " + dir + "/none.db: it does not exist",
		dir + "/none/x.db":                     "open SQLite database " + dir + "/none/x.db: open " + dir + "/none: no such file or directory",
		"postgres://u:pa/s3cret@host/db":       "open store: the PostgreSQL URL cannot be read: it must have the form postgres://user:password@host:5432/database?sslmode=verify-full, where / # ? @ : % in the password are percent-encoded",
		"postgres://u:s3cret@host:port/db":     "open store: the PostgreSQL URL cannot be read: it must have the form postgres://user:password@host:5432/database?sslmode=verify-full, where / # ? @ : % in the password are percent-encoded",
	} {
		_, err := store.Open(t.Context(), dsn, storetest.Log())
		if err == nil || err.Error() != want {
			t.Errorf("%q gives\n     %v, want\n     %s", dsn, err, want)
		}
		if err != nil && strings.Contains(err.Error(), "cret") {
			t.Errorf("the error %v holds the password", err)
		}
	}
}
