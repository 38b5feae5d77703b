package postgres

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"

	"github.com/triggers-api/triggers/store"
	"github.com/triggers-api/triggers/store/schema"
)

//go:embed migrations/*.sql
var embedded embed.FS

// migrations are the files by their names.
func migrations() fs.FS {
	files, err := fs.Sub(embedded, "migrations")
	if err != nil {
		panic(err) // the name is a constant
	}
	return files
}

// How many times, a second apart, an upgrade looks whether another's has ended: one that Open begins, which is short of
// time, and one that somebody asked for, who is to get his turn among servers that try again and again.
const (
	openTurns    = 8
	migrateTurns = 60
)

// Migrate brings the schema up to date and returns its versions before and after, which are equal when there was nothing
// to do. It returns ErrSchema when the schema is newer than this program, and ErrUnavailable when the server cannot be
// reached or another upgrade goes on. It may run beside servers of the old version and beside other upgrades.
func Migrate(ctx context.Context, opts Options) (from, to int64, err error) {
	config, err := parseURL(opts.URL)
	if err != nil {
		return 0, 0, fmt.Errorf("postgres: the database URL %w", err)
	}
	return migrate(ctx, config.ConnConfig, migrateTurns)
}

func migrate(ctx context.Context, config *pgx.ConnConfig, turns uint64) (from, to int64, err error) {
	config = config.Copy()
	// Filling an index may take a while. Waiting for a lock must not, because everybody else waits behind.
	delete(config.RuntimeParams, "statement_timeout")
	delete(config.RuntimeParams, "idle_in_transaction_session_timeout")
	db := stdlib.OpenDB(*config, stdlib.OptionAfterConnect(func(_ context.Context, conn *pgx.Conn) error {
		return checkEncoding(conn.PgConn())
	}))
	defer db.Close() //nolint:errcheck // nothing is pending
	locker, err := lock.NewPostgresSessionLocker(lock.WithLockTimeout(1, turns))
	if err != nil {
		return 0, 0, fmt.Errorf("postgres: %w", err)
	}
	provider, err := goose.NewProvider(goose.DialectPostgres, db, migrations(), goose.WithSessionLocker(turn{locker}))
	if err != nil {
		return 0, 0, fmt.Errorf("postgres: %w", err)
	}
	from, to, err = schema.Upgrade(ctx, provider)
	return from, to, translate(err)
}

// turn is the lock of upgrades.
type turn struct{ lock.SessionLocker }

func (t turn) SessionLock(ctx context.Context, conn *sql.Conn) error {
	if err := t.SessionLocker.SessionLock(ctx, conn); err != nil {
		return fmt.Errorf("%w: another upgrade goes on: %w", store.ErrUnavailable, err)
	}
	return nil
}

// checkEncoding returns an error unless the database can hold every text that JSON can.
func checkEncoding(conn *pgconn.PgConn) error {
	if encoding := conn.ParameterStatus("server_encoding"); encoding != "UTF8" {
		return fmt.Errorf("the database has the encoding %s, this program needs UTF8: make it with ENCODING UTF8 TEMPLATE template0", encoding)
	}
	return nil
}

const selectVersion = `SELECT coalesce(max(version_id), 0) FROM ` + schema.VersionTable

// version reads the version of the schema.
func version(row pgx.Row) (int64, error) {
	var current int64
	err := row.Scan(&current)
	if failure, ok := errors.AsType[*pgconn.PgError](err); ok && failure.Code == undefinedTable {
		return 0, nil
	}
	return current, err
}
