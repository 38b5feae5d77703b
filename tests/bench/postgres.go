package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/triggers-api/triggers/tests/harness"
)

// maintenanceTimeout bounds each command that is no query of the server's.
const maintenanceTimeout = 5 * time.Minute

// postgresServer is a PostgreSQL of the run's own, on the same disk as SQLite's files.
type postgresServer struct{ *harness.PostgresServer }

// shown are the settings that say how durable and how large the server is.
var shown = []string{"fsync", "synchronous_commit", "full_page_writes", "wal_sync_method", "shared_buffers", "max_wal_size"}

// startPostgres starts PostgreSQL and prints how it is set up.
func startPostgres(ctx context.Context, dir string) (s postgresServer, err error) {
	if s.PostgresServer, err = harness.RunPostgres(ctx, dir); err != nil {
		return s, fmt.Errorf("run PostgreSQL below %s (choose another directory with -dir): %w", dir, err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.Close())
		}
	}()
	conn, err := pgx.Connect(ctx, s.URL("postgres"))
	if err != nil {
		return s, err
	}
	rows, err := conn.Query(ctx, `SELECT name || '=' || current_setting(name) FROM unnest($1::text[]) AS name`, shown)
	if err != nil {
		return s, errors.Join(err, conn.Close(ctx))
	}
	settings, err := pgx.CollectRows(rows, pgx.RowTo[string])
	fmt.Printf("PostgreSQL %s with %s\n", conn.PgConn().ParameterStatus("server_version"), strings.Join(settings, " "))
	return s, errors.Join(err, conn.Close(ctx))
}

// postgresDatabase is a database of a postgresServer.
type postgresDatabase struct {
	server postgresServer
	name   string
}

func (s postgresServer) create(ctx context.Context, name string) (database, error) {
	return postgresDatabase{s, name}, s.run(ctx, "postgres", "CREATE DATABASE "+pgx.Identifier{name}.Sanitize())
}

// run executes commands on a connection of their own.
func (s postgresServer) run(ctx context.Context, database string, commands ...string) error {
	ctx, cancel := context.WithTimeout(ctx, maintenanceTimeout)
	defer cancel()
	conn, err := pgx.Connect(ctx, s.URL(database))
	if err != nil {
		return err
	}
	for _, command := range commands {
		if _, err := conn.Exec(ctx, command); err != nil {
			return errors.Join(err, conn.Close(ctx))
		}
	}
	return conn.Close(ctx)
}

func (d postgresDatabase) url() string { return d.server.URL(d.name) }

// settle does what autovacuum and the checkpointer are going to do, so that whether they happen to work during the
// measurement makes no difference.
func (d postgresDatabase) settle(ctx context.Context) error {
	start := time.Now()
	if err := d.server.run(ctx, d.name, "VACUUM (ANALYZE)", "CHECKPOINT"); err != nil {
		return err
	}
	fmt.Printf("VACUUM (ANALYZE) and CHECKPOINT took %.1f s\n", time.Since(start).Seconds())
	return nil
}

func (d postgresDatabase) drop() error {
	// The run may be over, but the server is still there.
	return d.server.run(context.Background(), "postgres", "DROP DATABASE "+pgx.Identifier{d.name}.Sanitize())
}
