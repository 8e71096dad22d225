package store

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
)

const (
	postgresConns       = 10
	postgresIdle        = 5 * time.Minute
	postgresLifetime    = 30 * time.Minute // so that a fail-over or a new password is noticed
	postgresDial        = 5 * time.Second  // unless the URL has connect_timeout
	postgresPrepareLock = 0x72756e6563617374
)

// errPostgresURL takes the place of the parser's error, whose text may hold a part of the password: one with a slash or a
// hash sign that is not escaped ends up in what the parser takes for the port.
var errPostgresURL = errors.New("open store: the PostgreSQL URL cannot be read: it must have the form " +
	"postgres://user:password@host:5432/database?sslmode=verify-full, where / # ? @ : % in the password are percent-encoded")

// openPostgres makes a pool; it does not connect yet.
func openPostgres(dsn string) (*database, error) {
	config, err := pgx.ParseConfig(dsn)
	if err != nil {
		return nil, errPostgresURL
	}
	if config.ConnectTimeout == 0 {
		config.ConnectTimeout = postgresDial
	}
	if config.RuntimeParams["application_name"] == "" {
		config.RuntimeParams["application_name"] = "runecast"
	}
	pool := stdlib.OpenDB(*config)
	pool.SetMaxOpenConns(postgresConns)
	pool.SetMaxIdleConns(postgresConns)
	pool.SetConnMaxIdleTime(postgresIdle)
	pool.SetConnMaxLifetime(postgresLifetime)

	address := config.Host // a directory, for a Unix socket
	if address == "" || address[0] != '/' {
		address = net.JoinHostPort(config.Host, strconv.Itoa(int(config.Port)))
	}
	db := &database{
		read: pool, write: pool, dialect: dialectPostgres,
		name: fmt.Sprintf("PostgreSQL database %s at %s", config.Database, address),
	}
	db.lock = db.lockPostgres
	return db, nil
}

// lockPostgres takes an advisory lock that ends with its transaction, which works through a pooler too, and on a standby.
func (db *database) lockPostgres(ctx context.Context) (func(), error) {
	tx, err := db.write.BeginTx(ctx, nil)
	if err != nil {
		return nil, err
	}
	if _, err := tx.ExecContext(ctx, "SELECT pg_advisory_xact_lock($1)", int64(postgresPrepareLock)); err != nil {
		return nil, errors.Join(fmt.Errorf("wait for the process that prepares the database: %w", err), tx.Rollback())
	}
	return func() { _ = tx.Rollback() }, nil
}
