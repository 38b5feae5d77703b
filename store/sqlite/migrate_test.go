package sqlite_test

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/triggers-api/triggers/store"
	"github.com/triggers-api/triggers/store/sqlite"
)

// newest is the schema version of this program.
const newest = 2

func run(t *testing.T, path string, statements ...string) {
	t.Helper()
	conn := transaction(t, path, `BEGIN IMMEDIATE`)
	for _, statement := range append(statements, `COMMIT`) {
		if _, err := conn.ExecContext(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
}

// asVersion1 makes a database look as the first version left it.
func asVersion1(t *testing.T, path string) {
	t.Helper()
	run(t, path, `DROP TABLE tenants`, `DROP TABLE api_keys`, `DROP TABLE newest_event`, `DELETE FROM goose_db_version WHERE version_id > 1`)
}

func migrate(t *testing.T, path string, wantFrom, wantTo int64) {
	t.Helper()
	from, to, err := sqlite.Migrate(t.Context(), sqlite.Options{Path: path})
	if err != nil || from != wantFrom || to != wantTo {
		t.Fatalf("from %d to %d: %v", from, to, err)
	}
}

// refused fails the test unless nothing can be opened, with an error that names the remedy.
func refused(t *testing.T, opts sqlite.Options, remedy string) {
	t.Helper()
	check := func(err error) {
		t.Helper()
		if !errors.Is(err, store.ErrSchema) || !strings.Contains(err.Error(), remedy) {
			t.Errorf("%v, want %s", err, remedy)
		}
	}
	s, err := sqlite.Open(t.Context(), opts)
	if err == nil {
		_ = s.Close()
	}
	check(err)
	r, err := sqlite.OpenRegistry(t.Context(), opts)
	if err == nil {
		_ = r.Close()
	}
	check(err)
}

func TestMigrate(t *testing.T) {
	t.Parallel()
	t.Run("FromNothing", func(t *testing.T) {
		t.Parallel()
		opts := sqlite.Options{Path: filepath.Join(t.TempDir(), "data", "events.db"), IdempotencyTTL: time.Hour}
		refused(t, opts, `sqlite: store unavailable: schema: the database has version 0, this program needs 2: run "triggers migrate"`)
		migrate(t, opts.Path, 0, newest)
		migrate(t, opts.Path, newest, newest)
		s, err := sqlite.Open(t.Context(), opts)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		if err := s.Check(t.Context()); err != nil {
			t.Error(err)
		}
	})
	t.Run("FromVersion1", func(t *testing.T) {
		t.Parallel()
		path := filepath.Join(t.TempDir(), "events.db")
		s := open(t, path)
		receipts, err := s.Append(t.Context(), "a", []store.NewEvent{{Payload: []byte(`{"old":1}`), IdempotencyKey: "k"}})
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		asVersion1(t, path)
		refused(t, sqlite.Options{Path: path}, `the database has version 1, this program needs 2: run "triggers migrate"`)
		migrate(t, path, 1, newest)
		asVersion1(t, path)
		s = open(t, path) // by itself
		if e, err := s.Event(t.Context(), "a", receipts[0].ID); err != nil || string(e.Payload) != `{"old":1}` {
			t.Errorf("%+v %v", e, err)
		}
	})
	t.Run("ErrNewer", func(t *testing.T) {
		t.Parallel()
		path := filepath.Join(t.TempDir(), "events.db")
		s := open(t, path)
		const remedy = `the database has version 3, this program knows 2: run a newer version of triggers`
		run(t, path, `INSERT INTO goose_db_version (version_id, is_applied) VALUES (3, 1)`)
		if err := s.Check(t.Context()); !errors.Is(err, store.ErrSchema) || !strings.Contains(err.Error(), remedy) {
			t.Errorf("check: %v", err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		for _, auto := range []bool{true, false} {
			refused(t, sqlite.Options{Path: path, AutoMigrate: auto}, remedy)
		}
		if _, _, err := sqlite.Migrate(t.Context(), sqlite.Options{Path: path}); !errors.Is(err, store.ErrSchema) {
			t.Errorf("migrate: %v", err)
		}
	})
	t.Run("ErrInUse", func(t *testing.T) {
		t.Parallel()
		path := filepath.Join(t.TempDir(), "events.db")
		open(t, path)
		if _, _, err := sqlite.Migrate(t.Context(), sqlite.Options{Path: path}); err == nil || errors.Is(err, store.ErrUnavailable) ||
			!strings.Contains(err.Error(), "another server is using the database") {
			t.Errorf("%v", err)
		}
	})
}
