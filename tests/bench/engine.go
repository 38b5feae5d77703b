package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// engine is where servers keep their events.
type engine struct {
	name string
	// create makes an empty database.
	create func(ctx context.Context, name string) (database, error)
}

// database is one that servers are measured on.
type database interface {
	// url is what DATABASE_URL has to be.
	url() string
	// settle does at once what the engine would do in the background some time after the database was filled.
	settle(ctx context.Context) error
	// drop removes it. No server may use it any more.
	drop() error
}

// The engines, by the names they have in the report; on the command line they are in lower case.
const (
	sqlite   = "SQLite"
	postgres = "PostgreSQL"
)

// startEngines makes ready what the selected engines need. What it returns ends them.
func (b *bench) startEngines(ctx context.Context) (stop func() error, err error) {
	stop = func() error { return nil }
	if slices.Contains(b.engines, strings.ToLower(sqlite)) {
		b.on = append(b.on, engine{name: sqlite, create: b.createSQLite})
	}
	if slices.Contains(b.engines, strings.ToLower(postgres)) {
		server, err := startPostgres(ctx, b.dir)
		if err != nil {
			return nil, err
		}
		stop = server.Close
		b.on = append(b.on, engine{name: postgres, create: server.create})
	}
	return stop, nil
}

// sqliteDir is the directory of a SQLite database.
type sqliteDir string

func (b *bench) createSQLite(_ context.Context, name string) (database, error) {
	dir := filepath.Join(b.dir, "sqlite-"+name)
	return sqliteDir(dir), os.Mkdir(dir, 0o750)
}

func (d sqliteDir) url() string {
	return "sqlite:///" + filepath.Join(string(d), "events.db") // the path is absolute: four slashes
}

func (d sqliteDir) settle(context.Context) error { return nil }

func (d sqliteDir) drop() error {
	if err := os.RemoveAll(string(d)); err != nil {
		return fmt.Errorf("remove a database: %w", err)
	}
	return nil
}
