package store

import (
	"context"
	"errors"
	"io"
	"net"

	"github.com/jackc/pgx/v5/pgconn"
)

// steadily does something again as long as it failed only because an open connection turned out to be dead, as all in the pool
// are after PostgreSQL was restarted or failed over: each failure takes one of them out. Whether the first try came through is not
// known then, so it is only for what may be done twice. A server that cannot be reached is no such case: the caller hears of it.
func steadily(ctx context.Context, do func() error) error {
	err := do()
	for tries := 0; tries <= postgresConns && ctx.Err() == nil && connectionLost(err); tries++ {
		err = do()
	}
	return err
}

// connectionLost tells whether an error means that a connection which had been open is not any more.
func connectionLost(err error) bool {
	if err == nil {
		return false
	}
	if connect := (*pgconn.ConnectError)(nil); errors.As(err, &connect) {
		return false
	}
	if reply := (*pgconn.PgError)(nil); errors.As(err, &reply) {
		// admin_shutdown, crash_shutdown (https://www.postgresql.org/docs/current/errcodes-appendix.html)
		return reply.Code == "57P01" || reply.Code == "57P02"
	}
	if cut := (*net.OpError)(nil); errors.As(err, &cut) {
		return true
	}
	return errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF)
}
