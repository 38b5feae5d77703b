package postgres_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/triggers-api/triggers/store"
	"github.com/triggers-api/triggers/store/postgres"
	"github.com/triggers-api/triggers/tests/harness"
)

func plain() store.NewEvent { return store.NewEvent{Payload: json.RawMessage(`{"n":1}`)} }

// appended stores an event and returns its id.
func appended(t *testing.T, s store.Store, tenant string) store.EventID {
	t.Helper()
	receipts, err := s.Append(t.Context(), tenant, []store.NewEvent{plain()})
	if err != nil {
		t.Fatal(err)
	}
	return receipts[0].ID
}

func cancelled(t *testing.T) (context.Context, context.CancelFunc) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	return ctx, cancel
}

func logged() (log *slog.Logger, read func() string) {
	var buf bytes.Buffer
	return slog.New(slog.NewTextHandler(&buf, nil)), buf.String
}

// eventually calls probe until it answers nil.
func eventually(t *testing.T, probe func() error) {
	t.Helper()
	const timeout = 30 * time.Second
	for deadline := time.Now().Add(timeout); ; {
		err := probe()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("after %s still: %v", timeout, err)
		}
	}
}

// hold takes the lock that orders appends on a connection of its own, as a server that hangs would, until release.
func hold(t *testing.T, url string) (release func()) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	if _, err := conn.Exec(t.Context(), `BEGIN; `+postgres.LockAppending); err != nil {
		t.Fatal(err)
	}
	return func() {
		if _, err := conn.Exec(t.Context(), `ROLLBACK`); err != nil {
			t.Error(err)
		}
	}
}

// waiting waits until so many sessions of a database wait for a lock.
func waiting(t *testing.T, url string, n int) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(t.Context()) }()
	eventually(t, func() error {
		var got int
		err := conn.QueryRow(t.Context(), `SELECT count(*) FROM pg_stat_activity
			WHERE datname = current_database() AND wait_event_type = 'Lock'`).Scan(&got)
		if err == nil && got != n {
			err = fmt.Errorf("%d sessions wait, want %d", got, n)
		}
		return err
	})
}

// One append that cannot be stored does not hurt those it is grouped with.
func TestBadGroupMember(t *testing.T) {
	t.Parallel()
	url := database(t)
	s := open(t, url)
	release := hold(t, url)
	errs := make([]error, 20)
	var group sync.WaitGroup
	start := func(i int, tenant string) {
		group.Go(func() { _, errs[i] = s.Append(t.Context(), tenant, []store.NewEvent{plain()}) })
	}
	start(0, "first")
	waiting(t, url, 1) // the first is a group by itself; the others gather behind it
	const bad = 7
	for i := 1; i < len(errs); i++ {
		tenant := "good"
		if i == bad {
			tenant = "bad\x00" // no text of PostgreSQL's has a zero byte
		}
		start(i, tenant)
	}
	release()
	group.Wait()
	for i, err := range errs {
		if i == bad {
			if err == nil || errors.Is(err, store.ErrUnavailable) || strings.Contains(err.Error(), "bad") {
				t.Errorf("the bad one: %v", err)
			}
			continue
		}
		if err != nil {
			t.Errorf("append %d: %v", i, err)
		}
	}
	page, err := s.List(t.Context(), store.ListParams{TenantID: "good", Status: store.Pending, Limit: 100})
	if err != nil || len(page.Events) != len(errs)-2 {
		t.Errorf("%d events, %v", len(page.Events), err)
	}
}

// An append whose caller has gone before its turn is not stored.
func TestCallerGone(t *testing.T) {
	t.Parallel()
	url := database(t)
	s := open(t, url)
	release := hold(t, url)
	var first sync.WaitGroup
	first.Go(func() { appended(t, s, "a") })
	waiting(t, url, 1)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := s.Append(ctx, "a", []store.NewEvent{plain()}); !errors.Is(err, store.ErrUnavailable) {
		t.Error(err)
	}
	release()
	first.Wait()
	appended(t, s, "a")
	page, err := s.List(t.Context(), store.ListParams{TenantID: "a", Status: store.Pending, Limit: 10})
	if err != nil || len(page.Events) != 2 {
		t.Errorf("%d events, %v", len(page.Events), err)
	}
}

// A foreign session that holds the lock and hangs makes appends fail in bounded time, and nothing else.
func TestLockHeld(t *testing.T) {
	t.Parallel()
	url := database(t)
	s := open(t, url+"&lock_timeout=300ms")
	id := appended(t, s, "a")
	release := hold(t, url)
	if _, err := s.Append(t.Context(), "a", []store.NewEvent{plain()}); !errors.Is(err, store.ErrUnavailable) {
		t.Error(err)
	}
	if _, err := s.Acknowledge(t.Context(), "a", []store.EventID{id}); err != nil {
		t.Error(err)
	}
	release()
	appended(t, s, "a")
}

// An instance that freezes between two statements loses the lock, and the others go on.
func TestInstanceFrozen(t *testing.T) {
	t.Parallel()
	url := database(t)
	s := open(t, url)
	hold(t, url+"&idle_in_transaction_session_timeout=300ms")
	appended(t, s, "a")
}

// The same with the settings that connections have when the URL says nothing.
func TestInstanceFrozenByDefault(t *testing.T) {
	t.Parallel()
	url := database(t)
	s := open(t, url)
	postgres.Freeze(t, url)
	appended(t, s, "a")
}

