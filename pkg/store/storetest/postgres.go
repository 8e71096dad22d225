package storetest

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"
)

const (
	serverEnv   = "RUNECAST_TEST_POSTGRES_URL"
	requireEnv  = "RUNECAST_REQUIRE_POSTGRES" // set: a machine without a server fails the tests, as in CI
	startupTime = time.Minute
)

// errNoServer says that the machine has no PostgreSQL.
var errNoServer = errors.New("no PostgreSQL server: install Debian's package postgresql, or set " + serverEnv)

// Postgres is a PostgreSQL server for the tests of one package: one that RUNECAST_TEST_POSTGRES_URL names, or one of the
// machine's package, started by the first test that needs it. The zero value is ready; TestMain calls Stop at the end. A
// process that ends without Stop takes the server with it all the same.
type Postgres struct {
	once  sync.Once
	err   error
	admin *url.URL // of a database from which others can be created
	dir   string   // empty: not our server
	stdin io.Closer
	ended chan error

	mu    sync.Mutex
	count int
}

// Backend gives the server's databases to the suite. Tests are skipped where the machine has no server.
func (p *Postgres) Backend() Backend {
	return Backend{
		New: p.NewDatabase,
		ReadOnly: func(dsn string) string {
			return dsn + "&default_transaction_read_only=on"
		},
		ReadOnlyText: "in a read-only transaction (SQLSTATE 25006)",
		Raw: func(tb testing.TB, dsn string) *sql.DB {
			tb.Helper()
			return openRaw(tb, "pgx", dsn)
		},
	}
}

// Require starts the server unless it runs, and skips the test where the machine has none: the first loudly, as one line is
// enough to tell that something was not tested.
func (p *Postgres) Require(tb testing.TB) {
	tb.Helper()
	p.once.Do(func() {
		p.err = p.start(context.WithoutCancel(tb.Context()))
		if errors.Is(p.err, errNoServer) {
			fmt.Fprintf(os.Stderr, "\n######## NOT TESTED ON POSTGRESQL: %v ########\n\n", p.err)
		}
	})
	if errors.Is(p.err, errNoServer) && os.Getenv(requireEnv) == "" {
		tb.Skip(p.err)
	}
	if p.err != nil {
		tb.Fatalf("start PostgreSQL: %v", p.err)
	}
}

// NewDatabase makes an empty database and gives its URL. On a server that is not ours it is dropped with the test.
func (p *Postgres) NewDatabase(tb testing.TB) string {
	tb.Helper()
	p.Require(tb)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.count++
	name := fmt.Sprintf("runecast_test_%d_%d", os.Getpid(), p.count)
	admin := openRaw(tb, "pgx", p.admin.String())
	if _, err := admin.ExecContext(tb.Context(), "CREATE DATABASE "+name+" TEMPLATE template0"); err != nil {
		tb.Fatalf("create database: %v", err)
	}
	tb.Cleanup(func() {
		if p.dir != "" {
			return // the whole server goes at the end, at once
		}
		if _, err := admin.ExecContext(context.WithoutCancel(tb.Context()), "DROP DATABASE "+name+" WITH (FORCE)"); err != nil {
			tb.Errorf("drop database: %v", err)
		}
	})
	own := *p.admin
	own.Path = "/" + name
	return own.String()
}

// Run runs a package's tests, then stops the server that they may have started, and gives the process's exit code.
func (p *Postgres) Run(m *testing.M) int {
	code := m.Run()
	if err := p.Stop(); err != nil {
		fmt.Fprintln(os.Stderr, "stop PostgreSQL:", err)
		code = max(code, 1)
	}
	return code
}

// Stop ends the server, where it is ours, and removes its data.
func (p *Postgres) Stop() error {
	if p.stdin == nil {
		return nil
	}
	err := p.stdin.Close()
	for range p.ended { // how it ended says nothing: it was told to
		continue
	}
	return errors.Join(err, os.RemoveAll(p.dir))
}

// supervise runs in a shell that holds the server and its data only as long as the test's process holds the other end of its
// standard input: a test that panics, runs out of time or is killed leaves nothing behind.
const supervise = `bin=$1; dir=$2
trap '' INT
"$bin/initdb" -D "$dir/data" -U postgres -A trust -E UTF8 --locale=C --no-sync >"$dir/log" 2>&1 || exit 1
"$bin/postgres" -D "$dir/data" -k "$dir" -c listen_addresses= -c fsync=off -c full_page_writes=off -c synchronous_commit=off \
	-c max_connections=300 >>"$dir/log" 2>&1 </dev/null &
server=$!
cat >/dev/null
kill -QUIT $server
wait $server
rm -rf "$dir"
exit 0`

