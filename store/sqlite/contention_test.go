package sqlite_test

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/triggers-api/triggers/store"
)

// deadline bounds what must not wait: longer than any machine needs, shorter than what would hold it up.
const deadline = 20 * time.Second

func transaction(t *testing.T, path, begin string) *sql.Conn {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = conn.Close()
		_ = db.Close()
	})
	if _, err := conn.ExecContext(t.Context(), begin); err != nil {
		t.Fatal(err)
	}
	return conn
}

func count(t *testing.T, conn *sql.Conn) (n int) {
	t.Helper()
	if err := conn.QueryRowContext(t.Context(), `SELECT count(*) FROM events`).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// A reader that takes its time holds up no writer, and keeps its view.
func TestReaderHoldsUpNobody(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "events.db")
	s := open(t, path)
	reader := transaction(t, path, `BEGIN`)
	before := count(t, reader)
	ctx, cancel := context.WithTimeout(t.Context(), deadline)
	defer cancel()
	// Enough for the log to be folded in meanwhile.
	large := store.NewEvent{Payload: json.RawMessage(`{"x":"` + strings.Repeat("x", 500_000) + `"}`)}
	for range 60 {
		if _, err := s.Append(ctx, "a", []store.NewEvent{large}); err != nil {
			t.Fatal(err)
		}
	}
	if after := count(t, reader); after != before {
		t.Errorf("the reader's view changed from %d to %d events", before, after)
	}
}

// A writer outside the server, such as a restore, holds up no reader. Writes wait for it a while, then say that they
// cannot, and work again when it is done.
func TestForeignWriter(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "events.db")
	s := open(t, path)
	event := []store.NewEvent{{Payload: json.RawMessage(`{}`)}}
	receipts, err := s.Append(t.Context(), "a", event)
	if err != nil {
		t.Fatal(err)
	}
	foreign := transaction(t, path, `BEGIN IMMEDIATE`)
	ctx, cancel := context.WithTimeout(t.Context(), deadline)
	defer cancel()
	if _, err := s.Event(ctx, "a", receipts[0].ID); err != nil {
		t.Error(err)
	}
	if page, err := s.List(ctx, store.ListParams{TenantID: "a", Status: store.Pending, Limit: 10}); err != nil || len(page.Events) != 1 {
		t.Errorf("%+v %v", page, err)
	}
	if _, err := s.Append(ctx, "a", event); !errors.Is(err, store.ErrUnavailable) || ctx.Err() != nil {
		t.Errorf("%v", err)
	}
	if _, err := foreign.ExecContext(ctx, `ROLLBACK`); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Append(ctx, "a", event); err != nil {
		t.Error(err)
	}
}

// However much is written without a pause, and in however small steps, the log is folded in and begun anew.
func TestLogStaysBounded(t *testing.T) {
	t.Parallel()
	const most = 100 << 20
	for name, c := range map[string]struct {
		events, bytes int
		delete        bool
	}{
		"Large":  {events: 300, bytes: 1 << 20},
		"Small":  {events: 15_000, bytes: 10},
		"Erased": {events: 200, bytes: 1 << 20, delete: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "events.db")
			s := open(t, path)
			event := store.NewEvent{Payload: json.RawMessage(`{"x":"` + strings.Repeat("x", c.bytes) + `"}`)}
			for range c.events {
				receipts, err := s.Append(t.Context(), "a", []store.NewEvent{event})
				if err != nil {
					t.Fatal(err)
				}
				if c.delete {
					if _, err := s.Delete(t.Context(), "a", []store.EventID{receipts[0].ID}); err != nil {
						t.Fatal(err)
					}
				}
			}
			info, err := os.Stat(path + "-wal")
			if err != nil {
				t.Fatal(err)
			}
			if info.Size() > most {
				t.Errorf("the log has grown to %d MiB", info.Size()>>20)
			}
		})
	}
}