func TestReadOnly(t *testing.T) {
	t.Parallel()
	server := harness.SharedPostgres(t)
	name := store.NewID("test_")
	url := server.Database(t, name)
	s := open(t, url)
	id := appended(t, s, "a")
	set := func(value string) {
		server.Exec(t, "postgres", `ALTER DATABASE "`+name+`" SET default_transaction_read_only = `+value)
		server.Exec(t, "postgres", `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '`+name+`'`)
	}
	set("on")
	_, err := s.Append(t.Context(), "a", []store.NewEvent{plain()})
	_, ackErr := s.Acknowledge(t.Context(), "a", []store.EventID{id})
	for _, err := range []error{err, ackErr, s.Check(t.Context())} {
		if !errors.Is(err, store.ErrUnavailable) {
			t.Error(err)
		}
	}
	if _, err := s.Event(t.Context(), "a", id); err != nil {
		t.Errorf("reading a read-only database: %v", err)
	}
	set("off")
	appended(t, s, "a")
	eventually(t, func() error { _, err := s.Acknowledge(t.Context(), "a", []store.EventID{id}); return err })
}

// Sessions that are cut under load lose nothing that was answered, and repeating what failed under its key stores
// nothing twice.
func TestConnectionsCut(t *testing.T) {
	t.Parallel()
	server := harness.StartPostgres(t)
	url := server.Database(t, "cut")
	stores := []store.Store{open(t, url), open(t, url)}
	const workers, cuts = 8, 5
	var stop atomic.Bool
	var unkeyed sync.Map // ids that were answered
	keyed := make([][]store.EventID, workers)
	var work sync.WaitGroup
	for w := range workers {
		work.Go(func() {
			s := stores[w%len(stores)]
			for n := 0; !stop.Load(); n++ {
				if receipts, err := s.Append(t.Context(), "unkeyed", []store.NewEvent{plain()}); err == nil {
					unkeyed.Store(receipts[0].ID, nil)
				} else if !errors.Is(err, store.ErrUnavailable) {
					t.Error(err)
				}
				e := plain()
				e.IdempotencyKey = fmt.Sprint(w, "-", n)
				eventually(t, func() error {
					receipts, err := s.Append(t.Context(), "keyed", []store.NewEvent{e})
					if err == nil {
						keyed[w] = append(keyed[w], receipts[0].ID)
					}
					return err
				})
				if _, err := s.Event(t.Context(), "keyed", keyed[w][n]); err != nil && !errors.Is(err, store.ErrUnavailable) {
					t.Error(err)
				}
			}
		})
	}
	for range cuts {
		before := appended(t, open(t, url), "cutter")
		server.CutConnections(t)
		eventually(t, func() error { _, err := stores[0].Event(t.Context(), "cutter", before); return err })
	}
	stop.Store(true)
	work.Wait()
	want := 0
	for _, ids := range keyed {
		want += len(ids)
	}
	if got := count(t, stores[0], "keyed", func(store.EventID) {}); got != want {
		t.Errorf("%d events, want one for each of %d keys", got, want)
	}
	count(t, stores[0], "unkeyed", func(id store.EventID) { unkeyed.Delete(id) })
	unkeyed.Range(func(id, _ any) bool {
		t.Errorf("%s was answered and is not there", id)
		return true
	})
}

// count goes through a tenant's inbox.
func count(t *testing.T, s store.Store, tenant string, each func(store.EventID)) (n int) {
	t.Helper()
	params := store.ListParams{TenantID: tenant, Status: store.Pending, Limit: 500}
	for {
		page, err := s.List(t.Context(), params)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range page.Events {
			each(e.ID)
			params.After = store.Cursor{ID: e.ID}
		}
		if n += len(page.Events); !page.More {
			return n
		}
	}
}

// A restart of the database is not noticed by calls that come after it.
func TestServerRestarted(t *testing.T) {
	t.Parallel()
	server := harness.StartPostgres(t)
	s := open(t, server.Database(t, "restart"))
	id := appended(t, s, "a")
	server.Restart(t)
	second := appended(t, s, "a")
	if second.Compare(id) <= 0 {
		t.Errorf("%s is not after %s", second, id)
	}
	if _, err := s.Acknowledge(t.Context(), "a", []store.EventID{id}); err != nil {
		t.Error(err)
	}
	if e, err := s.Event(t.Context(), "a", id); err != nil || e.Status != store.Acknowledged {
		t.Errorf("%+v %v", e, err)
	}
	server.Stop(t)
	_, err := s.Append(t.Context(), "a", []store.NewEvent{plain()})
	_, readErr := s.Event(t.Context(), "a", id)
	for _, err := range []error{err, readErr, s.Check(t.Context())} {
		if !errors.Is(err, store.ErrUnavailable) {
			t.Errorf("without its server: %v", err)
		}
	}
	server.Start(t)
	appended(t, s, "a")
	if err := s.Check(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestLongNames(t *testing.T) {
	t.Parallel()
	s := open(t, database(t))
	name := strings.Repeat("\U0001F680", 255)
	receipts, err := s.Append(t.Context(), "a", []store.NewEvent{
		{Source: name, Type: name, Topic: name, Payload: json.RawMessage(`{}`), IdempotencyKey: strings.Repeat("k", 255)},
	})
	if err != nil {
		t.Fatal(err)
	}
	page, err := s.List(t.Context(), store.ListParams{TenantID: "a", Status: store.Pending, Source: name, Type: name, Topic: name, Limit: 1})
	if err != nil || len(page.Events) != 1 || page.Events[0].ID != receipts[0].ID || page.Events[0].Topic != name {
		t.Errorf("%+v %v", page, err)
	}
}
