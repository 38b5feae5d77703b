package postgres_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/pressly/goose/v3/lock"

	"github.com/triggers-api/triggers/store"
	"github.com/triggers-api/triggers/store/postgres"
	"github.com/triggers-api/triggers/tests/harness"
)

func TestMigrate(t *testing.T) {
	t.Parallel()
	opts := postgres.Options{URL: database(t)}
	_, err := postgres.Open(t.Context(), opts)
	wantSchema(t, err, `run "triggers migrate"`)
	from, to, err := postgres.Migrate(t.Context(), opts)
	if err != nil || from != 0 || to < 1 {
		t.Fatalf("from %d to %d: %v", from, to, err)
	}
	if again, same, err := postgres.Migrate(t.Context(), opts); err != nil || again != to || same != to {
		t.Errorf("once more from %d to %d: %v", again, same, err)
	}
	if err := openWith(t, opts).Check(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestSchemaErrNewer(t *testing.T) {
	t.Parallel()
	name := store.NewID("test_")
	server := harness.SharedPostgres(t)
	opts := postgres.Options{URL: server.Database(t, name), AutoMigrate: true}
	running := openWith(t, opts)
	server.Exec(t, name, `INSERT INTO goose_db_version (version_id, is_applied) VALUES (999, true)`)
	const remedy = "run a newer version of triggers"
	wantSchema(t, running.Check(t.Context()), remedy)
	_, err := postgres.Open(t.Context(), opts)
	wantSchema(t, err, remedy)
	_, _, err = postgres.Migrate(t.Context(), opts)
	wantSchema(t, err, remedy)
}

func TestSchemaErrOlder(t *testing.T) {
	t.Parallel()
	name := store.NewID("test_")
	server := harness.SharedPostgres(t)
	opts := postgres.Options{URL: server.Database(t, name), AutoMigrate: true}
	running := openWith(t, opts)
	server.Exec(t, name, `DELETE FROM goose_db_version WHERE version_id > 0`)
	wantSchema(t, running.Check(t.Context()), `run "triggers migrate"`)
	server.Exec(t, name, `DROP TABLE events`)
	if _, err := running.Event(t.Context(), "a", store.EventID{}); !errors.Is(err, store.ErrSchema) {
		t.Errorf("without its table: %v", err)
	}
}

func wantSchema(t *testing.T, err error, remedy string) {
	t.Helper()
	if !errors.Is(err, store.ErrSchema) || !strings.HasSuffix(err.Error(), remedy) {
		t.Errorf("error %v, want a wrong schema and %s", err, remedy)
	}
}

// Servers that start together on an empty database upgrade it once.
func TestAutoMigrateTogether(t *testing.T) {
	t.Parallel()
	opts := postgres.Options{URL: database(t), AutoMigrate: true}
	var opened sync.WaitGroup
	for range 10 {
		opened.Go(func() {
			s, err := postgres.Open(t.Context(), opts)
			if err != nil {
				t.Error(err)
				return
			}
			if err := errors.Join(s.Check(t.Context()), s.Close()); err != nil {
				t.Error(err)
			}
		})
	}
	opened.Wait()
}

// An upgrade that Open has no time for is somebody else's to make.
func TestAutoMigrateErrSlow(t *testing.T) {
	t.Parallel()
	url := database(t)
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	// The upgrade waits to make its own table of this name until this one is there or not.
	if _, err := conn.Exec(t.Context(), `BEGIN; CREATE TABLE events ()`); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	_, err = postgres.Open(ctx, postgres.Options{URL: url, AutoMigrate: true})
	wantSchema(t, err, `run "triggers migrate"`)
	if _, err := conn.Exec(t.Context(), `ROLLBACK`); err != nil {
		t.Fatal(err)
	}
	open(t, url)
}

// Waiting for another server's upgrade is no reason to end.
func TestAutoMigrateErrInTurn(t *testing.T) {
	t.Parallel()
	url := database(t)
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	if _, err := conn.Exec(t.Context(), `SELECT pg_advisory_lock($1)`, lock.DefaultLockID); err != nil {
		t.Fatal(err)
	}
	if _, err = postgres.Open(t.Context(), postgres.Options{URL: url, AutoMigrate: true}); !errors.Is(err, store.ErrUnavailable) {
		t.Error(err)
	}
}

const secret = "s3cret-word"

func TestCheckURL(t *testing.T) {
	t.Parallel()
	for _, url := range []string{
		"postgres://u:" + secret + "@localhost/db", "postgresql://localhost:5433/db?sslmode=disable&pool_max_conns=3",
		"postgres://u:" + secret + "@a:1,b:2/db?target_session_attrs=read-write", "postgres:///db?host=/run/postgresql",
	} {
		if err := postgres.CheckURL(url); err != nil {
			t.Errorf("%s: %v", url, err)
		}
	}
	for _, url := range []string{
		"", "sqlite:///" + secret, "host=localhost password=" + secret, "postgres://u:" + secret + "@localhost:port/db",
		"postgres://u:" + secret + "%zz@localhost/db", "postgres://u:" + secret + "@localhost/db?pool_max_conns=" + secret,
		"postgres://u:" + secret + "@localhost/db?sslmode=" + secret,
	} {
		err := postgres.CheckURL(url)
		if err == nil || strings.Contains(err.Error(), secret) {
			t.Errorf("%s: %v", url, err)
		}
		if _, err := postgres.Open(t.Context(), postgres.Options{URL: url}); err == nil || errors.Is(err, store.ErrUnavailable) {
			t.Errorf("open %s: %v", url, err)
		}
	}
}

func TestOpenErrUnavailable(t *testing.T) {
	t.Parallel()
	// Nobody listens on the port of discard.
	_, err := postgres.Open(t.Context(), postgres.Options{URL: "postgres://u:" + secret + "@127.0.0.1:9/db"})
	if !errors.Is(err, store.ErrUnavailable) || strings.Contains(err.Error(), secret) {
		t.Error(err)
	}
	ctx, cancel := cancelled(t)
	defer cancel()
	if _, err := postgres.Open(ctx, postgres.Options{URL: database(t)}); !errors.Is(err, store.ErrUnavailable) {
		t.Error(err)
	}
}

// What waiting does not mend is not an ErrUnavailable.
func TestOpenErrMisconfigured(t *testing.T) {
	t.Parallel()
	url := database(t)
	_, err := postgres.Open(t.Context(), postgres.Options{URL: strings.Replace(url, "/test_", "/none_", 1)})
	if err == nil || errors.Is(err, store.ErrUnavailable) {
		t.Errorf("no such database: %v", err)
	}
	_, err = postgres.Open(t.Context(), postgres.Options{URL: strings.Replace(url, "postgres:not-asked-for@", "nobody:"+secret+"@", 1)})
	if err == nil || errors.Is(err, store.ErrUnavailable) || strings.Contains(err.Error(), secret) {
		t.Errorf("no such user: %v", err)
	}
	name := store.NewID("latin_")
	server := harness.SharedPostgres(t)
	server.Exec(t, "postgres", `CREATE DATABASE "`+name+`" TEMPLATE template0 ENCODING 'SQL_ASCII' LOCALE 'C' LOCALE_PROVIDER libc`)
	if _, err = postgres.Open(t.Context(), postgres.Options{URL: server.Database(t, name)}); err == nil || errors.Is(err, store.ErrUnavailable) {
		t.Errorf("another encoding: %v", err)
	}
	if _, _, err = postgres.Migrate(t.Context(), postgres.Options{URL: server.Database(t, name)}); err == nil || !strings.Contains(err.Error(), "UTF8") {
		t.Errorf("another encoding: %v", err)
	}
}

func TestOpenWarnsOfFuture(t *testing.T) {
	t.Parallel()
	url := database(t)
	future := store.Event{ID: store.FirstEventID(time.Now().Add(time.Hour)), Status: store.Pending, Payload: []byte(`{}`)}
	if err := open(t, url).Import(t.Context(), "a", []store.Event{future}, nil); err != nil {
		t.Fatal(err)
	}
	log, read := logged()
	s := openWith(t, postgres.Options{URL: url, Log: log})
	if !strings.Contains(read(), "clock") {
		t.Errorf("log %q", read())
	}
	if id := appended(t, s, "a"); id.Compare(future.ID) <= 0 {
		t.Errorf("%s is not after %s", id, future.ID)
	}
}
