package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/runecast/runecast/pkg/admission"
	"github.com/runecast/runecast/pkg/auth"
	"github.com/runecast/runecast/pkg/rematch"
	"github.com/runecast/runecast/pkg/scan"
)

// Store is an open database. It is safe for concurrent use, and several processes may open the same database. Every method
// ends with its context.
type Store struct {
	read, write *sql.DB // the same pool on PostgreSQL; on SQLite many readers and one writer
	reader      querier // read, or what a test puts before it
	name        string
	codec       *codec
	dialect     dialect
	interned    interned
	deniedList  remembered
}

var (
	_ auth.TokenStore         = (*Store)(nil)
	_ admission.DecisionStore = (*Store)(nil)
	_ rematch.Store           = (*Store)(nil)
	_ scan.ReportStore        = (*Store)(nil)
	_ scan.InventoryStore     = (*Store)(nil)
	_ scan.LayerStore         = (*Store)(nil)
)

// querier reads.
type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// database is what each kind of database brings.
type database struct {
	read, write *sql.DB
	name        string                                         // for people, without credentials
	readOnly    bool                                           // opened so that nothing can be written
	dialect     dialect                                        //
	lock        func(context.Context) (unlock func(), e error) // shuts out others that prepare the same database
}

// Open opens a database, creates it where it is an SQLite file that does not exist, and brings its tables up to date. dsn is
//
//   - a path, sqlite:path or sqlite:///path of an SQLite file in a directory that exists; ?mode=ro after the latter two opens
//     it for reading only, or
//   - a postgres:// or postgresql:// URL as libpq knows it, with a database that exists.
//
// A database that a newer version wrote is refused. No error text holds the URL's password.
func Open(ctx context.Context, dsn string, log logrus.FieldLogger) (*Store, error) {
	if log == nil {
		silent := logrus.New()
		silent.SetOutput(io.Discard)
		log = silent
	}
	db, err := openDatabase(ctx, dsn)
	if err != nil {
		return nil, err
	}
	s := &Store{read: db.read, write: db.write, reader: db.read, name: db.name, dialect: db.dialect}
	if err = prepare(ctx, db, log); err != nil {
		return nil, errors.Join(fmt.Errorf("open %s: %w", db.name, err), s.Close())
	}
	if s.codec, err = newCodec(); err != nil {
		return nil, errors.Join(fmt.Errorf("open %s: %w", db.name, err), s.Close())
	}
	return s, nil
}

// openDatabase picks the kind of database by the form of the dsn.
func openDatabase(ctx context.Context, dsn string) (*database, error) {
	scheme, rest, isURL := strings.Cut(dsn, "://")
	switch {
	case dsn == "":
		return nil, errors.New("open store: neither a path nor a postgres:// URL is given")
	case isURL && (scheme == "postgres" || scheme == "postgresql"):
		return openPostgres(dsn)
	case isURL && scheme == "sqlite":
		return openSQLiteURL(ctx, rest)
	case isURL:
		return nil, fmt.Errorf("open store: scheme %q is none of postgres, postgresql, sqlite", scheme)
	case strings.HasPrefix(dsn, "sqlite:"):
		return openSQLiteURL(ctx, strings.TrimPrefix(dsn, "sqlite:"))
	default:
		return openSQLite(ctx, dsn, false)
	}
}

// Name says which database this is, without credentials: for logs.
func (s *Store) Name() string { return s.name }

// Close closes the database; calls that are under way end first. Every later call fails.
func (s *Store) Close() error {
	err := s.write.Close()
	if s.read != s.write {
		err = errors.Join(err, s.read.Close())
	}
	if err != nil {
		return fmt.Errorf("close %s: %w", s.name, err)
	}
	return nil
}

// Ping tells whether the database answers.
func (s *Store) Ping(ctx context.Context) error {
	var one int
	if err := steadily(ctx, func() error { return s.read.QueryRowContext(ctx, "SELECT 1").Scan(&one) }); err != nil {
		return fmt.Errorf("%s does not answer: %w", s.name, err)
	}
	return nil
}

// Writable tells whether the database can be written, by writing to it: a full disk, a read-only volume or a standby server
// shows in no other way. It overwrites one small row.
func (s *Store) Writable(ctx context.Context) error {
	err := s.exec(ctx,
		`INSERT INTO heartbeat (id, at) VALUES (1, $1) ON CONFLICT (id) DO UPDATE SET at = excluded.at`, time.Now().UnixMicro())
	if err != nil {
		return fmt.Errorf("%s cannot be written: %w", s.name, err)
	}
	return nil
}
