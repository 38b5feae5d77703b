package sqlite

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/pressly/goose/v3"

	"github.com/triggers-api/triggers/store/schema"
)

//go:embed migrations/*.sql
var embedded embed.FS

// migrations and newestVersion are fixed when the program is built, as TestMigrate shows.
var (
	migrations, _    = fs.Sub(embedded, "migrations")
	newestVersion, _ = schema.Newest(migrations)
)

// Migrate makes the schema or upgrades it to what this program needs, and returns its versions before and after. No
// server may use the database meanwhile. It returns store.ErrSchema when the schema is newer than this program.
func Migrate(ctx context.Context, opts Options) (from, to int64, err error) {
	return migrate(ctx, opts.Path, lockWait)
}

func migrate(ctx context.Context, name string, wait time.Duration) (from, to int64, err error) {
	s := &Store{}
	defer func() { err = errors.Join(err, s.release()) }()
	path, _, err := s.take(ctx, name, wait)
	if err != nil {
		return 0, 0, err
	}
	db, err := open(path, 1, lockedWait, writing...)
	if err != nil {
		return 0, 0, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	return upgrade(ctx, db)
}

// upgrade brings the schema up to date. A file that is up to date is not written.
func upgrade(ctx context.Context, db *sql.DB) (from, to int64, err error) {
	provider, err := goose.NewProvider(goose.DialectSQLite3, db, migrations)
	if err != nil {
		return 0, 0, fmt.Errorf("sqlite: %w", err)
	}
	if from, to, err = schema.Upgrade(ctx, provider); err != nil {
		return from, to, fmt.Errorf("sqlite: %w", err)
	}
	return from, to, nil
}

const schemaVersion = `SELECT max(version_id) FROM ` + schema.VersionTable

// checkSchema returns ErrSchema unless the schema is up to date. It writes nothing.
func checkSchema(ctx context.Context, db *sql.DB) error {
	var current int64
	row := db.QueryRowContext(ctx, `SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = ?`, schema.VersionTable)
	var tables int
	err := row.Scan(&tables)
	if err == nil && tables > 0 {
		err = db.QueryRowContext(ctx, schemaVersion).Scan(&current)
	}
	if err == nil {
		err = schema.Check(current, newestVersion)
	}
	if err != nil {
		return fmt.Errorf("sqlite: %w", err)
	}
	return nil
}