func (p *Postgres) start(ctx context.Context) error {
	if given := os.Getenv(serverEnv); given != "" {
		admin, err := url.Parse(given)
		if err != nil {
			return fmt.Errorf("%s is no URL", serverEnv)
		}
		if admin.RawQuery == "" {
			admin.RawQuery = "connect_timeout=5" // there is always a query, which ReadOnly adds to
		}
		p.admin = admin
		return p.wait(ctx)
	}
	bin, err := serverBinaries()
	if err != nil {
		return err
	}
	if p.dir, err = os.MkdirTemp("", "runecast-pg-"); err != nil {
		return err
	}
	//nolint:gosec // the script is a constant, and its arguments are paths of ours
	command := exec.CommandContext(ctx, "sh", "-c", supervise, "supervise", bin, p.dir)
	command.Dir = p.dir
	if command.SysProcAttr, err = unprivileged(p.dir); err != nil {
		return errors.Join(err, os.RemoveAll(p.dir))
	}
	if p.stdin, err = command.StdinPipe(); err != nil {
		return errors.Join(err, os.RemoveAll(p.dir))
	}
	if err := command.Start(); err != nil {
		return errors.Join(err, os.RemoveAll(p.dir))
	}
	p.ended = make(chan error, 1)
	go func() { p.ended <- command.Wait(); close(p.ended) }()
	query := url.Values{"host": {p.dir}, "sslmode": {"disable"}}
	p.admin = &url.URL{Scheme: "postgres", User: url.User("postgres"), Path: "/postgres", RawQuery: query.Encode()}
	return p.wait(ctx)
}

// wait polls until the server answers.
func (p *Postgres) wait(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startupTime)
	defer cancel()
	db, err := sql.Open("pgx", p.admin.String())
	if err != nil {
		return err
	}
	defer db.Close()
	ticker := time.NewTicker(50 * time.Millisecond)
	defer ticker.Stop()
	for {
		err := db.PingContext(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the server does not answer within %s: %w\n%s", startupTime, err, p.serverLog())
		case ended := <-p.ended:
			return fmt.Errorf("the server ended: %w\n%s", errors.Join(ended, err), p.serverLog())
		case <-ticker.C:
		}
	}
}

func (p *Postgres) serverLog() []byte {
	log, _ := os.ReadFile(filepath.Join(p.dir, "log")) // it only adds to an error that is there already
	return log
}

// serverBinaries finds the newest server of Debian's packages, else one on PATH.
func serverBinaries() (string, error) {
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if err != nil {
		return "", err
	}
	if len(found) > 0 {
		newest := slices.MaxFunc(found, func(a, b string) int { return majorVersion(a) - majorVersion(b) })
		return filepath.Dir(newest), nil
	}
	if path, err := exec.LookPath("initdb"); err == nil {
		return filepath.Dir(path), nil
	}
	return "", errNoServer
}

// majorVersion takes 15 from /usr/lib/postgresql/15/bin/initdb.
func majorVersion(path string) int {
	version, err := strconv.Atoi(filepath.Base(filepath.Dir(filepath.Dir(path))))
	if err != nil {
		return 0
	}
	return version
}

// unprivileged makes the server run as another user when we are root, which PostgreSQL refuses, and gives dir to that user.
func unprivileged(dir string) (*syscall.SysProcAttr, error) {
	attr := &syscall.SysProcAttr{Setpgid: true} // an interrupt of the terminal reaches us, and the server through us
	if os.Geteuid() != 0 {
		return attr, nil
	}
	account, err := user.Lookup("postgres")
	if err != nil {
		account, err = user.Lookup("nobody")
	}
	if err != nil {
		return nil, err
	}
	uid, err := strconv.ParseUint(account.Uid, 10, 32)
	if err != nil {
		return nil, err
	}
	gid, err := strconv.ParseUint(account.Gid, 10, 32)
	if err != nil {
		return nil, err
	}
	attr.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	return attr, os.Chown(dir, int(uid), int(gid))
}
