package harness

import (
	"context"
	"errors"
	"fmt"
	"net"
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

	"github.com/jackc/pgx/v5"
)

const (
	postgresStartTimeout = 60 * time.Second
	postgresStopTimeout  = 30 * time.Second
	postgresCallTimeout  = 30 * time.Second
)

// PostgresServer is a private PostgreSQL on 127.0.0.1 with the durable settings of production.
type PostgresServer struct {
	bin  string // directory of the commands
	dir  string // data and log
	port int
	attr *syscall.SysProcAttr // whom it runs as

	cmd    *exec.Cmd
	exited chan error
}

var (
	sharedPostgresMu sync.Mutex
	sharedPostgres   *PostgresServer
)

// SharedPostgres returns the PostgreSQL of this test binary, started when first asked for. TestMain has to stop
// it, see Tests.
func SharedPostgres(t *testing.T) *PostgresServer {
	t.Helper()
	sharedPostgresMu.Lock()
	defer sharedPostgresMu.Unlock()
	if sharedPostgres == nil {
		sharedPostgres = newPostgres(t)
	}
	return sharedPostgres
}

// stopSharedPostgres stops what SharedPostgres started, if it did.
func stopSharedPostgres() error {
	sharedPostgresMu.Lock()
	defer sharedPostgresMu.Unlock()
	if sharedPostgres == nil {
		return nil
	}
	return sharedPostgres.Close()
}

// StartPostgres starts a PostgreSQL for one test, which may do with it as it likes.
func StartPostgres(t *testing.T) *PostgresServer {
	t.Helper()
	p := newPostgres(t)
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	return p
}

// RunPostgres is StartPostgres for programs that are not tests. The data lies in a directory of its own below dir, which
// the user postgres has to be able to reach if this runs as root. The caller has to call Close.
func RunPostgres(ctx context.Context, dir string) (*PostgresServer, error) {
	bin, err := postgresBin(ctx)
	if err != nil {
		return nil, err
	}
	p := &PostgresServer{bin: bin, attr: &syscall.SysProcAttr{
		// However this process ends, a panic or a timeout included, the server ends with it, in the quickest way that leaves
		// no process behind.
		Pdeathsig: syscall.SIGQUIT,
	}}
	if err := p.create(ctx, dir); err != nil {
		return nil, errors.Join(err, os.RemoveAll(p.dir))
	}
	return p, nil
}

// Close stops the server and removes its data.
func (p *PostgresServer) Close() error { return errors.Join(p.stop(), os.RemoveAll(p.dir)) }

// Stop ends the server as an operator would: transactions under way are rolled back, clients are told.
func (p *PostgresServer) Stop(t *testing.T) {
	t.Helper()
	if err := p.stop(); err != nil {
		t.Fatal(err)
	}
}

