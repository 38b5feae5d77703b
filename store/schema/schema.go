// Package schema compares the version of a SQL database's schema with the one this program is made for, and upgrades it.
// It knows migrations (goose) and no engine.
package schema

import (
	"context"
	"fmt"
	"io/fs"

	"github.com/pressly/goose/v3"

	"github.com/triggers-api/triggers/store"
)

// VersionTable is where goose notes which migrations were applied, one row each with its version_id. A database without
// this table has version 0.
const VersionTable = goose.DefaultTablename

// Newest returns the version that the migrations in a directory lead to.
func Newest(migrations fs.FS) (version int64, err error) {
	files, err := fs.Glob(migrations, "*.sql")
	if err != nil {
		return 0, fmt.Errorf("schema: %w", err)
	}
	for _, file := range files {
		n, err := goose.NumericComponent(file)
		if err != nil {
			return 0, fmt.Errorf("schema: %w", err)
		}
		version = max(version, n)
	}
	return version, nil
}

// Check returns nil when the database has the version that this program needs, else an ErrSchema that names the remedy.
func Check(current, needed int64) error {
	switch {
	case current < needed:
		return fmt.Errorf(`%w: the database has version %d, this program needs %d: run "triggers migrate"`,
			store.ErrSchema, current, needed)
	case current > needed:
		return fmt.Errorf("%w: the database has version %d, this program knows %d: run a newer version of triggers",
			store.ErrSchema, current, needed)
	}
	return nil
}

// Upgrade applies the migrations that are missing and returns the versions before and after. A database that is up to
// date is not written. It returns ErrSchema when the database is newer than this program; errors of the driver's are
// wrapped.
func Upgrade(ctx context.Context, migrations *goose.Provider) (from, to int64, err error) {
	from, to, err = migrations.GetVersions(ctx)
	if err != nil {
		return 0, 0, fmt.Errorf("read the schema version: %w", err)
	}
	if from > to {
		return from, from, Check(from, to)
	}
	if from == to {
		return from, to, nil
	}
	if _, err := migrations.Up(ctx); err != nil {
		return from, from, fmt.Errorf("upgrade the schema: %w", err)
	}
	return from, to, nil
}
