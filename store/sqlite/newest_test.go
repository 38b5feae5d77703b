package sqlite_test

import (
	"encoding/json"
	"path/filepath"
	"testing"
	"time"

	"github.com/triggers-api/triggers/store"
	"github.com/triggers-api/triggers/store/sqlite"
)

// aheadOfClock returns a store whose ids are an hour ahead, and the last of them.
func aheadOfClock(t *testing.T, path string) (*sqlite.Store, store.EventID) {
	t.Helper()
	s := open(t, path)
	add(t, s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	ahead := store.FirstEventID(time.Now().Add(time.Hour))
	conn := transaction(t, path, `BEGIN IMMEDIATE`)
	if _, err := conn.ExecContext(t.Context(), `UPDATE events SET id = ?`, ahead[:]); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.ExecContext(t.Context(), `COMMIT`); err != nil {
		t.Fatal(err)
	}
	s = open(t, path)
	return s, add(t, s)
}

func add(t *testing.T, s *sqlite.Store) store.EventID {
	t.Helper()
	receipts, err := s.Append(t.Context(), "a", []store.NewEvent{{Payload: json.RawMessage(`{}`)}})
	if err != nil {
		t.Fatal(err)
	}
	return receipts[0].ID
}

func reopen(t *testing.T, s *sqlite.Store, path string) *sqlite.Store {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return open(t, path)
}

// A cursor that was given out stays before all that comes later, though its event is gone and the clock has stepped back
// since.
func TestReopenAfterPurge(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "events.db")
	s, last := aheadOfClock(t, path)
	if n, more, err := s.Purge(t.Context(), "a", last.Time().Add(time.Hour)); n != 2 || more || err != nil {
		t.Fatalf("%d %v %v", n, more, err)
	}
	s = reopen(t, s, path)
	if id := add(t, s); id.Compare(last) <= 0 {
		t.Errorf("%s is not after %s", id, last)
	}
}

func TestReopenAfterMark(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "events.db")
	s, last := aheadOfClock(t, path)
	mark, err := s.Mark(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	s = reopen(t, s, path)
	if id := add(t, s); id.Time().Before(mark) || !last.Time().Before(mark) {
		t.Errorf("%s and %s around %s", last.Time(), id.Time(), mark)
	}
}
