package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
	_ "modernc.org/sqlite" // registers the driver "sqlite"
)

const (
	sqliteReaders  = 4
	sqliteMode     = 0o600 // API token hashes and what runs where are for the server alone
	lockPoll       = 20 * time.Millisecond
	journalMaxSize = 64 << 20 // bytes that the write-ahead log keeps on disk after a checkpoint
)

// openSQLiteURL opens what stands behind sqlite:// or sqlite: of a dsn.
func openSQLiteURL(ctx context.Context, rest string) (*database, error) {
	path, query, _ := strings.Cut(rest, "?")
	values, err := url.ParseQuery(query)
	if err != nil {
		return nil, fmt.Errorf("open store %s: %w", path, err)
	}
	readOnly := false
	for key, value := range values {
		if key != "mode" || len(value) != 1 || (value[0] != "ro" && value[0] != "rw") {
			return nil, fmt.Errorf("open store %s: option %s=%s is not known: mode=ro and mode=rw are", path, key, strings.Join(value, ","))
		}
		readOnly = value[0] == "ro"
	}
	return openSQLite(ctx, path, readOnly)
}

// openSQLite opens an SQLite file. Writers of one process share one connection, and writers of several processes take turns:
// their transactions begin immediate and wait for each other, as two that both began by reading could not both go on
// (https://www.sqlite.org/lang_transaction.html, section 2.2). The write-ahead log lets readers go on meanwhile.
func openSQLite(ctx context.Context, path string, readOnly bool) (*database, error) {
	if path == "" || strings.HasPrefix(path, ":memory:") {
		return nil, fmt.Errorf("open store: %q is no path of a file, and databases in memory are not supported", path)
	}
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("open store %s: %w", path, err)
	}
	db := &database{name: "SQLite database " + path, readOnly: readOnly, dialect: dialectSQLite}
	db.lock = func(ctx context.Context) (func(), error) { return lockDirectory(ctx, filepath.Dir(abs)) }
	if err = ensureFile(ctx, abs, db); err != nil {
		return nil, fmt.Errorf("open %s: %w", db.name, err)
	}
	if db.read, err = sql.Open("sqlite", sqliteDSN(abs, true, readOnly)); err != nil {
		return nil, fmt.Errorf("open %s: %w", db.name, err)
	}
	db.read.SetMaxOpenConns(sqliteReaders)
	db.read.SetMaxIdleConns(sqliteReaders)
	if db.write, err = sql.Open("sqlite", sqliteDSN(abs, false, readOnly)); err != nil {
		return nil, errors.Join(fmt.Errorf("open %s: %w", db.name, err), db.read.Close())
	}
	db.write.SetMaxOpenConns(1)
	return db, nil
}

// sqliteDSN writes the driver's own dsn (https://pkg.go.dev/modernc.org/sqlite#Driver.Open).
func sqliteDSN(path string, reads, readOnly bool) string {
	values := url.Values{"_pragma": {"busy_timeout(5000)", "foreign_keys(1)"}}
	switch {
	case readOnly:
		values.Set("mode", "ro")
	case reads:
		values.Set("mode", "rw") // the log of a writer is read through shared memory, which has to be writable
		values.Add("_pragma", "query_only(1)")
	default:
		values.Set("mode", "rw")
		values.Set("_txlock", "immediate")
		// NORMAL with a write-ahead log: a crash of the machine may lose the last decisions and never the database
		// (https://www.sqlite.org/pragma.html#pragma_synchronous).
		for _, pragma := range []string{"journal_mode(WAL)", "synchronous(NORMAL)", fmt.Sprintf("journal_size_limit(%d)", journalMaxSize)} {
			values.Add("_pragma", pragma)
		}
	}
	return (&url.URL{Scheme: "file", Path: path, RawQuery: values.Encode()}).String()
}

// ensureFile creates the file with its narrow mode before SQLite would with a wide one; SQLite gives its log files the same. It
// holds the lock, because closing any descriptor of a database's file takes away the locks that the same process holds on it
// (https://www.sqlite.org/howtocorrupt.html, section 2.2): nobody can have opened a file that is being created.
func ensureFile(ctx context.Context, path string, db *database) error {
	info, err := os.Stat(path)
	switch {
	case err == nil && info.IsDir():
		return errors.New("it is a directory")
	case err == nil && info.Mode().Perm()&^sqliteMode != 0 && !db.readOnly:
		if err = os.Chmod(path, sqliteMode); err != nil {
			return fmt.Errorf("it can be read by others: %w", err)
		}
		return nil
	case err == nil:
		return nil
	case !errors.Is(err, fs.ErrNotExist):
		return err
	case db.readOnly:
		return errors.New("it does not exist")
	}
	unlock, err := db.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, sqliteMode) //nolint:gosec // the operator names the file
	if errors.Is(err, fs.ErrExist) {
		return nil // by another opener, which had the lock before
	}
	if err != nil {
		return err
	}
	return file.Close()
}

// lockDirectory takes the advisory lock of the database's directory. The kernel drops it when the process ends, however it does.
func lockDirectory(ctx context.Context, dir string) (func(), error) {
	handle, err := os.Open(dir) //nolint:gosec // the operator names the directory
	if err != nil {
		return nil, err
	}
	ticker := time.NewTicker(lockPoll)
	defer ticker.Stop()
	for {
		err := unix.Flock(int(handle.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil {
			return func() { _ = handle.Close() }, nil // closing unlocks
		}
		if !errors.Is(err, unix.EWOULDBLOCK) {
			return nil, errors.Join(fmt.Errorf("lock directory %s: %w", dir, err), handle.Close())
		}
		select {
		case <-ctx.Done():
			return nil, errors.Join(fmt.Errorf("wait for the process that has locked %s: %w", dir, ctx.Err()), handle.Close())
		case <-ticker.C:
		}
	}
}