// Start starts a stopped server, on the port it had.
func (p *PostgresServer) Start(t *testing.T) {
	t.Helper()
	if err := p.start(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// Restart is Stop and Start.
func (p *PostgresServer) Restart(t *testing.T) {
	t.Helper()
	p.Stop(t)
	p.Start(t)
}

// CutConnections ends all sessions of clients.
func (p *PostgresServer) CutConnections(t *testing.T) {
	t.Helper()
	p.Exec(t, "postgres", `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
		WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()`)
}

// Exec runs SQL in a database as its owner, on a connection of its own.
func (p *PostgresServer) Exec(t *testing.T, database, sql string) {
	t.Helper()
	if err := p.exec(t.Context(), database, sql); err != nil {
		t.Fatal(err)
	}
}

// Database makes a database if there is none with this name, and returns its URL. It is dropped when the test ends.
func (p *PostgresServer) Database(t *testing.T, name string) string {
	t.Helper()
	err := p.exec(t.Context(), "postgres", "CREATE DATABASE "+pgx.Identifier{name}.Sanitize())
	if err != nil && !isDuplicateDatabase(err) {
		t.Fatal(err)
	}
	if err == nil {
		t.Cleanup(func() {
			// The test's context has ended. A server that is stopped by now keeps it.
			_ = p.exec(context.Background(), "postgres", "DROP DATABASE "+pgx.Identifier{name}.Sanitize()+" WITH (FORCE)")
		})
	}
	return p.URL(name)
}

func (p *PostgresServer) data() string { return filepath.Join(p.dir, "data") }

// URL is where a database of the server is, whether there is one with this name or not.
func (p *PostgresServer) URL(database string) string {
	return fmt.Sprintf("postgres://postgres:not-asked-for@127.0.0.1:%d/%s?sslmode=disable", p.port, database)
}

func (p *PostgresServer) exec(ctx context.Context, database, sql string) error {
	ctx, cancel := context.WithTimeout(ctx, postgresCallTimeout)
	defer cancel()
	conn, err := pgx.Connect(ctx, p.URL(database))
	if err != nil {
		return err
	}
	_, err = conn.Exec(ctx, sql)
	return errors.Join(err, conn.Close(ctx))
}

func isDuplicateDatabase(err error) bool {
	const duplicateDatabase = "42P04"
	var failure interface{ SQLState() string }
	return errors.As(err, &failure) && failure.SQLState() == duplicateDatabase
}

func newPostgres(t *testing.T) *PostgresServer {
	t.Helper()
	p, err := RunPostgres(t.Context(), os.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// postgresBin returns the directory with the commands of the newest PostgreSQL, which Debian keeps out of the path.
func postgresBin(ctx context.Context) (string, error) {
	find := func() []string {
		found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/postgres") // fails for malformed patterns only
		return found
	}
	if len(find()) == 0 {
		if err := installPackage(ctx, "postgresql"); err != nil {
			return "", err
		}
	}
	found := find()
	if len(found) == 0 {
		return "", errors.New("there is no PostgreSQL although the package postgresql was installed")
	}
	return filepath.Dir(slices.Max(found)), nil
}

func (p *PostgresServer) create(ctx context.Context, parent string) (err error) {
	if p.dir, err = os.MkdirTemp(parent, "triggers-postgres-"); err != nil {
		return err
	}
	// PostgreSQL refuses to run as root.
	if os.Geteuid() == 0 {
		account, err := user.Lookup("postgres")
		if err != nil {
			return err
		}
		uid, err1 := strconv.ParseUint(account.Uid, 10, 32)
		gid, err2 := strconv.ParseUint(account.Gid, 10, 32)
		if err := errors.Join(err1, err2, os.Chown(p.dir, int(uid), int(gid))); err != nil {
			return err
		}
		p.attr.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	}
	// A locale with an order of its own shows where a query forgot to ask for bytewise order.
	initdb := exec.CommandContext(ctx, filepath.Join(p.bin, "initdb"), "--pgdata", p.data(), "--username", "postgres",
		"--auth", "trust", "--encoding", "UTF8", "--locale", "C.UTF-8", "--locale-provider", "icu", "--icu-locale", "en", "--no-sync")
	initdb.SysProcAttr, initdb.Dir = p.attr, p.dir
	if out, err := initdb.CombinedOutput(); err != nil {
		return fmt.Errorf("initdb: %w\n%s", err, out)
	}
	// Another process may take the port between looking for a free one and listening on it.
	for range 5 {
		if p.port, err = freePort(ctx); err != nil {
			return err
		}
		if err = p.start(ctx); err == nil {
			return nil
		}
	}
	return err
}

func freePort(ctx context.Context) (int, error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	return l.Addr().(*net.TCPAddr).Port, l.Close()
}

func (p *PostgresServer) start(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, postgresStartTimeout)
	defer cancel()
	log, err := os.OpenFile(filepath.Join(p.dir, "log"), os.O_CREATE|os.O_APPEND|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	// Not under the context: it has to outlive the test that happens to start it.
	p.cmd = exec.Command(filepath.Join(p.bin, "postgres"), "-D", p.data(), "-p", strconv.Itoa(p.port),
		"-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=", "-c", "max_connections=300",
		"-c", "fsync=on", "-c", "synchronous_commit=on", "-c", "full_page_writes=on", "-c", "shared_buffers=128MB")
	p.cmd.SysProcAttr, p.cmd.Dir, p.cmd.Stdout, p.cmd.Stderr = p.attr, p.dir, log, log
	if err := p.cmd.Start(); err != nil {
		return err
	}
	p.exited = make(chan error, 1)
	go func() { p.exited <- p.cmd.Wait() }()
	for {
		err := p.answers(ctx)
		if err == nil {
			return nil
		}
		select {
		case exit := <-p.exited:
			p.cmd = nil
			said, _ := os.ReadFile(log.Name())
			return fmt.Errorf("postgres ended: %w\n%s", exit, said)
		case <-ctx.Done():
			return errors.Join(fmt.Errorf("postgres does not start: %w", err), p.stop())
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// answers returns nil when this very server answers on the port, and not one that was quicker to take it.
func (p *PostgresServer) answers(ctx context.Context) error {
	conn, err := pgx.Connect(ctx, p.URL("postgres"))
	if err != nil {
		return err
	}
	var dir string
	err = conn.QueryRow(ctx, "SHOW data_directory").Scan(&dir)
	if err == nil && dir != p.data() {
		err = fmt.Errorf("port %d is taken", p.port)
	}
	return errors.Join(err, conn.Close(ctx))
}

// stop ends the server, if it runs.
func (p *PostgresServer) stop() error {
	if p.cmd == nil {
		return nil
	}
	_ = p.cmd.Process.Signal(syscall.SIGINT) // a fast shutdown; it fails when the server has ended by itself
	defer func() { p.cmd = nil }()
	select {
	case err := <-p.exited:
		return err
	case <-time.After(postgresStopTimeout):
		_ = p.cmd.Process.Signal(syscall.SIGQUIT)
		return errors.Join(errors.New("postgres does not stop"), <-p.exited)
	}
}
