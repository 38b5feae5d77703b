package postgres_test

import (
	"strings"
	"testing"
	"time"

	"github.com/triggers-api/triggers/store"
	"github.com/triggers-api/triggers/store/postgres"
	"github.com/triggers-api/triggers/tests/harness"
)

// clocked makes a database whose clock can be set, and returns a URL with which it is used.
func clocked(t *testing.T) (url string, set func(ahead time.Duration)) {
	t.Helper()
	server, name := harness.SharedPostgres(t), store.NewID("test_")
	url = server.Database(t, name)
	server.Exec(t, name, `CREATE SCHEMA clock`)
	set = func(ahead time.Duration) {
		for _, function := range []string{"now", "clock_timestamp"} {
			server.Exec(t, name, `CREATE OR REPLACE FUNCTION clock.`+function+`() RETURNS timestamptz LANGUAGE sql STABLE
				AS $$ SELECT pg_catalog.clock_timestamp() + interval '`+ahead.String()+`' $$`)
		}
	}
	set(0)
	return url + "&search_path=clock,public,pg_catalog", set
}

// Idempotency keys expire by the database's clock, whatever that of the instance is.
func TestExpiryByDatabase(t *testing.T) {
	t.Parallel()
	url, set := clocked(t)
	s := open(t, url)
	e := plain()
	e.IdempotencyKey = "k"
	add := func(want store.Outcome) {
		t.Helper()
		receipts, err := s.Append(t.Context(), "a", []store.NewEvent{e})
		if err != nil || receipts[0].Outcome != want {
			t.Fatalf("%+v %v, want %d", receipts, err, want)
		}
	}
	keys := func(want int) {
		t.Helper()
		if more, err := s.Expire(t.Context()); more || err != nil {
			t.Errorf("%v %v", more, err)
		}
		if keys, err := s.IdempotencyKeys(t.Context(), "a", "", 10); err != nil || len(keys) != want {
			t.Errorf("%+v %v, want %d", keys, err, want)
		}
	}
	set(-48 * time.Hour)
	add(store.Accepted)
	keys(1)
	add(store.Duplicate)
	set(-48*time.Hour + 61*time.Minute)
	add(store.Accepted)
	add(store.Duplicate)
	set(0)
	keys(0)
	set(-48 * time.Hour)
	keys(0) // gone, not just passed over
}

// Clocks that are apart are told of once, when that is found.
func TestClocksApart(t *testing.T) {
	t.Parallel()
	url, set := clocked(t)
	log, read := logged()
	s := openWith(t, postgres.Options{URL: url, AutoMigrate: true, Log: log})
	warnings := func() int { return strings.Count(read(), "the database's differ") }
	check := func(ahead time.Duration, want int) {
		t.Helper()
		set(ahead)
		for range 2 {
			if err := s.Check(t.Context()); err != nil {
				t.Error(err)
			}
		}
		if got := warnings(); got != want {
			t.Errorf("%s: %d warnings, want %d: %s", ahead, got, want, read())
		}
	}
	check(0, 0)
	check(2*time.Minute, 1)
	check(0, 1)
	check(-2*time.Minute, 2)
	openWith(t, postgres.Options{URL: url, Log: log})
	if got := warnings(); got != 3 {
		t.Errorf("%d warnings after opening, want 3: %s", got, read())
	}
}
