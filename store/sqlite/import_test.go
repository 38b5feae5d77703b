package sqlite_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/triggers-api/triggers/store"
)

// Ids follow everything that was ever stored, also after a restart, in whatever order events were imported.
func TestReopenAfterImport(t *testing.T) {
	t.Parallel()
	ctx, path := t.Context(), filepath.Join(t.TempDir(), "events.db")
	s := open(t, path)
	ahead, old := store.FirstEventID(time.Now().Add(time.Hour)), store.FirstEventID(time.Now().Add(-time.Hour))
	highest := ahead
	for _, id := range []store.EventID{ahead, old} {
		if err := s.Import(ctx, "a", []store.Event{{ID: id, Status: store.Pending, Payload: json.RawMessage(`{}`)}}, nil); err != nil {
			t.Fatal(err)
		}
	}
	for round := range 3 {
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		s = open(t, path)
		receipts, err := s.Append(ctx, "a", []store.NewEvent{{Payload: json.RawMessage(`{}`)}})
		if err != nil {
			t.Fatal(err)
		}
		if receipts[0].ID.Compare(highest) <= 0 {
			t.Fatalf("%s is not after %s", receipts[0].ID, highest)
		}
		highest = receipts[0].ID
		if round == 1 { // what was accepted last has a higher id than what is imported now
			if err := s.Import(ctx, "a", []store.Event{{ID: old, Status: store.Acknowledged, Payload: json.RawMessage(`{}`)}}, nil); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// What an import replaces and what is purged are erased from the file, as what is deleted.
func TestPurgeErases(t *testing.T) {
	t.Parallel()
	ctx, path := t.Context(), filepath.Join(t.TempDir(), "events.db")
	s := open(t, path)
	secret := json.RawMessage(`{"x":"` + strings.Repeat("top secret ", 2000) + `"}`) // longer than a page
	receipts, err := s.Append(ctx, "a", []store.NewEvent{{Payload: secret}, {Payload: json.RawMessage(`{"x":"short secret"}`)}, {Payload: secret}})
	if err != nil {
		t.Fatal(err)
	}
	tombstone := store.Event{ID: receipts[2].ID, Status: store.Deleted, DeletedAt: store.Now()}
	if err := s.Import(ctx, "a", []store.Event{tombstone}, nil); err != nil {
		t.Fatal(err)
	}
	if n, more, err := s.Purge(ctx, "a", time.Now().Add(time.Hour)); n != 3 || more || err != nil {
		t.Fatalf("%d %v %v", n, more, err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(content, []byte("secret")) {
		t.Error("a payload is still in the file")
	}
}
